"""`Chain`: filters in order, then a handler (gateway-config reference 5.1)."""

from typing import Self

from deputize.gateway.config.settings import OneOrMore, Reference, Settings
from deputize.gateway.loading.context import Site
from deputize.http import chain
from deputize.http.exchange import Filter, Handler
from deputize.kernel.errors import Faults


class Chain(chain.Chain):
    """A handler made of filters and the handler they guard."""

    class Config(Settings):
        """`filters` run in this order on the way in and in reverse on the way out."""

        filters: OneOrMore[Reference] = ()
        """In the order requests meet them."""
        handler: Reference
        """What the last filter passes on to."""

    @classmethod
    def build(cls, config: Config, site: Site) -> Self:
        """Link the filters and the handler."""
        faults = Faults()
        filters = [
            faults.attempt(site.refer, each, Filter, f"filters/{index}")
            for index, each in enumerate(config.filters)
        ]
        handler = faults.attempt(site.refer, config.handler, Handler, "handler")
        if faults.found or handler is None:
            raise faults.error()
        return cls(filter(None, filters), handler)
