"""`Chain`: filters in order, then a handler (gateway-config reference 5.1)."""

from collections.abc import Iterable
from typing import Self

from deputize.gateway.config.settings import OneOrMore, Reference, Settings
from deputize.gateway.exchange.chaining import link
from deputize.gateway.loading.context import BuildContext
from deputize.http.plans import CallFilter, CallHandler, Filter, Handler, as_filter, as_handler
from deputize.kernel.errors import Faults


class Chain:
    """A handler made of filters, outermost first, and the handler they guard."""

    __slots__ = ("plan",)

    class Config(Settings):
        """`filters` run in this order on the way in and in reverse on the way out."""

        filters: OneOrMore[Reference] = ()
        """The filters, in the order in which requests meet them."""
        handler: Reference
        """Answers what the last filter passes on."""

    def __init__(self, filters: Iterable[Filter | CallFilter], handler: Handler | CallHandler) -> None:
        """Link them."""
        self.plan = link(map(as_filter, filters), as_handler(handler).plan)

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
