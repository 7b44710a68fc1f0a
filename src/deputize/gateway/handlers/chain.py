"""`Chain`: filters in order, then a handler (gateway-config reference 5.1)."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Self

from deputize.gateway.config.settings import OneOrMore, Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Filter, Handler, Next
from deputize.http.messages import Response
from deputize.kernel.errors import Faults


class Chain:
    """A handler made of filters, outermost first, and the handler they guard."""

    __slots__ = ("handle",)

    class Config(Settings):
        """`filters` run in this order on the way in and in reverse on the way out."""

        filters: OneOrMore[Reference] = ()
        """The filters, in the order in which requests meet them."""
        handler: Reference
        """Answers what the last filter passes on."""

    def __init__(self, filters: Iterable[Filter], handler: Handler) -> None:
        """Link them by closures, so that a request costs one call a filter and no look-up."""
        link: Next = handler.handle
        for each in reversed(list(filters)):
            link = _link(each.filter, link)
        self.handle = link

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Link the filters and the handler."""
        faults = Faults()
        filters = [
            faults.attempt(context.refer, each, Filter, f"filters/{index}")
            for index, each in enumerate(config.filters)
        ]
        handler = faults.attempt(context.refer, config.handler, Handler, "handler")
        if faults.found or handler is None:
            raise faults.error()
        return cls(filter(None, filters), handler)


def _link(run: Callable[[Exchange, Next], Awaitable[Response]], following: Next) -> Next:
    def link(exchange: Exchange) -> Awaitable[Response]:
        return run(exchange, following)

    return link
