"""The heap: named configured objects, built when first referred to.

What is not declared in a file is looked up in the heap of the file around it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from deputize.gateway.config.compatibility import ABSENT
from deputize.gateway.config.instance import load_bindings
from deputize.gateway.config.properties import Properties
from deputize.gateway.config.settings import (
    InlineObject,
    Reference,
    Settings,
    expressions,
    references,
    validate,
    warnings_about,
)
from deputize.gateway.loading.context import BuildContext, HeapObjects, HeapType, Registry
from deputize.gateway.loading.decorators import decorate, decorate_globally, decorations
from deputize.gateway.loading.deployment import Deployment
from deputize.http.plans import Filter, Handler, as_filter, as_handler
from deputize.kernel.errors import ConfigurationError, DeputizeError, Faults, Position
from deputize.kernel.pointers import join
from deputize.kernel.suggestions import find_similar
from deputize.kernel.values import JsonValue

Wanted = TypeVar("Wanted")
OBJECT_KEYS = frozenset({"name", "type", "config", "comment"})


@dataclass(frozen=True, slots=True)
class Declaration:
    """One object as written: its JSON members and where they stand."""

    members: Mapping[str, JsonValue]
    position: Position


def read_declarations(value: JsonValue, position: Position) -> Sequence[Declaration]:
    """Read the elements of a `heap` array. Raises `ConfigurationError` when it is not a list of objects."""
    if not isinstance(value, list):
        raise ConfigurationError(position, "a heap is a list of objects")
    declarations: list[Declaration] = []
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise ConfigurationError(
                position.below(index), "a heap object is a JSON object with 'name' and 'type'"
            )
        declarations.append(Declaration(item, position.below(index)))
    return declarations


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
        self._declared: dict[str, Declaration] = {}
        self._misnamed: list[ConfigurationError] = []
        for declaration in declarations:
            name = declaration.members.get("name")
            if not isinstance(name, str) or not name:
                reason = "an object in a heap needs a 'name'"
            elif name in self._declared:
                reason = f"{name!r} is declared twice in this heap"
            else:
                self._declared[name] = declaration
                continue
            self._misnamed.append(ConfigurationError(declaration.position, reason))
        self._built: dict[str, object] = {}
        self._failed: dict[str, ConfigurationError] = {}
        self._prebuilt: dict[int, tuple[InlineObject, object]] = {}
        self._building: list[str] = []

    def context(self, name: str, position: Position) -> BuildContext:
        """Return what the object of that name, at `position`, gets to build itself."""
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
            faults.attempt(self.find, name, declaration.position)
        faults.raise_any()

    def resolve(self, reference: Reference, kind: type[Wanted], position: Position) -> Wanted:
        """Return the object meant by `reference`, of that kind. Raises `ConfigurationError`."""
        if isinstance(reference, str):
            found = self.find(reference, position)
        elif id(reference) in self._prebuilt:
            _, found = self._prebuilt.pop(id(reference))
        else:
            found = self._build_inline(reference, position)
        adapted: object = found
        if kind is Handler or kind is Filter:
            adapted = as_handler(found) or as_filter(found)
        while not isinstance(adapted, kind) and (inner := getattr(adapted, "undecorated", None)) is not None:
            adapted = inner  # wanted for what its own class has, which no decoration changes
        if not isinstance(adapted, kind):
            referred = f"{reference!r}" if isinstance(reference, str) else "this object"
            raise ConfigurationError(
                position,
                f"{referred} is {_describe(type(found))}, where {_describe(kind, spaced=True)} is needed",
            )
        return cast("Wanted", adapted)

    def names(self) -> Sequence[str]:
        """Return every name that can be referred to from here."""
        return [*self._declared, *(self._parent.names() if self._parent else ())]

    def find(self, name: str, position: Position) -> object:
        """Return the object of that name, here or in the parent, built if it was not yet.

        Raises `ConfigurationError`.
        """
        if name in self._built:
            return self._built[name]
        if name in self._failed:
            raise self._failed[name]
        if name not in self._declared:
            if self._parent is not None and name in self._parent.names():
                return self._parent.find(name, position)
            near = find_similar(name, self.names(), most=3, cutoff=0.5)
            fix = (
                f"did you mean {' or '.join(near)}?"
                if near
                else "declare it in this file's heap, or in config.json"
            )
            raise ConfigurationError(position, f"no heap object is named {name!r}", fix)
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

    def _build_inline(self, members: Mapping[str, JsonValue], position: Position) -> object:
        name = members.get("name")
        return self._build(Declaration(members, position), name if isinstance(name, str) else "")

    def _build(self, declaration: Declaration, name: str) -> object:
        """Find the type, validate the config, build, decorate. Raises `ConfigurationError`."""
        written = declaration.members.get("type")
        if not isinstance(written, str) or not written:
            raise ConfigurationError(
                declaration.position, "the object has no 'type'", "add the type's name as a text"
            )
        types = self.registry.types
        heap_type = types.get(written) or types.get(written.rpartition(".")[2])  # files may name Java classes
        if heap_type is None:
            raise _unknown_type(written, types, declaration.position.below("type"))
        context = self.context(name, declaration.position)
        config = self._configure(heap_type, declaration, context)
        others = {
            key: value
            for key, value in declaration.members.items()
            if key not in OBJECT_KEYS and not key.startswith("_")
        }
        applied = decorations(others, context)
        self.deployment.warnings += [
            ConfigurationError(declaration.position.below(key), f"the object does not read {key!r}")
            for key in others
            if key not in applied
        ]
        try:
            built = heap_type.build(config, context)
        except ConfigurationError:
            raise
        except DeputizeError as error:
            raise ConfigurationError(declaration.position, f"{written} cannot be built: {error}") from error
        built = decorate_globally(decorate(built, applied, context), context)
        observe = self.registry.observe
        return built if observe is None else observe(built, written, context)

    def _configure(self, heap_type: HeapType, declaration: Declaration, context: BuildContext) -> Settings:
        """Return the object's settings, valid.

        What they refer to is built before the object asks for it, so that all faults are found at once.
        """
        position = declaration.position.below("config")
        written = declaration.members.get("config", {})
        bindings = load_bindings(self.registry.instance, self.properties.visible)
        faults = Faults()
        config = faults.attempt(validate, heap_type.Config, written, position, bindings)
        if config is not None:
            owner = str(declaration.members["type"])
            self.deployment.warnings += warnings_about(config, position, owner)
            for pointer, template in expressions(config, position.pointer):
                faults.attempt(context.examine, template, Position(position.file, pointer))
        if config is None or faults.found:
            for pointer, members in _objects_within(written, position.pointer):
                faults.attempt(self._build_inline, members, Position(position.file, pointer))
            raise faults.error()
        for pointer, reference in references(config, position.pointer):
            at = Position(position.file, pointer)
            if isinstance(reference, InlineObject):
                # By identity: two objects that are written alike are two objects. Kept beside it, the
                # reference keeps its identity.
                self._prebuilt[id(reference)] = (
                    reference,
                    faults.attempt(self._build_inline, reference, at),
                )
            elif reference in self.names():
                # Others may be names of something else, such as a secret's format.
                faults.attempt(self.find, reference, at)
        faults.raise_any()
        return config


def _unknown_type(written: str, types: Iterable[str], position: Position) -> ConfigurationError:
    absence = ABSENT.get(written.rpartition(".")[2])
    if absence is not None:
        return ConfigurationError(
            position, f"{written!r} is not supported: it {absence.reason}", absence.instead
        )
    near = find_similar(written, types, most=3)
    fix = f"did you mean {' or '.join(near)}?" if near else ""
    return ConfigurationError(position, f"{written!r} is not a type this gateway has", fix)


def _objects_within(value: JsonValue, pointer: str) -> Iterator[tuple[str, Mapping[str, JsonValue]]]:
    """Yield the outermost objects with a type below `value`, and their pointers."""
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
        yield from _objects_within(member, join(pointer, name))


def _describe(kind: type[object], *, spaced: bool = False) -> str:
    """Name a kind of object for an operator: as configuration does, where that is not its class's name."""
    name: str = getattr(kind, "configuration_name", kind.__name__)
    if spaced:
        name = re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()
    return f"{'an' if name[0] in 'AEIOaeio' else 'a'} {name}"
