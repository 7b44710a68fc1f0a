"""Filters in front of a handler, linked once when the configuration is loaded."""

from collections.abc import Awaitable, Iterable

from deputize.http.exchange import Exchange, Filter, Handler, Next
from deputize.http.messages import Response


class Chain:
    """A handler made of filters, outermost first, and the handler they guard."""

    __slots__ = ("handle",)

    def __init__(self, filters: Iterable[Filter], handler: Handler) -> None:
        """Links are closures made here, so that a request costs one call a filter and no look-up."""
        link: Next = handler.handle
        for each in reversed(list(filters)):
            link = _linked(each, link)
        self.handle = link


def _linked(each: Filter, following: Next) -> Next:
    run = each.filter

    def link(exchange: Exchange) -> Awaitable[Response]:
        return run(exchange, following)

    return link
