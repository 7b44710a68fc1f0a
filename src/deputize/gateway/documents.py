"""Configuration files as JSON documents: `//` comments accepted, disabled members dropped, everything else strict."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from deputize.kernel import strict_json
from deputize.kernel.errors import ConfigurationError, Position
from deputize.kernel.values import JsonValue

MAX_FILE_SIZE = 1024 * 1024
_STRING_OR_COMMENT = re.compile(rb'"(?:[^"\\\n]|\\.)*"|//[^\n]*')
_PLACE = re.compile(r" at line (\d+) column (\d+)")


def read(path: Path) -> Mapping[str, JsonValue]:
    """The document in `path`. Raises `ConfigurationError`, also when the file cannot be read."""
    return parse(content(path), str(path))


def content(path: Path) -> bytes:
    """The bytes of `path`. Raises `ConfigurationError` naming the operating system's reason."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(Position(str(path)), f"cannot be read: {error.strerror or error}") from error


def parse(text: bytes, file: str) -> Mapping[str, JsonValue]:
    """The JSON object in `text`, which came from `file`. Raises `ConfigurationError`."""
    try:
        document = strict_json.loads(_STRING_OR_COMMENT.sub(_without_comment, text), max_size=MAX_FILE_SIZE)
    except strict_json.JsonError as error:
        raise _not_json(str(error), file) from error
    if not isinstance(document, dict):
        raise ConfigurationError(Position(file), "is not a JSON object", "a configuration file starts with { and ends with }")
    return cast("Mapping[str, JsonValue]", enabled(document))


def enabled(value: JsonValue) -> JsonValue:
    """`value` without members named `comment` or starting with `_`, at any depth; `_id` stays."""
    if isinstance(value, dict):
        return {name: enabled(member) for name, member in value.items() if not _is_disabled(name)}
    if isinstance(value, list):
        return [enabled(item) for item in value]
    return value


def _is_disabled(name: str) -> bool:
    return name == "comment" or (name.startswith("_") and name != "_id")


def _without_comment(match: re.Match[bytes]) -> bytes:
    """Blanks keep the columns of what follows, for error messages."""
    found = match.group()
    return found if found.startswith(b'"') else b" " * len(found)


def _not_json(reason: str, file: str) -> ConfigurationError:
    place = _PLACE.search(reason)
    if place is None:
        return ConfigurationError(Position(file), f"is not acceptable JSON: {reason}")
    position = Position(file, line=int(place[1]), column=int(place[2]))
    return ConfigurationError(
        position, f"is not JSON: {reason[: place.start()]}", "look just before this place for a missing comma or quote"
    )
