"""Decorations: members beside an object's `type` that change what it does without the object knowing."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from deputize.expressions import ExpressionError
from deputize.expressions.gateway import compile_template
from deputize.gateway.config.settings import BASE_URI, UNSUPPORTED_DECORATORS, explain
from deputize.gateway.exchange.bindings import depends_on_head_alone
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Head
from deputize.http.plans import Filter, Handler, Plan, Prepare, as_filter, as_handler
from deputize.kernel.errors import ConfigurationError, DeputizeError
from deputize.kernel.uris import Origin, UriError, parse_origin
from deputize.kernel.values import JsonValue


class NoBaseUri(DeputizeError):
    """A `baseURI` expression did not yield an http or https URI for this exchange."""


def decorate(subject: object, members: Mapping[str, JsonValue], context: BuildContext) -> object:
    """Return `subject`, a handler remaining one, with the decorations among `members`.

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
    handler, filter_ = as_handler(subject), as_filter(subject)
    if handler is not None:
        return RebasedHandler(base, handler)
    if filter_ is not None:
        return RebasedFilter(base, filter_)
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

    __slots__ = ("_base", "_handler")

    def __init__(self, base: _Base, handler: Handler) -> None:
        self._base = base
        self._handler = handler

    def plan(self, head: Head) -> Plan:
        """Set the origin, and pass on."""
        return self._base.set_origin(head, self._handler.plan)


class RebasedFilter:
    """A filter that sees, and passes on, requests with another origin."""

    __slots__ = ("_base", "_filter")

    def __init__(self, base: _Base, subject: Filter) -> None:
        self._base = base
        self._filter = subject

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Set the origin, and pass on to the filter."""
        return self._base.set_origin(head, lambda changed: self._filter.prepare(changed, next))
