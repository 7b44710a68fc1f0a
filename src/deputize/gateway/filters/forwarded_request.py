"""`ForwardedRequestFilter`: restores the URI that the client used (gateway-config reference 4.6)."""

from collections.abc import Awaitable
from typing import Self

from pydantic import model_validator

from deputize.expressions.gateway import Template
from deputize.gateway.config.settings import Settings, TemplateText
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Next
from deputize.http.messages import Response
from deputize.kernel.uris import DEFAULT_PORTS, Origin, parse_origin


class ForwardedRequestFilter:
    """Replaces scheme, host or port of the request's origin by the values of runtime expressions.

    They differ from what the client used when a TLS terminator is in front of the gateway.
    """

    class Config(Settings):
        """At least one of the three is required. A missing port is the default of the given scheme."""

        scheme: TemplateText | None = None
        """The scheme the client used, `http` or `https`."""
        host: TemplateText | None = None
        """The host the client asked for."""
        port: TemplateText | None = None
        """The port the client asked for."""

        @model_validator(mode="after")
        def _has_one(self) -> Self:
            if self.scheme is None and self.host is None and self.port is None:
                raise ValueError("one of 'scheme', 'host' and 'port' is required")
            return self

    def __init__(self, config: Config, context: BuildContext) -> None:
        self._config = config
        self._context = context

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Build the filter."""
        return cls(config, context)

    def filter(self, exchange: Exchange, next: Next) -> Awaitable[Response]:
        """Replace the origin; raises `UriError` when the parts make none."""
        received = exchange.request.origin or Origin("http", "localhost", DEFAULT_PORTS["http"])
        scheme = self._evaluate(self._config.scheme, exchange) or received.scheme
        host = self._evaluate(self._config.host, exchange) or received.host
        default_port = received.port if self._config.scheme is None else DEFAULT_PORTS.get(scheme, 0)
        port = self._evaluate(self._config.port, exchange) or str(default_port)
        exchange.request.origin = parse_origin(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}")
        return next(exchange)

    def _evaluate(self, template: Template | None, exchange: Exchange) -> str | None:
        return self._context.text(template, exchange) if template is not None else None
