"""The heap.

Named configured objects, built when first referred to, looked up in the parent when not declared here.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar, cast

from deputize.audit.records import RouteIdentity
from deputize.expressions import Template
from deputize.gateway.config.declarations import (
    Declaration,
    below,
    by_name,
    unknown_key,
    validated,
    warnings_about,
)
from deputize.gateway.config.instance import Instance
from deputize.gateway.config.properties import Properties
from deputize.gateway.config.settings import InlineObject, Reference, Settings, expressions, references
from deputize.gateway.exchange.bindings import load_bindings
from deputize.gateway.exchange.contexts import Shape
from deputize.gateway.loading.context import Closer, HeapType, Site
from deputize.gateway.loading.decorators import DECORATORS, Decorations
from deputize.gateway.loading.deployment import Deployment, Endpoint, Job
from deputize.gateway.loading.endpoints import PublishedEndpoints
from deputize.gateway.loading.names import Names, declared_contexts
from deputize.http.exchange import Handler
from deputize.kernel.errors import ConfigurationError, Faults, Position
from deputize.kernel.pointers import join
from deputize.kernel.values import JsonValue

Wanted = TypeVar("Wanted")
OBJECT_KEYS = frozenset({"name", "type", "config", "comment"})


class DeployedRoute(Protocol):
    """A route that serves."""

    @property
    def deployment(self) -> Deployment:
        """What it registered."""
        ...


class ScannedRoutes(Protocol):
    """The routes of one router, as the gateway's start, reload and check see them."""

    @property
    def routes(self) -> Sequence[DeployedRoute]:
        """Those that serve."""
        ...

    def errors(self) -> Sequence[ConfigurationError]:
        """What is wrong with the files as they stand."""
        ...

    async def scan_in_slices(self) -> None:
        """Bring the routes in line with their files, while others are served."""
        ...


@dataclass(frozen=True)
class Ground:
    """What all heaps of one gateway share.

    Instance, catalogue of types, paths the gateway serves itself, all routers' routes.
    """

    instance: Instance
    types: Mapping[str, HeapType]
    published: PublishedEndpoints = field(default_factory=PublishedEndpoints)
    route_sets: list[ScannedRoutes] = field(default_factory=list[ScannedRoutes])

    @cached_property
    def contexts(self) -> Shape:
        """The contexts that expressions may read."""
        return declared_contexts(self.types.values())


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a file stands: what it inherits, and what its objects are told of it."""

    properties: Properties
    decorations: Decorations = field(default_factory=Decorations)
    route: RouteIdentity | None = None
    parent: "Heap | None" = None
    within: frozenset[Path] = frozenset()
    """Directories of the routers that led here, so that none leads to itself."""


class Heap:
    """The objects declared in one file. Implements `site.Surroundings` for what it builds."""

    def __init__(
        self, ground: Ground, declarations: Iterable[Declaration], deployment: Deployment, standing: Standing
    ) -> None:
        """Nothing is built yet, and nothing is checked."""
        self.ground = ground
        self.deployment = deployment
        self.standing = standing
        self._declared, self._misnamed = by_name(declarations)
        self._built: dict[str, object] = {}
        self._failed: dict[str, ConfigurationError] = {}
        self._prebuilt: dict[int, tuple[InlineObject, object]] = {}
        self._building: list[str] = []

    @property
    def properties(self) -> Mapping[str, object]:
        """The properties in force here."""
        return self.standing.properties.visible

    def build_all(self) -> None:
        """Build every declared object, so that what nobody refers to is checked as well.

        Raises `ConfigurationError` for all faults.
        """
        faults = Faults([*self._misnamed])
        for name, declaration in self._declared.items():
            faults.attempt(self.named, name, declaration.position)
        faults.raise_any()

    def resolve(self, reference: Reference, kind: type[Wanted], position: Position) -> Wanted:
        """The object meant by `reference`, of that kind. Raises `ConfigurationError`."""
        if isinstance(reference, str):
            found = self.named(reference, position)
        elif id(reference) in self._prebuilt:
            _, found = self._prebuilt.pop(id(reference))
        else:
            found = self._inline_object(reference, position)
        if not isinstance(found, kind):
            article = f"{reference!r}" if isinstance(reference, str) else "this object"
            raise ConfigurationError(
                position, f"{article} is a {type(found).__name__}, where a {_words(kind)} is needed"
            )
        return found

    def publish_endpoint(self, path: str, handler: Handler, position: Position) -> None:
        """See `site.Surroundings`."""
        self.deployment.publish(path, Endpoint(handler, position))

    def on_close(self, closer: Closer) -> None:
        """See `site.Surroundings`."""
        self.deployment.closers.append(closer)

    def every(self, interval: float, job: Job) -> None:
        """See `site.Surroundings`."""
        self.deployment.jobs.append((interval, job))

    def warn(self, warning: ConfigurationError) -> None:
        """See `site.Surroundings`."""
        self.deployment.warnings.append(warning)

    def examine(self, template: Template, position: Position) -> None:
        """See `site.Surroundings`."""
        self.deployment.warnings += Names(self.ground.contexts, self.properties).examine(template, position)

    def names(self) -> Sequence[str]:
        """Every name that can be referred to from here."""
        return [*self._declared, *(self.standing.parent.names() if self.standing.parent else ())]

    def named(self, name: str, position: Position) -> object:
        """The object of that name, here or in the parent, built if it was not yet.

        Raises `ConfigurationError`.
        """
        if name in self._built:
            return self._built[name]
        if name in self._failed:
            raise self._failed[name]
        if name not in self._declared:
            return self._inherited(name, position)
        if name in self._building:
            raise ConfigurationError(
                position, f"{' -> '.join([*self._building, name])} refer to each other in a circle"
            )
        self._building.append(name)
        try:
            self._built[name] = self._build(self._declared[name], name)
        except ConfigurationError as error:
            self._failed[name] = error
            raise
        finally:
            self._building.pop()
        return self._built[name]

    def _inherited(self, name: str, position: Position) -> object:
        if self.standing.parent is not None and name in self.standing.parent.names():
            return self.standing.parent.named(name, position)
        near = difflib.get_close_matches(name, self.names(), n=3, cutoff=0.5)
        fix = (
            f"did you mean {' or '.join(near)}?"
            if near
            else "declare it in this file's heap, or in config.json"
        )
        raise ConfigurationError(position, f"no heap object is named {name!r}", fix)

    def _build(self, declaration: Declaration, name: str) -> object:
        heap_type = self._type_of(declaration)
        site = Site(name, declaration.position, self.ground.instance, self.standing.route, self)
        config = self._checked(heap_type, declaration)
        self._warn_about_siblings(declaration)
        return self.standing.decorations.applied(heap_type.build(config, site), declaration.members, site)

    def _inline_object(self, reference: Mapping[str, JsonValue], position: Position) -> object:
        return self._build(Declaration(reference, position), cast("str", reference.get("name", "")))

    def _checked(self, heap_type: HeapType, declaration: Declaration) -> Settings:
        """The object's settings.

        What they refer to is built before the object asks for it, so that all faults are found at once.
        """
        faults = Faults()
        config = faults.attempt(self._configured, heap_type, declaration)
        if config is None:
            for pointer, members in _declared_within(
                declaration.members.get("config"), below(declaration.position, "config").pointer
            ):
                faults.attempt(self._inline_object, members, Position(declaration.position.file, pointer))
            raise faults.error()
        for pointer, reference in references(config, below(declaration.position, "config").pointer):
            position = Position(declaration.position.file, pointer)
            if isinstance(reference, InlineObject):
                # By identity: two objects that are written alike are two objects. Kept beside it, the
                # reference keeps its identity.
                self._prebuilt[id(reference)] = (
                    reference,
                    faults.attempt(self._inline_object, reference, position),
                )
            elif (
                reference in self.names()
            ):  # others may be names of something else, such as a secret's format
                faults.attempt(self.named, reference, position)
        faults.raise_any()
        return config

    def _type_of(self, declaration: Declaration) -> HeapType:
        written = declaration.members.get("type")
        position = below(declaration.position, "type")
        if not isinstance(written, str) or not written:
            raise ConfigurationError(
                declaration.position, "the object has no 'type'", "add the type's name as a text"
            )
        found = self.ground.types.get(written) or self.ground.types.get(written.rpartition(".")[2])
        if found is None:
            near = difflib.get_close_matches(written, self.ground.types, n=3, cutoff=0.6)
            raise ConfigurationError(
                position,
                f"{written!r} is not a type this gateway has",
                f"did you mean {' or '.join(near)}?" if near else "",
            )
        return found

    def _configured(self, heap_type: HeapType, declaration: Declaration) -> Settings:
        position = below(declaration.position, "config")
        config = declaration.members.get("config", {})
        settings = validated(
            heap_type.Config, config, position, load_bindings(self.ground.instance, self.properties)
        )
        self.deployment.warnings += warnings_about(
            settings, position, cast("str", declaration.members["type"])
        )
        faults = Faults()
        for pointer, template in expressions(settings, position.pointer):
            faults.attempt(self.examine, template, Position(position.file, pointer))
        faults.raise_any()
        return settings

    def _warn_about_siblings(self, declaration: Declaration) -> None:
        for key in declaration.members:
            if key not in OBJECT_KEYS and key not in DECORATORS and not key.startswith("_"):
                self.warn(unknown_key(key, None, below(declaration.position, key), "the object"))


def _declared_within(value: JsonValue, pointer: str) -> Iterator[tuple[str, Mapping[str, JsonValue]]]:
    """The outermost objects with a type below `value`, and their pointers."""
    if isinstance(value, dict):
        if "type" in value:
            yield pointer, value
            return
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    else:
        return
    for name, member in members:
        yield from _declared_within(member, join(pointer, name))


def _words(kind: type[object]) -> str:
    name = kind.__name__
    return "".join(
        f" {letter.lower()}" if letter.isupper() and index else letter.lower()
        for index, letter in enumerate(name)
    )
