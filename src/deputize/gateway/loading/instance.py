"""Loads a gateway from its instance directory: everything is built, nothing listens."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from deputize.audit.publisher import AuditPublisher
from deputize.gateway.config.documents import read_content
from deputize.gateway.config.file_settings import (
    DEFAULT_ADMIN,
    DEFAULT_CONFIG,
    DEFAULT_OBJECTS,
    AdminSettings,
    GatewaySettings,
)
from deputize.gateway.config.files import SettingsFile, read_settings
from deputize.gateway.config.instance import Instance
from deputize.gateway.config.properties import Properties, outermost
from deputize.gateway.config.settings import SomeSettings
from deputize.gateway.exchange.buffering import DEFAULT_LIMIT, Buffered
from deputize.gateway.exchange.forwarding import ClientDescription
from deputize.gateway.exchange.recording import ObserveHead, access_audit
from deputize.gateway.loading.advice import advice_on_connectors
from deputize.gateway.loading.context import BuildContext, HeapType, Registry
from deputize.gateway.loading.decorators import decorate, decorations
from deputize.gateway.loading.deployment import Deployment, PublishedEndpoints, publication_clash
from deputize.gateway.loading.heap import Declaration, Heap, read_declarations
from deputize.http.exchange import Head
from deputize.http.plans import Handler, Plan, as_handler
from deputize.kernel.clock import Clock
from deputize.kernel.errors import ConfigurationError, Faults, Position
from deputize.kernel.values import JsonValue

GLOBAL = "the gateway's own configuration"
"""The owner of endpoints that no route publishes."""


@dataclass(frozen=True, slots=True)
class LoadedInstance:
    """What was built from `admin.json`, `config.json` and the route files."""

    admin: SettingsFile[AdminSettings]
    admin_heap: Heap
    """The objects of `admin.json`, which only listeners may refer to."""
    entry: Handler
    """Answers every exchange."""
    registry: Registry
    deployment: Deployment = field(repr=False)

    def errors(self) -> tuple[ConfigurationError, ...]:
        """What keeps routes from serving as their files stand."""
        return tuple(error for routes in self.registry.route_sets for error in routes.errors())

    def warnings(self) -> Iterator[ConfigurationError]:
        """What works but is probably not meant, in all files."""
        yield from self.deployment.warnings
        for routes in self.registry.route_sets:
            yield from routes.warnings()

    async def rescan(self) -> None:
        """Bring all routes in line with their files now.

        Raises `ConfigurationError` for a directory that cannot be read.
        """
        for routes in tuple(self.registry.route_sets):
            await routes.scan_in_slices()


class GatewayHandler:
    """Serves published endpoints itself, and passes everything else to the main handler."""

    __slots__ = ("_client", "_main", "_published")

    def __init__(self, published: PublishedEndpoints, main: Handler, client: ClientDescription) -> None:
        self._published = published
        self._main = main
        self._client = client

    def plan(self, head: Head) -> Plan:
        """Describe the client as the gateway sees it, then answer or pass on."""
        described = self._client.describe(head)
        handler = self._published.find(head.target.path) or self._main
        return handler.plan(described).while_(self._published.lease)


class ObservedHandler:
    """Shows each exchange to the access audit of `config.json` before `handler` gets it."""

    __slots__ = ("_handler", "_observe")

    def __init__(self, observe: ObserveHead, handler: Handler) -> None:
        self._observe = observe
        self._handler = handler

    def plan(self, head: Head) -> Plan:
        """Observe, and pass on."""
        try:
            plan = self._handler.plan(head)
        except Exception as error:  # noqa: BLE001 - what cannot be served is on record as well
            plan = Plan.failing(head, error)
        return self._observe(head, plan)


async def load(
    directory: Path,
    environment: Mapping[str, str],
    clock: Clock,
    types: Mapping[str, HeapType],
    observe: Callable[[object, str, BuildContext], object] | None = None,
) -> LoadedInstance:
    """Build everything in `directory`; `observe` is that of the registry.

    Raises `ConfigurationError` for what stops the start; broken routes do not. What was opened before an
    error is closed again. Runs in an event loop, because deployed routes begin their periodic jobs.
    """
    bare = Instance(directory, clock, streaming=False, environment=environment)
    outer = Properties({}, outermost(bare))
    faults = Faults()
    admin = faults.attempt(_read, AdminSettings, bare, "admin.json", DEFAULT_ADMIN, outer)
    config = faults.attempt(_read, GatewaySettings, bare, "config.json", DEFAULT_CONFIG, outer)
    if admin is None or config is None:
        raise faults.error()
    registry = Registry(replace(bare, streaming=admin.settings.streaming_enabled), types, observe=observe)
    deployment = Deployment()
    try:
        admin_heap, entry = _build(admin, config, registry, deployment, outer)
    except ConfigurationError as error:
        await deployment.close()
        raise config.file.locate(admin.file.locate(error)) from error
    deployment.warnings = [config.file.locate(admin.file.locate(each)) for each in deployment.warnings]
    deployment.start()
    return LoadedInstance(admin, admin_heap, entry, registry, deployment)


def _build(
    admin: SettingsFile[AdminSettings],
    config: SettingsFile[GatewaySettings],
    registry: Registry,
    deployment: Deployment,
    outer: Properties,
) -> tuple[Heap, Handler]:
    """Build all objects; return the heap of `admin.json`, and the handler of all exchanges."""
    declared = [
        Declaration(members, Position("default objects", f"/{index}"))
        for index, members in enumerate(DEFAULT_OBJECTS)
    ]
    defaults = Heap(declared, registry, deployment, outer)
    faults = Faults()
    admin_heap = faults.attempt(_build_heap, admin, admin.settings.heap, defaults, ())
    decorators = (config.settings.global_decorators,)
    heap = faults.attempt(_build_heap, config, config.settings.heap, defaults, decorators)
    if admin_heap is None or heap is None:
        raise faults.error()
    position = config.file.position
    _publish(registry.published, deployment)
    context = heap.context("", position)
    applied = decorations(config.settings.model_extra or {}, context)
    found = heap.resolve(config.settings.handler, Handler, position.below("handler"))
    main = as_handler(decorate(found, applied, context)) or found
    _publish(registry.published, deployment)
    deployment.warnings += admin.file.warnings_about(admin.settings, "admin.json")
    deployment.warnings += config.file.warnings_about(config.settings, "config.json", applied)
    deployment.warnings += advice_on_connectors(admin.settings, admin.file.position)
    entry: Handler = GatewayHandler(
        registry.published, main, ClientDescription(admin.settings.trusted_proxies)
    )
    if not admin.settings.streaming_enabled:
        limit = admin.settings.max_body_length
        entry = as_handler(Buffered(entry, limit if limit > 0 else DEFAULT_LIMIT))
    audit = heap.resolve("AuditService", AuditPublisher, position.below("heap"))
    observe = access_audit(audit, None)
    return admin_heap, entry if observe is None else ObservedHandler(observe, entry)


def _read(
    kind: type[SomeSettings], instance: Instance, name: str, default: bytes, outer: Properties
) -> SettingsFile[SomeSettings]:
    path = instance.directory / "config" / name
    if path.exists():
        return read_settings(kind, read_content(path), str(path), instance, outer)
    return read_settings(kind, default, f"{path} (absent, so the default)", instance, outer)


def _build_heap(
    written: SettingsFile[SomeSettings],
    objects: JsonValue,
    parent: Heap,
    global_decorators: tuple[Mapping[str, JsonValue], ...],
) -> Heap:
    declared = read_declarations(objects, written.file.position.below("heap"))
    properties = written.file.properties
    heap = Heap(
        declared, parent.registry, parent.deployment, properties, parent, global_decorators=global_decorators
    )
    heap.build_all()
    return heap


def _publish(published: PublishedEndpoints, deployment: Deployment) -> None:
    """Serve what objects of the global files have published so far.

    Routes come in between and may not serve it as well.
    """
    for path, endpoint in deployment.endpoints.items():
        other = published.find_other(GLOBAL, path)
        if other is not None:
            raise publication_clash(path, endpoint.position, other.position)
    published.replace(GLOBAL, dict(deployment.endpoints), tuple(deployment.offers))
