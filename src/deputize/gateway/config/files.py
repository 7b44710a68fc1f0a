"""From the text of a configuration file to typed settings.

Comments, tokens, transformations, expressions, in this order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, cast

from deputize.expressions.tokens import TokenError, substitute, substitute_all
from deputize.gateway.config import documents, property_files
from deputize.gateway.config.declarations import below, validated, warnings_about
from deputize.gateway.config.documents import Document
from deputize.gateway.config.instance import Instance
from deputize.gateway.config.properties import Properties
from deputize.gateway.config.settings import Settings
from deputize.gateway.exchange.bindings import load_bindings
from deputize.gateway.loading.decorators import DECORATORS
from deputize.kernel.errors import ConfigurationError, ConfigurationErrors, Faults, Position
from deputize.kernel.values import JsonValue

Kind = TypeVar("Kind", bound=Settings)
LOCATION = "$location"
"""A property of this name, or of this name with an id behind a colon, is the path of a file with properties.
"""


@dataclass(frozen=True, slots=True)
class ConfigurationFile:
    """One file with its tokens replaced, and its properties over the enclosing ones."""

    document: Document
    members: Mapping[str, JsonValue]
    properties: Properties
    sources: Mapping[Path, bytes]
    """Files that properties were taken from, and what they held."""
    token_errors: Sequence[ConfigurationError]

    @property
    def position(self) -> Position:
        """The file itself."""
        return Position(self.document.file)

    def settings(self, kind: type[Kind], instance: Instance) -> Kind:
        """The members as `kind`. Raises `ConfigurationError` for everything wrong in them."""
        return validated(kind, self.members, self.position, load_bindings(instance, self.properties.visible))

    def located(self, error: ConfigurationError) -> ConfigurationError:
        """`error` and those of tokens, with places that exist in the file.

        What only a token left unreplaced provokes is dropped.
        """
        unreplaced = tuple(each.position.pointer for each in self.token_errors)
        others = [
            each
            for each in error.errors
            if not any(_is_within(each.position.pointer, pointer) for pointer in unreplaced)
        ]
        return self.document.located(ConfigurationErrors((*self.token_errors, *others)))


@dataclass(frozen=True, slots=True)
class Configured(Generic[Kind]):
    """A file and its settings."""

    file: ConfigurationFile
    settings: Kind

    @property
    def position(self) -> Position:
        """The file itself."""
        return self.file.position

    @property
    def properties(self) -> Properties:
        """Its properties over the enclosing ones."""
        return self.file.properties

    def unread(self, owner: str) -> list[ConfigurationError]:
        """Warnings about members that nothing reads; decorations are read elsewhere."""
        return unread(self.settings, self.position, owner)


def unread(settings: Settings, position: Position, owner: str) -> list[ConfigurationError]:
    """Warnings about members that nothing reads; decorations are read elsewhere."""
    return [
        each
        for each in warnings_about(settings, position, owner)
        if each.position.pointer.lstrip("/") not in DECORATORS
    ]


def configured(
    kind: type[Kind], text: bytes, file: str, instance: Instance, outer: Properties
) -> Configured[Kind]:
    """`text` of `file` as `kind`. Raises `ConfigurationError`."""
    read = read_file(text, file, instance, outer)
    faults = Faults()
    settings = faults.attempt(read.settings, kind, instance)
    if settings is None or read.token_errors:
        raise read.located(ConfigurationErrors((*read.token_errors, *faults.found)))
    return Configured(read, settings)


def read_file(text: bytes, file: str, instance: Instance, outer: Properties) -> ConfigurationFile:
    """`text` of `file`.

    Raises `ConfigurationError` when it is no document, or its properties cannot be read.
    """
    document = documents.parse(text, file)
    sources: dict[Path, bytes] = {}
    try:
        properties = _properties(document.members, outer, Position(file), instance.directory, sources)
    except ConfigurationError as error:
        raise document.located(error) from error
    members, errors = substitute_all(document.members, properties.lookup)
    told = [ConfigurationError(Position(file, each.pointer), each.reason, each.fix) for each in errors]
    return ConfigurationFile(document, cast("Mapping[str, JsonValue]", members), properties, sources, told)


def _is_within(pointer: str, other: str) -> bool:
    return pointer == other or pointer.startswith(f"{other}/")


def _properties(
    written: Mapping[str, JsonValue],
    outer: Properties,
    position: Position,
    directory: Path,
    sources: dict[Path, bytes],
) -> Properties:
    declared = written.get("properties", {})
    if not isinstance(declared, dict):
        raise ConfigurationError(below(position, "properties"), "properties are a JSON object")
    try:
        located = {
            name: substitute(value, outer.lookup)
            for name, value in declared.items()
            if name.partition(":")[0] == LOCATION
        }
        for name, value in located.items():
            path = directory / _path(value, below(position, "properties", name))
            sources[path] = documents.content(path)
        elsewhere = {
            name: value
            for path, text in sources.items()
            for name, value in property_files.members(path, text).items()
        }
        own = {name: value for name, value in declared.items() if name not in located}
        return Properties({**elsewhere, **own}, outer.lookup, outer.visible)
    except TokenError as error:
        raise ConfigurationError(
            Position(position.file, f"/properties{error.pointer}"), error.reason, error.fix
        ) from error


def _path(value: JsonValue, position: Position) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(position, "a location is the path of a .json or .properties file")
    return value
