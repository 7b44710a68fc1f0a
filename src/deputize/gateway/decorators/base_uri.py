"""`BaseUriDecorator`: where requests are sent (gateway-config reference 1.8)."""

from typing import Self
from urllib.parse import urlsplit

from deputize.expressions import ExpressionError
from deputize.expressions.gateway import compile_template
from deputize.gateway.config.settings import Settings, explain
from deputize.gateway.exchange.bindings import depends_on_head_alone
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Head
from deputize.http.plans import Filter, Handler, Plan, Prepare
from deputize.kernel.errors import ConfigurationError, DeputizeError, Position
from deputize.kernel.uris import Origin, UriError, parse_origin
from deputize.kernel.values import JsonValue


class NoBaseUri(DeputizeError):
    """A `baseURI` expression did not yield an http or https URI for this exchange."""


class BaseUriDecorator:
    """Sends requests to another scheme, host and port; their path and query stay as they are.

    The decoration is a URI, which may be a runtime expression. Always there as `baseURI`.
    """

    class Config(Settings):
        """Nothing to configure."""

    def __init__(self, name: str) -> None:
        self._name = name

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Nothing to look up."""
        return cls(context.name)

    def decorate(
        self, subject: Filter | Handler, written: JsonValue, context: BuildContext
    ) -> Filter | Handler:
        """Return `subject` behind the origin."""
        base = _Base(written, context.position.below(self._name), context)
        if isinstance(subject, Handler):
            return RebasedHandler(base, subject)
        return RebasedFilter(base, subject)


class _Base:
    """The origin that requests are sent to: known at load, or found for each exchange."""

    def __init__(self, written: JsonValue, position: Position, context: BuildContext) -> None:
        """Raises `ConfigurationError` at `position`, also for a constant that is no origin."""
        if not isinstance(written, str):
            raise ConfigurationError(position, "baseURI is a text")
        try:
            self._template = compile_template(written)
        except ExpressionError as error:
            raise ConfigurationError(position, explain(error)) from error
        context.examine(self._template, position)
        self._context = context
        self.constant: Origin | None = None
        if not self._template.is_constant:
            return
        try:
            self.constant = parse_origin(str(self._template.evaluate({})))
        except UriError as error:
            raise ConfigurationError(
                position, str(error), "write scheme, host and port, such as http://localhost:8000"
            ) from error
        if "_" in self.constant.host:
            raise ConfigurationError(position, f"the host name {self.constant.host} contains an underscore")
        parts = urlsplit(written)
        if parts.path not in {"", "/"} or parts.query:
            unused = "path and query of a baseURI are not used; only scheme, host and port are"
            context.deployment.warnings.append(
                ConfigurationError(position, unused, "change the path with a UriPathRewriteFilter")
            )

    def set_origin(self, head: Head, following: Prepare) -> Plan:
        """Go on with the origin set. Raises `NoBaseUri`, `UriError` or `ExpressionError`."""
        if self.constant is not None:
            return following(head.with_origin(self.constant))
        if head.exchange is None and not depends_on_head_alone(self._template.reads):
            return Plan.anew(head, lambda at: self.set_origin(at, following))
        text = self._context.text(self._template, head)
        if text is None:
            raise NoBaseUri(f"{self._template.source} yields nothing")
        return following(head.with_origin(parse_origin(text)))


class RebasedHandler:
    """A handler whose requests go to another origin, path and query untouched."""

    __slots__ = ("_base", "undecorated")

    def __init__(self, base: _Base, handler: Handler) -> None:
        self._base = base
        self.undecorated = handler

    def plan(self, head: Head) -> Plan:
        """Set the origin, and pass on."""
        return self._base.set_origin(head, self.undecorated.plan)


class RebasedFilter:
    """A filter that sees, and passes on, requests with another origin."""

    __slots__ = ("_base", "undecorated")

    def __init__(self, base: _Base, subject: Filter) -> None:
        self._base = base
        self.undecorated = subject

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Set the origin, and pass on to the filter."""
        return self._base.set_origin(head, lambda changed: self.undecorated.prepare(changed, next))
