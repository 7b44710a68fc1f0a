"""Configuration files as JSON documents.

Lenient where the original is, disabled members dropped, everything else strict.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from deputize.gateway.config import json_text
from deputize.gateway.config.json_text import Place, find, line_and_column
from deputize.kernel.errors import ConfigurationError, ConfigurationErrors, Position
from deputize.kernel.values import JsonValue

MAX_FILE_SIZE = 1024 * 1024


def content(path: Path) -> bytes:
    """The bytes of `path`. Raises `ConfigurationError` naming the operating system's reason."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(Position(str(path)), f"cannot be read: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read: its members, and where in its text they stand."""

    file: str
    members: Mapping[str, JsonValue]
    _text: str = field(repr=False, compare=False)
    _root: Place = field(repr=False, compare=False)

    def located(self, error: ConfigurationError) -> ConfigurationError:
        """`error` with pointers that exist in this file, and with line and column.

        What other files are to blame for stays as it is.
        """
        found = [self._located(each) for each in error.errors]
        return found[0] if len(found) == 1 else ConfigurationErrors(sorted(found, key=_in_file_order))

    def _located(self, error: ConfigurationError) -> ConfigurationError:
        position = error.position
        if position.file != self.file or position.line is not None or not position.pointer:
            return error
        pointer, at = find(self._root, position.pointer)
        return ConfigurationError(
            Position(self.file, pointer, *line_and_column(self._text, at)), error.reason, error.fix
        )


def parse(text: bytes, file: str) -> Document:
    """The JSON object in `text`, which came from `file`. Raises `ConfigurationError`."""
    if len(text) > MAX_FILE_SIZE:
        raise ConfigurationError(Position(file), f"is larger than {MAX_FILE_SIZE} bytes")
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = text.count(b"\n", 0, error.start) + 1, error.start - text.rfind(b"\n", 0, error.start)
        raise ConfigurationError(
            Position(file, line=line, column=column), "is not UTF-8", "save the file as UTF-8"
        ) from error
    if decoded.startswith("\ufeff"):
        raise ConfigurationError(Position(file), "starts with a byte-order mark", "save the file without it")
    try:
        value, root = json_text.parse(decoded)
    except json_text.JsonTextError as error:
        line, column = line_and_column(decoded, error.at)
        raise ConfigurationError(
            Position(file, line=line, column=column), f"is not JSON: {error.reason}", error.fix
        ) from error
    if not isinstance(value, dict):
        raise ConfigurationError(
            Position(file), "is not a JSON object", "a configuration file starts with { and ends with }"
        )
    return Document(file, cast("Mapping[str, JsonValue]", enabled(value)), decoded, root)


def enabled(value: JsonValue) -> JsonValue:
    """`value` without members named `comment` or starting with `_`, at any depth; `_id` stays."""
    if isinstance(value, dict):
        return {name: enabled(member) for name, member in value.items() if not _is_disabled(name)}
    if isinstance(value, list):
        return [enabled(item) for item in value]
    return value


def _is_disabled(name: str) -> bool:
    return name == "comment" or (name.startswith("_") and name != "_id")


def _in_file_order(error: ConfigurationError) -> tuple[int, int]:
    return error.position.line or 0, error.position.column or 0
