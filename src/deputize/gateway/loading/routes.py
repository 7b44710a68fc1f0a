"""A route: one file, decided by its condition, built as a whole or not at all."""

from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeGuard

from pydantic import Field

from deputize.audit.publisher import AuditPublisher
from deputize.audit.records import RouteIdentity
from deputize.expressions import Condition
from deputize.gateway.config.declarations import below, declarations
from deputize.gateway.config.files import ConfigurationFile, read_file, unread
from deputize.gateway.config.settings import ConditionText, Raw, Reference, Settings
from deputize.gateway.exchange.conditions import PlacedCondition
from deputize.gateway.exchange.contexts import RouterContext
from deputize.gateway.exchange.recording import Observe, access_audit
from deputize.gateway.loading.advice import advice
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.loading.decorators import BASE_URI, decorate
from deputize.gateway.loading.deployment import Deployment
from deputize.gateway.loading.heap import Heap
from deputize.http.exchange import Ending, Exchange, Handler
from deputize.http.messages import Response
from deputize.kernel.errors import ConfigurationError, Faults, Position

RESERVED_NAME = "default"
PATH_ONLY = frozenset({("request", "uri", "path")})
"""A condition that reads nothing else is evaluated once a path."""
REMEMBERED_PATHS = 1024


class RouteSettings(Settings):
    """The members of a route file."""

    handler: Reference
    """Answers the requests this route accepts."""
    name: str | None = None
    """The route's name; routes are tried in the order of their names. By default the id."""
    id: str | None = Field(None, alias="_id")
    """The route's id; by default the file's name without `.json`."""
    condition: ConditionText | None = None
    """Which requests the route accepts; all of them when absent."""
    heap: Raw[Any] = Field([])
    """Objects that this route's objects can refer to by name."""
    properties: Raw[dict[str, Any]] = Field({})
    """What tokens `&{name}` stand for in this file."""
    global_decorators: Raw[dict[str, Any]] = Field({})
    """Decorations of every object of this route."""
    audit_service: Reference = "AuditService"
    """Takes the access records of this route; by default the heap object of that name, where there is one."""


class Route:
    """A deployed route.

    Counts the exchanges it is serving, so that it is closed only when the last one has ended.
    """

    __slots__ = ("_by_path", "_condition", "_handle", "_observe", "active", "deployment", "identity")

    def __init__(
        self,
        identity: RouteIdentity,
        condition: PlacedCondition | None,
        handler: Handler,
        observe: Observe | None,
        deployment: Deployment,
    ) -> None:
        """`observe` is shown each exchange before the handler is."""
        self.identity = identity
        self.deployment = deployment
        self.active = 0
        self._condition = condition
        self._by_path: dict[str, bool] | None = (
            {} if condition is not None and condition.reads <= PATH_ONLY else None
        )
        self._handle = handler.handle
        self._observe = observe

    def accepts(self, exchange: Exchange) -> bool:
        """Whether the condition holds. One that cannot be decided does not, and is reported."""
        if self._condition is None:
            return True
        if self._by_path is None:
            return self._condition.accepts(exchange)
        path = exchange.request.target.path
        held = self._by_path.get(path)
        return self._remembered(path, self._condition.accepts(exchange)) if held is None else held

    def _remembered(self, path: str, held: bool) -> bool:  # noqa: FBT001 - what is remembered
        """Paths come from clients, so that only so many are kept."""
        if self._by_path is not None:
            if len(self._by_path) >= REMEMBERED_PATHS:
                self._by_path.clear()
            self._by_path[path] = held
        return held

    def handle(self, exchange: Exchange) -> Awaitable[Response]:
        """Serve the exchange."""
        self.active += 1
        exchange.endings.append(self._ended)
        if exchange.find(RouterContext) is None:
            exchange.put(RouterContext(self.identity, exchange.request.origin, exchange.request.target))
        if self._observe is not None:
            self._observe(exchange)
        return self._handle(exchange)

    def _ended(self, _: Ending) -> None:
        self.active -= 1


def build_route(context: BuildContext, text: bytes, path: Path, deployment: Deployment) -> Route:
    """The route written in `text`, the content of `path`, registering in `deployment`.

    `context` is that of the router. The file's name names the route if it does not. Raises
    `ConfigurationError` for all that is wrong in the file.
    """
    read = read_file(text, str(path), context.instance, context.properties)
    deployment.sources = read.sources
    try:
        route = _build(read, path, context, deployment)
    except ConfigurationError as error:
        raise read.located(error) from error
    deployment.warnings = [read.document.located(each) for each in deployment.warnings]
    return route


def _build(read: ConfigurationFile, path: Path, outer: BuildContext, deployment: Deployment) -> Route:
    """Goes on after each fault, so that the operator is told of all of them at once."""
    position, members, instance = read.position, read.members, outer.instance
    faults = Faults([*read.token_errors])
    settings = faults.attempt(read.settings, RouteSettings, instance)
    stem = path.name.removesuffix(".json")
    identity = faults.attempt(_identity, settings, stem, position) if settings else None
    decorators = settings.global_decorators if settings else {}
    declared = faults.attempt(declarations, members.get("heap", []), below(position, "heap"))
    heap = Heap(
        declared or (),
        outer.registry,
        deployment,
        read.properties,
        outer.objects,
        global_decorators=(*outer.global_decorators, decorators),
        route_directories=outer.route_directories | {path.parent},
    )
    faults.attempt(heap.build_all)
    context = heap.context("", position)
    reference = settings.handler if settings else members.get("handler")
    found = (
        faults.attempt(heap.resolve, reference, Handler, below(position, "handler"))
        if _may_refer(reference)
        else None
    )
    condition = faults.attempt(_condition, settings.condition, context) if settings else None
    handler = faults.attempt(decorate, found, members, context) if found else None
    if faults.found or settings is None or identity is None or not isinstance(handler, Handler):
        raise faults.error()
    deployment.warnings += unread(settings, position, "a route")
    deployment.warnings += advice(
        members,
        position,
        streaming=instance.streaming,
        has_global_base=any(BASE_URI in each for each in context.global_decorators),
    )
    service = heap.resolve(settings.audit_service, AuditPublisher, below(position, "auditService"))
    return Route(identity, condition, handler, access_audit(service, instance.clock, identity), deployment)


def _may_refer(reference: object) -> TypeGuard[str | dict[str, Any]]:
    return isinstance(reference, str) or (isinstance(reference, dict) and "type" in reference)


def _condition(condition: Condition | None, context: BuildContext) -> PlacedCondition | None:
    if condition is None:
        return None
    position = below(context.position, "condition")
    context.examine(condition.template, position)
    return PlacedCondition(condition, position, context.bindings)


def _identity(settings: RouteSettings, stem: str, position: Position) -> RouteIdentity:
    identifier = settings.id or stem
    identity = RouteIdentity(identifier, settings.name or identifier)
    if RESERVED_NAME in {stem, identity.id, identity.name}:
        raise ConfigurationError(
            position,
            f"{RESERVED_NAME!r} is reserved and cannot name a route",
            "choose another name, id and file name",
        )
    return identity
