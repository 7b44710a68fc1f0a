"""Decorations: members beside an object's `type` that change what it does without the object knowing."""

from collections.abc import Awaitable, Mapping
from urllib.parse import urlsplit

from deputize.expressions import ExpressionError, Template, compile_template
from deputize.gateway.config.settings import explained
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Filter, Handler, Next
from deputize.http.messages import Response
from deputize.kernel.errors import ConfigurationError, DeputizeError, Position
from deputize.kernel.pointers import join
from deputize.kernel.uris import Origin, UriError, parse_origin
from deputize.kernel.values import JsonValue

BASE_URI = "baseURI"
WITHOUT_EFFECT = frozenset({"capture", "timer", "tracing"})
DECORATORS = frozenset({BASE_URI}) | WITHOUT_EFFECT


class NoBaseUri(DeputizeError):
    """A `baseURI` expression did not yield an http or https URI for this exchange."""


def decorate(subject: object, members: Mapping[str, JsonValue], context: BuildContext) -> object:
    """`subject`, a handler remaining one, with the decorations among `members`.

    Raises `ConfigurationError` for one that cannot be applied to it.
    """
    for name in sorted(WITHOUT_EFFECT & members.keys()):
        context.deployment.warnings.append(
            ConfigurationError(
                _beside(context, name), f"the decoration {name!r} is not yet supported and has no effect"
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
        _beside(context, BASE_URI),
        f"a {type(subject).__name__} has no baseURI",
        "put it on the route or on a handler",
    )


class _Base:
    """The origin that requests are sent to: known at load, or found for each exchange."""

    def __init__(self, written: JsonValue, context: BuildContext) -> None:
        if not isinstance(written, str):
            raise ConfigurationError(_beside(context, BASE_URI), "baseURI is a text")
        self._context = context
        self._template = _compiled(written, _beside(context, BASE_URI))
        context.examine(self._template, _beside(context, BASE_URI))
        self.constant = self._constant(written) if self._template.is_constant else None

    def of(self, exchange: Exchange) -> Origin:
        """The origin for `exchange`. Raises `NoBaseUri`, `UriError` or `ExpressionError`."""
        text = self._context.text(self._template, exchange)
        if text is None:
            raise NoBaseUri(f"{self._template.source} yields nothing")
        return parse_origin(text)

    def _constant(self, written: str) -> Origin:
        position = _beside(self._context, BASE_URI)
        try:
            origin = parse_origin(str(self._template.evaluate({})))
        except UriError as error:
            raise ConfigurationError(
                position, str(error), "write scheme, host and port, such as http://localhost:8000"
            ) from error
        if "_" in origin.host:
            raise ConfigurationError(position, f"the host name {origin.host} contains an underscore")
        parts = urlsplit(written)
        if parts.path not in {"", "/"} or parts.query:
            unused = "path and query of a baseURI are not used; only scheme, host and port are"
            self._context.deployment.warnings.append(
                ConfigurationError(position, unused, "change the path with a UriPathRewriteFilter")
            )
        return origin


class RebasedHandler:
    """A handler whose requests go to another origin. Adds no coroutine of its own."""

    __slots__ = ("_base", "_handle", "_origin")

    def __init__(self, base: _Base, handler: Handler) -> None:
        self._base = base
        self._origin = base.constant
        self._handle: Next = handler.handle

    def handle(self, exchange: Exchange) -> Awaitable[Response]:
        """Set the request's origin, path and query untouched, and pass on."""
        exchange.request.origin = self._origin or self._base.of(exchange)
        return self._handle(exchange)


class RebasedFilter:
    """A filter that sees, and passes on, requests with another origin."""

    __slots__ = ("_base", "_filter", "_origin")

    def __init__(self, base: _Base, subject: Filter) -> None:
        self._base = base
        self._origin = base.constant
        self._filter = subject.filter

    def filter(self, exchange: Exchange, next: Next) -> Awaitable[Response]:  # noqa: A002 - the specification's word
        """Set the request's origin and run the filter."""
        exchange.request.origin = self._origin or self._base.of(exchange)
        return self._filter(exchange, next)


def _compiled(written: str, position: Position) -> Template:
    try:
        return compile_template(written)
    except ExpressionError as error:
        raise ConfigurationError(position, explained(error)) from error


def _beside(context: BuildContext, name: str) -> Position:
    return Position(context.position.file, join(context.position.pointer, name))
