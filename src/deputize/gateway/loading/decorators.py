"""Decorations: members beside an object's `type` that change what it does without the object knowing."""

from collections.abc import Awaitable, Mapping
from urllib.parse import urlsplit

from deputize.expressions import ExpressionError
from deputize.expressions.gateway import compile_template
from deputize.gateway.config.settings import BASE_URI, UNSUPPORTED_DECORATORS, explain
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Filter, Handler, Next
from deputize.http.messages import Response
from deputize.kernel.errors import ConfigurationError, DeputizeError
from deputize.kernel.uris import Origin, UriError, parse_origin
from deputize.kernel.values import JsonValue


class NoBaseUri(DeputizeError):
    """A `baseURI` expression did not yield an http or https URI for this exchange."""


def decorate(subject: object, members: Mapping[str, JsonValue], context: BuildContext) -> object:
    """`subject`, a handler remaining one, with the decorations among `members`.

    Raises `ConfigurationError` for one that cannot be applied to it.
    """
    for name in sorted(UNSUPPORTED_DECORATORS & members.keys()):
        context.deployment.warnings.append(
            ConfigurationError(
                context.position.below(name),
                f"the decoration {name!r} is not yet supported and has no effect",
            )
        )
    if BASE_URI not in members:
        return subject
    base = _Base(members[BASE_URI], context)
    if isinstance(subject, Handler):
        return RebasedHandler(base, subject)
    if isinstance(subject, Filter):
        return RebasedFilter(base, subject)
    raise ConfigurationError(
        context.position.below(BASE_URI),
        f"a {type(subject).__name__} has no baseURI",
        "put it on the route or on a handler",
    )


class _Base:
    """The origin that requests are sent to: known at load, or found for each exchange."""

    def __init__(self, written: JsonValue, context: BuildContext) -> None:
        """Raises `ConfigurationError`, also for a constant that is no origin."""
        position = context.position.below(BASE_URI)
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

    def find(self, exchange: Exchange) -> Origin:
        """Return the origin for `exchange`. Raises `NoBaseUri`, `UriError` or `ExpressionError`."""
        text = self._context.text(self._template, exchange)
        if text is None:
            raise NoBaseUri(f"{self._template.source} yields nothing")
        return parse_origin(text)


class RebasedHandler:
    """A handler whose requests go to another origin. Adds no coroutine of its own."""

    __slots__ = ("_base", "_handle", "_origin")

    def __init__(self, base: _Base, handler: Handler) -> None:
        self._base = base
        self._origin = base.constant
        self._handle: Next = handler.handle

    def handle(self, exchange: Exchange) -> Awaitable[Response]:
        """Set the request's origin, path and query untouched, and pass on."""
        exchange.request.origin = self._origin or self._base.find(exchange)
        return self._handle(exchange)


class RebasedFilter:
    """A filter that sees, and passes on, requests with another origin."""

    __slots__ = ("_base", "_filter", "_origin")

    def __init__(self, base: _Base, subject: Filter) -> None:
        self._base = base
        self._origin = base.constant
        self._filter = subject.filter

    def filter(self, exchange: Exchange, next: Next) -> Awaitable[Response]:
        """Set the request's origin and run the filter."""
        exchange.request.origin = self._origin or self._base.find(exchange)
        return self._filter(exchange, next)
