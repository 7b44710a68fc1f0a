"""What a heap type gets to build an object: the build context, and the registry behind it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

from deputize.audit.publisher import AuditPublisher
from deputize.audit.trail import Trail
from deputize.expressions.gateway import Condition, Template
from deputize.gateway.config.instance import Instance
from deputize.gateway.config.properties import Properties
from deputize.gateway.config.settings import Reference, Settings
from deputize.gateway.exchange.bindings import Bindings, as_text, as_texts
from deputize.gateway.exchange.conditions import PlacedCondition
from deputize.gateway.exchange.contexts import Shape
from deputize.gateway.loading.deployment import (
    Closer,
    Deployment,
    Job,
    OfferedEndpoint,
    PublishedEndpoint,
    PublishedEndpoints,
)
from deputize.gateway.loading.names import declared_contexts, examine
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Response
from deputize.http.plans import CallHandler, Handler, as_handler
from deputize.kernel.errors import ConfigurationError, Position
from deputize.kernel.pointers import join
from deputize.kernel.values import JsonValue
from deputize.oauth.dpop import SeenProofs

Wanted = TypeVar("Wanted")


class HeapType(Protocol):
    """A class that configuration can name as the `type` of a heap object.

    Its `__name__`, and each of its optional `aliases`, is the `type` in configuration. What it leaves for
    expressions to read it lists in an optional `contexts`, a tuple of context classes.
    """

    __name__: str

    @property
    def Config(self) -> type[Settings]:  # noqa: N802 - the nested class of every heap type
        """What the object's `config` holds."""
        ...

    def build(self, config: Any, context: "BuildContext") -> object:  # noqa: ANN401 - each type takes its own Config
        """Make the object (a class method). Raises `ConfigurationError`, best through `context.error`."""
        ...


class HeapObjects(Protocol):
    """The heap that an object is built in, as the object sees it."""

    def resolve(self, reference: Reference, kind: type[Wanted], position: Position) -> Wanted:
        """Return the object meant by `reference`; it must be of `kind`. Raises `ConfigurationError`."""
        ...

    def names(self) -> Sequence[str]:
        """Return every name that can be referred to."""
        ...

    def find(self, name: str, position: Position) -> object:
        """Return the object of that name, built if it was not yet. Raises `ConfigurationError`."""
        ...


class ScannedRoutes(Protocol):
    """The routes of one router, as the gateway's start, reload and check see them."""

    def errors(self) -> Sequence[ConfigurationError]:
        """What is wrong with the files as they stand."""
        ...

    def warnings(self) -> Iterable[ConfigurationError]:
        """What works but is probably not meant, in the files of the routes that serve."""
        ...

    async def scan_in_slices(self) -> None:
        """Bring the routes in line with their files, while others are served."""
        ...


@dataclass(frozen=True)
class Registry:
    """What all heaps of one gateway share."""

    instance: Instance
    types: Mapping[str, HeapType]
    """Heap types by every name that configuration may use."""
    published: PublishedEndpoints = field(default_factory=PublishedEndpoints)
    """Paths that the gateway serves itself."""
    route_sets: list[ScannedRoutes] = field(default_factory=list[ScannedRoutes])
    """The routes of each router."""
    trail: Trail = field(default_factory=Trail)
    """What all audit destinations have in common."""
    audit_services: list[AuditPublisher] = field(default_factory=list[AuditPublisher])
    """Those that are open, the oldest first."""
    observe: "Callable[[object, str, BuildContext], object] | None" = None
    """Gets each object that was built, with its type as written, and returns what takes its place."""
    seen_proofs: SeenProofs = field(default_factory=SeenProofs)
    """The proofs of possession that were accepted: each is used up on every route, whatever is built anew."""

    @cached_property
    def contexts(self) -> Shape:
        """The contexts that expressions may read."""
        return declared_contexts(self.types.values())


@dataclass(frozen=True, slots=True)
class BuildContext:
    """Handed to `build`: where the object stands, what it may refer to, and what it may register.

    `key` arguments are keys inside the object's `config` ("filters/0" for an element of a list).
    """

    name: str
    """The object's name; empty for an inline object without one."""
    position: Position
    """Where the object stands."""
    registry: Registry
    deployment: Deployment
    """What the route, or the gateway itself, registers while it is built."""
    properties: Properties
    """The properties in force."""
    objects: HeapObjects
    """The heap the object is built in."""
    global_decorators: tuple[Mapping[str, JsonValue], ...] = ()
    """The `globalDecorators` in force, those of the outermost file first."""
    route_directories: frozenset[Path] = frozenset()
    """Directories of the routers that led here, so that none leads to itself."""

    @property
    def instance(self) -> Instance:
        """The running gateway."""
        return self.registry.instance

    @property
    def pointer(self) -> str:
        """The JSON pointer of the heap object in its file."""
        return self.position.pointer

    def refer(self, reference: Reference, kind: type[Wanted], key: str) -> Wanted:
        """Return the named or inline object at `key`.

        It must be of `kind`, a class or runtime-checkable protocol. Raises `ConfigurationError`.
        """
        return self.objects.resolve(reference, kind, self._at(key))

    def refer_if_set(self, reference: Reference | None, kind: type[Wanted], key: str) -> Wanted | None:
        """Return the object at `key` as `refer` does; `None` where the setting is absent."""
        return self.refer(reference, kind, key) if reference else None

    def publish_endpoint(self, path: str, handler: Handler | CallHandler, key: str = "") -> None:
        """Serve the exact `path` on the gateway itself while the route is deployed.

        The route's condition does not apply to it. Raises `ConfigurationError` when another route serves it.
        """
        self.deployment.publish(path, PublishedEndpoint(as_handler(handler), self._at(key)))

    def offer_endpoint(self, path: str, handler: Handler, meaning: object) -> None:
        """Serve the exact `path` on the gateway itself where no route with a condition takes it.

        Nobody's is served where two offer it with different meanings.
        """
        self.deployment.offers.append(OfferedEndpoint(path, handler, meaning))

    def on_close(self, closer: Closer) -> None:
        """Await `closer()` when the object is retired and no exchange uses it any more."""
        self.deployment.closers.append(closer)

    def every(self, interval: float, job: Job) -> None:
        """Await `job()` each `interval` seconds while the object is deployed; what it raises is logged."""
        self.deployment.jobs.append((interval, job))

    def read_source(self, file: str) -> bytes:
        """Return what a file below the instance directory holds. Raises `OSError`.

        When it changes, the route is loaded again.
        """
        path = self.instance.directory / file
        content = path.read_bytes()
        self.deployment.sources = {**self.deployment.sources, path: content}
        return content

    def bindings(self, subject: Exchange | Head, response: Response | None = None) -> Mapping[str, object]:
        """Return what runtime expressions of this object see; parts are computed when first read."""
        return Bindings(subject, response, self.registry.instance, self.properties.visible)

    def text(
        self, template: Template, subject: Exchange | Head, response: Response | None = None
    ) -> str | None:
        """Return the text an expression yields, `None` for null or missing. Raises `ExpressionError`."""
        return as_text(template.evaluate(self.bindings(subject, response)))

    def texts(
        self, template: Template, subject: Exchange | Head, response: Response | None = None
    ) -> list[str]:
        """Return the header values a runtime expression yields: one for each element of a list.

        Raises `ExpressionError`.
        """
        return as_texts(template.evaluate(self.bindings(subject, response)))

    def condition(self, condition: Condition, key: str) -> PlacedCondition:
        """Return the condition at `key`, ready to decide for exchanges."""
        return PlacedCondition(condition, self._at(key), self.bindings)

    def error(self, key: str, reason: str, fix: str = "") -> ConfigurationError:
        """Return an error at `key` for the caller to raise."""
        return ConfigurationError(self._at(key), reason, fix)

    def warn(self, key: str, reason: str, fix: str = "") -> None:
        """Report at `key` something that works but is probably not meant."""
        self.deployment.warnings.append(ConfigurationError(self._at(key), reason, fix))

    def examine(self, template: Template, position: Position) -> None:
        """Warn about names in a runtime expression that are always missing.

        Raises `ConfigurationError` for unknown ones.
        """
        self.deployment.warnings += examine(
            template, position, self.registry.contexts, self.properties.visible
        )

    def _at(self, key: str) -> Position:
        pointer = join(self.position.pointer, "config", *key.split("/")) if key else self.position.pointer
        return Position(self.position.file, pointer)
