"""From the text of a configuration file to typed settings.

Comments are dropped, tokens replaced, transformations applied, expressions evaluated, in this order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, cast

from deputize.expressions.tokens import TokenError, substitute, substitute_all
from deputize.gateway.config import documents
from deputize.gateway.config.documents import Document
from deputize.gateway.config.instance import Instance, load_bindings
from deputize.gateway.config.properties import Properties, read_property_file
from deputize.gateway.config.settings import Settings, SomeSettings, validate, warnings_about
from deputize.kernel.errors import ConfigurationError, ConfigurationErrors, Faults, Position
from deputize.kernel.values import JsonValue

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

    def validate(self, kind: type[SomeSettings], instance: Instance) -> SomeSettings:
        """Return the members as `kind`. Raises `ConfigurationError` for everything wrong in them."""
        return validate(kind, self.members, self.position, load_bindings(instance, self.properties.visible))

    def warnings_about(
        self, settings: Settings, owner: str, decorations: Iterable[str] = ()
    ) -> list[ConfigurationError]:
        """Return warnings about members that nothing reads, `decorations` apart.

        `owner` is a noun for the file.
        """
        read = {f"/{name}" for name in decorations}
        return [
            each
            for each in warnings_about(settings, self.position, owner)
            if each.position.pointer not in read
        ]

    def locate(self, error: ConfigurationError) -> ConfigurationError:
        """Return `error` and those of tokens, with places that exist in the file.

        What only a token left unreplaced provokes is dropped.
        """
        unreplaced = [each.position.pointer for each in self.token_errors]
        others = [
            each
            for each in error.errors
            if not any(f"{each.position.pointer}/".startswith(f"{pointer}/") for pointer in unreplaced)
        ]
        return self.document.locate(ConfigurationErrors((*self.token_errors, *others)))


@dataclass(frozen=True, slots=True)
class SettingsFile(Generic[SomeSettings]):
    """A file and its settings."""

    file: ConfigurationFile
    settings: SomeSettings


def read_settings(
    kind: type[SomeSettings], text: bytes, file: str, instance: Instance, outer: Properties
) -> SettingsFile[SomeSettings]:
    """Read `text`, the content of `file`, as `kind`. Raises `ConfigurationError`."""
    read = read_file(text, file, instance, outer)
    faults = Faults()
    settings = faults.attempt(read.validate, kind, instance)
    if settings is None or read.token_errors:
        raise read.locate(ConfigurationErrors((*read.token_errors, *faults.found)))
    return SettingsFile(read, settings)


def read_file(text: bytes, file: str, instance: Instance, outer: Properties) -> ConfigurationFile:
    """Read `text`, the content of `file`; `outer` are the properties of the enclosing files.

    Raises `ConfigurationError` when it is no document, or its properties cannot be read.
    """
    document = documents.parse(text, file)
    sources: dict[Path, bytes] = {}
    try:
        properties = _read_properties(document, outer, instance.directory, sources)
    except ConfigurationError as error:
        raise document.locate(error) from error
    members, errors = substitute_all(document.members, properties.lookup)
    told = [ConfigurationError(Position(file, each.pointer), each.reason, each.fix) for each in errors]
    return ConfigurationFile(document, cast("Mapping[str, JsonValue]", members), properties, sources, told)


def _read_properties(
    document: Document, outer: Properties, directory: Path, sources: dict[Path, bytes]
) -> Properties:
    """Return the properties that `document` declares, over those of the files it names, over `outer`.

    Those files, relative to `directory`, are added to `sources`.
    """
    position = Position(document.file, "/properties")
    declared = document.members.get("properties", {})
    if not isinstance(declared, dict):
        raise ConfigurationError(position, "properties are a JSON object")
    own, elsewhere = dict(declared), dict[str, JsonValue]()
    try:
        locations = [name for name in declared if name.partition(":")[0] == LOCATION]
        for name, value in [(name, substitute(own.pop(name), outer.lookup)) for name in locations]:
            if not isinstance(value, str):
                reason = "a location is the path of a .json or .properties file"
                raise ConfigurationError(position.below(name), reason)
            sources[directory / value] = documents.read_content(directory / value)
        for path, text in sources.items():
            elsewhere.update(read_property_file(path, text))
        return Properties({**elsewhere, **own}, outer.lookup, outer.visible)
    except TokenError as error:
        raise ConfigurationError(
            Position(document.file, f"/properties{error.pointer}"), error.reason, error.fix
        ) from error
