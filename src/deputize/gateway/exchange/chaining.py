"""Links filters to what is behind them."""

from collections.abc import Iterable
from functools import partial

from deputize.http.exchange import Head
from deputize.http.plans import Filter, Plan, Prepare


def link(filters: Iterable[Filter], last: Prepare) -> Prepare:
    """Return what prepares heads for `filters`, outermost first, and then for `last`."""
    linked = _guard(last)
    for each in reversed([*filters]):
        linked = _guard(partial(each.prepare, next=linked))
    return linked


def _guard(prepare: Prepare) -> Prepare:
    def guarded(head: Head) -> Plan:
        try:
            return prepare(head.for_all())
        except Exception as error:  # noqa: BLE001 - the steps of the filters before it run all the same
            return Plan.failing(head, error)

    return guarded
