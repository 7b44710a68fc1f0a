"""Decorations: members beside an object's `type` that change what it does without the object knowing."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from deputize.expressions import ExpressionError, Template, compile_template
from deputize.gateway.config.settings import explained
from deputize.gateway.loading.context import Site
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


@dataclass(frozen=True, slots=True)
class Decorations:
    """The `globalDecorators` in force, those of the outermost file first."""

    everywhere: tuple[Mapping[str, JsonValue], ...] = ()

    def extended(self, decorators: Mapping[str, JsonValue]) -> "Decorations":
        """These, and those of a file further in."""
        return Decorations((*self.everywhere, decorators)) if decorators else self

    @property
    def has_base_uri(self) -> bool:
        """Whether some file gives every handler a `baseURI`."""
        return any(BASE_URI in decorators for decorators in self.everywhere)

    def on_route(self, handler: Handler, members: Mapping[str, JsonValue], site: Site) -> Handler:
        """`handler` with the decorations among a route's own `members`."""
        return cast("Handler", _decorated(handler, members, site))

    def applied(self, subject: object, members: Mapping[str, JsonValue], site: Site) -> object:
        """`subject` with the decorations among its own `members`, then those that hold everywhere."""
        decorated = _decorated(subject, members, site)
        if isinstance(subject, Handler):
            for decorators in self.everywhere:
                decorated = _decorated(decorated, decorators, site)
        return decorated


def _decorated(subject: object, members: Mapping[str, JsonValue], site: Site) -> object:
    for name in sorted(WITHOUT_EFFECT & members.keys()):
        site.surroundings.warn(
            ConfigurationError(
                _beside(site, name), f"the decoration {name!r} is not yet supported and has no effect"
            )
        )
    if BASE_URI not in members:
        return subject
    base = _Base(members[BASE_URI], site)
    if isinstance(subject, Handler):
        return RebasedHandler(base, subject)
    if isinstance(subject, Filter):
        return RebasedFilter(base, subject)
    raise ConfigurationError(
        _beside(site, BASE_URI),
        f"a {type(subject).__name__} has no baseURI",
        "put it on the route or on a handler",
    )


class _Base:
    """The origin that requests are sent to: known at load, or found for each exchange."""

    def __init__(self, written: JsonValue, site: Site) -> None:
        if not isinstance(written, str):
            raise ConfigurationError(_beside(site, BASE_URI), "baseURI is a text")
        self._site = site
        self._template = _compiled(written, _beside(site, BASE_URI))
        site.surroundings.examine(self._template, _beside(site, BASE_URI))
        self.constant = self._constant(written) if self._template.is_constant else None

    def of(self, exchange: Exchange) -> Origin:
        """The origin for `exchange`. Raises `NoBaseUri`, `UriError` or `ExpressionError`."""
        text = self._site.text(self._template, exchange)
        if text is None:
            raise NoBaseUri(f"{self._template.source} yields nothing")
        return parse_origin(text)

    def _constant(self, written: str) -> Origin:
        position = _beside(self._site, BASE_URI)
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
            self._site.surroundings.warn(
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


def _beside(site: Site, name: str) -> Position:
    return Position(site.position.file, join(site.position.pointer, name))
