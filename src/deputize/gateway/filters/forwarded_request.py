"""`ForwardedRequestFilter`: restores the URI that the client used (gateway-config reference 4.6)."""

from typing import Self

from pydantic import model_validator

from deputize.expressions.gateway import Template
from deputize.gateway.config.settings import Settings, TemplateText
from deputize.gateway.exchange.bindings import depends_on_head_alone
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Head
from deputize.http.plans import Plan, Prepare
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

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Replace the origin; raises `UriError` when the parts make none."""
        templates = (self._config.scheme, self._config.host, self._config.port)
        if head.exchange is None and not all(depends_on_head_alone(each.reads) for each in templates if each):
            return Plan.anew(head, lambda at: self.prepare(at, next))
        received = head.origin or Origin("http", "localhost", DEFAULT_PORTS["http"])
        scheme = self._evaluate(self._config.scheme, head) or received.scheme
        host = self._evaluate(self._config.host, head) or received.host
        default_port = received.port if self._config.scheme is None else DEFAULT_PORTS.get(scheme, 0)
        port = self._evaluate(self._config.port, head) or str(default_port)
        origin = parse_origin(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}")
        return next(head.with_origin(origin))

    def _evaluate(self, template: Template | None, head: Head) -> str | None:
        return self._context.text(template, head) if template is not None else None
