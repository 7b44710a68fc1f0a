"""The heap.

Named configured objects, built when first referred to, looked up in the parent when not declared here.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar, cast

from deputize.gateway.config.declarations import (
    Declaration,
    below,
    by_name,
    unknown_key,
    validated,
    warnings_about,
)
from deputize.gateway.config.properties import Properties
from deputize.gateway.config.settings import InlineObject, Reference, Settings, expressions, references
from deputize.gateway.exchange.bindings import load_bindings
from deputize.gateway.loading.context import BuildContext, HeapObjects, HeapType, Registry
from deputize.gateway.loading.decorators import DECORATORS, decorate
from deputize.gateway.loading.deployment import Deployment
from deputize.http.exchange import Handler
from deputize.kernel.errors import ConfigurationError, Faults, Position
from deputize.kernel.pointers import join
from deputize.kernel.values import JsonValue

Wanted = TypeVar("Wanted")
OBJECT_KEYS = frozenset({"name", "type", "config", "comment"})


class Heap:
    """The objects declared in one file, over those of the enclosing files."""

    def __init__(
        self,
        declarations: Iterable[Declaration],
        registry: Registry,
        deployment: Deployment,
        properties: Properties,
        parent: HeapObjects | None = None,
        *,
        global_decorators: tuple[Mapping[str, JsonValue], ...] = (),
        route_directories: frozenset[Path] = frozenset(),
    ) -> None:
        """Nothing is built yet, and nothing is checked.

        `route_directories` are those of the routers that led here.
        """
        self.registry = registry
        self.deployment = deployment
        self.properties = properties
        self._parent = parent
        self._global_decorators = global_decorators
        self._route_directories = route_directories
        self._declared, self._misnamed = by_name(declarations)
        self._built: dict[str, object] = {}
        self._failed: dict[str, ConfigurationError] = {}
        self._prebuilt: dict[int, tuple[InlineObject, object]] = {}
        self._building: list[str] = []

    def context(self, name: str, position: Position) -> BuildContext:
        """What the object of that name, at `position`, gets to build itself."""
        return BuildContext(
            name,
            position,
            self.registry,
            self.deployment,
            self.properties,
            self,
            self._global_decorators,
            self._route_directories,
        )

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

    def names(self) -> Sequence[str]:
        """Every name that can be referred to from here."""
        return [*self._declared, *(self._parent.names() if self._parent else ())]

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
        if self._parent is not None and name in self._parent.names():
            return self._parent.named(name, position)
        near = difflib.get_close_matches(name, self.names(), n=3, cutoff=0.5)
        fix = (
            f"did you mean {' or '.join(near)}?"
            if near
            else "declare it in this file's heap, or in config.json"
        )
        raise ConfigurationError(position, f"no heap object is named {name!r}", fix)

    def _build(self, declaration: Declaration, name: str) -> object:
        heap_type = self._type_of(declaration)
        context = self.context(name, declaration.position)
        config = self._checked(heap_type, declaration, context)
        for key in declaration.members:
            if key not in OBJECT_KEYS and key not in DECORATORS and not key.startswith("_"):
                context.deployment.warnings.append(
                    unknown_key(key, None, below(declaration.position, key), "the object")
                )
        built = decorate(heap_type.build(config, context), declaration.members, context)
        if isinstance(built, Handler):
            for decorators in self._global_decorators:
                built = decorate(built, decorators, context)
        return built

    def _inline_object(self, reference: Mapping[str, JsonValue], position: Position) -> object:
        return self._build(Declaration(reference, position), cast("str", reference.get("name", "")))

    def _checked(self, heap_type: HeapType, declaration: Declaration, context: BuildContext) -> Settings:
        """The object's settings.

        What they refer to is built before the object asks for it, so that all faults are found at once.
        """
        faults = Faults()
        config = faults.attempt(self._configured, heap_type, declaration, context)
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
        found = self.registry.types.get(written) or self.registry.types.get(written.rpartition(".")[2])
        if found is None:
            near = difflib.get_close_matches(written, self.registry.types, n=3, cutoff=0.6)
            raise ConfigurationError(
                position,
                f"{written!r} is not a type this gateway has",
                f"did you mean {' or '.join(near)}?" if near else "",
            )
        return found

    def _configured(self, heap_type: HeapType, declaration: Declaration, context: BuildContext) -> Settings:
        position = below(declaration.position, "config")
        config = declaration.members.get("config", {})
        settings = validated(
            heap_type.Config, config, position, load_bindings(self.registry.instance, self.properties.visible)
        )
        self.deployment.warnings += warnings_about(
            settings, position, cast("str", declaration.members["type"])
        )
        faults = Faults()
        for pointer, template in expressions(settings, position.pointer):
            faults.attempt(context.examine, template, Position(position.file, pointer))
        faults.raise_any()
        return settings


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
