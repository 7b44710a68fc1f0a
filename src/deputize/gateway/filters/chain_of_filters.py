"""`ChainOfFilters`: several filters as one (gateway-config reference 4.12)."""

from collections.abc import Sequence
from typing import Self

from deputize.gateway.config.settings import OneOrMore, Reference, Settings
from deputize.gateway.exchange.chaining import link
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Head
from deputize.http.plans import Filter, Plan, Prepare
from deputize.kernel.errors import Faults


class ChainOfFilters:
    """A filter made of filters, outermost first."""

    class Config(Settings):
        """`filters` run in this order on the way in and in reverse on the way out."""

        filters: OneOrMore[Reference]
        """The filters, in the order in which requests meet them."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        self._filters = filters

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Look up the filters."""
        faults = Faults()
        found = [
            faults.attempt(context.refer, each, Filter, f"filters/{index}")
            for index, each in enumerate(config.filters)
        ]
        faults.raise_any()
        return cls([each for each in found if each is not None])

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass through all of them."""
        return link(self._filters, next)(head)
