"""From the text of a configuration file to typed settings: comments, tokens, transformations, expressions, in this order."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, cast

from deputize.expressions.tokens import TokenError, substitute
from deputize.gateway import documents, property_files
from deputize.gateway.bindings import load_bindings
from deputize.gateway.declarations import below, validated, warnings_about
from deputize.gateway.decorators import DECORATORS
from deputize.gateway.places import Instance
from deputize.gateway.settings import Settings
from deputize.gateway.tokens import Properties
from deputize.kernel.errors import ConfigurationError, Position
from deputize.kernel.values import JsonValue

Kind = TypeVar("Kind", bound=Settings)
LOCATION = "$location"
"""A property of this name, or of this name with an id behind a colon, is the path of a file with properties."""


@dataclass(frozen=True, slots=True)
class Configured(Generic[Kind]):
    """One file: its settings, its document with tokens replaced, its properties over the enclosing ones."""

    settings: Kind
    document: Mapping[str, JsonValue]
    properties: Properties
    position: Position
    sources: Mapping[Path, bytes]
    """Files that properties were taken from, and what they held."""

    def unread(self, owner: str) -> list[ConfigurationError]:
        """Warnings about members that nothing reads; decorations are read elsewhere."""
        return [each for each in warnings_about(self.settings, self.position, owner) if each.position.pointer.lstrip("/") not in DECORATORS]


def configured(kind: type[Kind], text: bytes, file: str, instance: Instance, outer: Properties) -> Configured[Kind]:
    """`text` of `file` as `kind`. Raises `ConfigurationError`."""
    position = Position(file)
    written = documents.parse(text, file)
    sources: dict[Path, bytes] = {}
    properties = _properties(written, outer, position, instance.directory, sources)
    document = _substituted(written, properties, position)
    settings = validated(kind, document, position, load_bindings(instance, properties.visible))
    return Configured(settings, document, properties, position, sources)


def _properties(
    written: Mapping[str, JsonValue], outer: Properties, position: Position, directory: Path, sources: dict[Path, bytes]
) -> Properties:
    declared = written.get("properties", {})
    if not isinstance(declared, dict):
        raise ConfigurationError(below(position, "properties"), "properties are a JSON object")
    try:
        located = {name: substitute(value, outer.lookup) for name, value in declared.items() if name.partition(":")[0] == LOCATION}
        for name, value in located.items():
            path = directory / _path(value, below(position, "properties", name))
            sources[path] = documents.content(path)
        elsewhere = {name: value for path, text in sources.items() for name, value in property_files.members(path, text).items()}
        own = {name: value for name, value in declared.items() if name not in located}
        return Properties({**elsewhere, **own}, outer.lookup, outer.visible)
    except TokenError as error:
        raise ConfigurationError(Position(position.file, f"/properties{error.pointer}"), error.reason, error.fix) from error


def _path(value: JsonValue, position: Position) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(position, "a location is the path of a .json or .properties file")
    return value


def _substituted(document: Mapping[str, JsonValue], properties: Properties, position: Position) -> Mapping[str, JsonValue]:
    try:
        return cast("Mapping[str, JsonValue]", substitute(document, properties.lookup))
    except TokenError as error:
        raise ConfigurationError(Position(position.file, error.pointer), error.reason, error.fix) from error
