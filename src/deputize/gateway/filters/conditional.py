"""`ConditionalFilter`: runs another filter only if a condition holds (gateway-config reference 4.7)."""

from collections.abc import Awaitable
from typing import Self

from deputize.expressions import Template
from deputize.gateway.settings import Reference, Settings, TemplateText
from deputize.gateway.site import Site
from deputize.http.exchange import Exchange, Filter, Next
from deputize.http.messages import Response


class ConditionalFilter:
    """Skips its delegate when the condition is false or cannot be evaluated; put checks into the condition of the route instead."""

    class Config(Settings):
        """`condition` is evaluated for each request."""

        condition: TemplateText
        """When the delegate is used."""
        delegate: Reference
        """The filter that is used or skipped."""

    def __init__(self, condition: Template, delegate: Filter, site: Site) -> None:
        self._condition = condition
        self._delegate = delegate
        self._site = site

    @classmethod
    def build(cls, config: Config, site: Site) -> Self:
        """Look up the delegate."""
        return cls(config.condition, site.refer(config.delegate, Filter, "delegate"), site)

    def filter(self, exchange: Exchange, next: Next) -> Awaitable[Response]:  # noqa: A002 - the specification's word
        """Run the delegate, or continue without it."""
        if self._site.holds(self._condition, exchange):
            return self._delegate.filter(exchange, next)
        return next(exchange)
