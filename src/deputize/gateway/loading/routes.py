"""A route: one file, decided by its condition, built as a whole or not at all."""

from pathlib import Path

from deputize.audit.publisher import AuditPublisher
from deputize.audit.records import RouteIdentity
from deputize.gateway.config.file_settings import RouteSettings
from deputize.gateway.config.files import ConfigurationFile, read_file
from deputize.gateway.config.settings import BASE_URI
from deputize.gateway.exchange.conditions import PlacedCondition
from deputize.gateway.exchange.contexts import RouterContext
from deputize.gateway.exchange.recording import ObserveHead, access_audit
from deputize.gateway.loading.advice import advice_on_route
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.loading.decorators import decorate, decorations
from deputize.gateway.loading.deployment import Deployment
from deputize.gateway.loading.heap import Heap, read_declarations
from deputize.http.exchange import Ending, Exchange, Head
from deputize.http.plans import Handler, Plan
from deputize.kernel.errors import ConfigurationError, Faults

RESERVED_NAME = "default"
PATH_ONLY = frozenset({("request", "uri", "path")})
"""A condition that reads nothing else is evaluated once a path."""


class Route:
    """A deployed route.

    Counts the exchanges it is serving, so that it is closed only when the last one has ended.
    """

    __slots__ = (
        "_condition",
        "_handler",
        "_observe",
        "active",
        "depends_on_head_alone",
        "deployment",
        "goes_by_path",
        "identity",
    )

    def __init__(
        self,
        identity: RouteIdentity,
        condition: PlacedCondition | None,
        handler: Handler,
        observe: ObserveHead | None,
        deployment: Deployment,
    ) -> None:
        """`observe` puts a step of its own before the handler's."""
        self.identity = identity
        self.deployment = deployment
        self.active = 0
        self._condition = condition
        self.goes_by_path = condition is None or condition.reads <= PATH_ONLY
        """Whether `accepts` says the same for all requests with one path."""
        self.depends_on_head_alone = condition is None or condition.depends_on_head_alone
        """Whether `accepts` says the same for all calls with one head."""
        self._handler = handler
        self._observe = observe

    @property
    def accepts_everything(self) -> bool:
        """Whether it has no condition."""
        return self._condition is None

    @property
    def condition(self) -> str | None:
        """The condition as written."""
        return None if self._condition is None else self._condition.source

    def accepts(self, head: Head) -> bool:
        """Whether the condition holds. One that cannot be decided does not, and is reported."""
        if self._condition is None:
            return True
        return self._condition.accepts(head)

    def plan(self, head: Head) -> Plan:
        """Serve exchanges with this head."""
        found = head
        if head.find(RouterContext) is None:
            head = head.with_context(RouterContext(self.identity, head.origin, head.target))
        try:
            plan = self._handler.plan(head)
        except Exception as error:  # noqa: BLE001 - what a route cannot serve is on record as well
            plan = Plan.failing(head, error)
        if self._observe is not None:
            plan = self._observe(head, plan)
        return plan.after(found, check=self._begin, ending=self._end)

    def _begin(self, _: Exchange) -> None:
        self.active += 1

    def _end(self, _: Exchange, __: Ending) -> None:
        self.active -= 1


def build_route(context: BuildContext, text: bytes, path: Path, deployment: Deployment) -> Route:
    """Build the route written in `text`, the content of `path`, which registers in `deployment`.

    `context` is that of the router. The file's name names the route if it does not. Raises
    `ConfigurationError` for all that is wrong in the file.
    """
    read = read_file(text, str(path), context.instance, context.properties)
    deployment.sources = read.sources
    try:
        route = _build(read, path, context, deployment)
    except ConfigurationError as error:
        raise read.locate(error) from error
    deployment.warnings = [read.document.locate(each) for each in deployment.warnings]
    return route


def _build(read: ConfigurationFile, path: Path, outer: BuildContext, deployment: Deployment) -> Route:
    """Build the heap, the condition and the handler.

    Goes on after each fault, so that the operator is told of all of them at once.
    """
    position, members, instance = read.position, read.members, outer.instance
    faults = Faults([*read.token_errors])
    settings = faults.attempt(read.validate, RouteSettings, instance)
    stem = path.name.removesuffix(".json")
    identifier = (settings and settings.id) or stem
    identity = RouteIdentity(identifier, (settings and settings.name) or identifier)
    if settings and RESERVED_NAME in {stem, *identity}:
        reason = f"{RESERVED_NAME!r} is reserved and cannot name a route"
        faults.found.append(ConfigurationError(position, reason, "choose another name, id and file name"))
    declared = faults.attempt(read_declarations, members.get("heap", []), position.below("heap"))
    heap = Heap(
        declared or (),
        outer.registry,
        deployment,
        read.properties,
        outer.objects,
        global_decorators=(*outer.global_decorators, settings.global_decorators if settings else {}),
        route_directories=outer.route_directories | {path.parent},
    )
    faults.attempt(heap.build_all)
    context = heap.context("", position)
    handler: object = None
    reference = settings.handler if settings else members.get("handler")
    if isinstance(reference, str) or (isinstance(reference, dict) and "type" in reference):
        handler = faults.attempt(heap.resolve, reference, Handler, position.below("handler"))
    condition = None
    if settings and settings.condition:
        faults.attempt(context.examine, settings.condition.template, position.below("condition"))
        condition = PlacedCondition(settings.condition, position.below("condition"), context.bindings)
    applied = decorations((settings and settings.model_extra) or {}, context)
    if handler is not None:
        handler = faults.attempt(decorate, handler, applied, context)
    if faults.found or settings is None or not isinstance(handler, Handler):
        raise faults.error()
    deployment.warnings += read.warnings_about(settings, "a route", applied)
    deployment.warnings += advice_on_route(
        members,
        position,
        streaming=instance.streaming,
        has_global_base=any(BASE_URI in each for each in context.global_decorators),
    )
    service = heap.resolve(settings.audit_service, AuditPublisher, position.below("auditService"))
    return Route(identity, condition, handler, access_audit(service, identity), deployment)
