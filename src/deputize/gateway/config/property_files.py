"""Values kept outside of the file that uses them.

`.json` and `.properties` files (gateway-config reference 2.5 and 2.6).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from deputize.gateway.config import documents
from deputize.kernel.errors import ConfigurationError, Position
from deputize.kernel.values import JsonValue


def members(path: Path, text: bytes) -> Mapping[str, JsonValue]:
    """What `text`, the content of `path`, holds.

    Raises `ConfigurationError` for another kind of file, or a malformed one.
    """
    if path.suffix == ".json":
        return documents.parse(text, str(path)).members
    if path.suffix == ".properties":
        return dict(_lines(path, text))
    raise ConfigurationError(Position(str(path)), "is neither a .json nor a .properties file")


def flattened(values: Mapping[str, JsonValue], prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Values with their dotted names."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flattened(cast("Mapping[str, JsonValue]", value), f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _lines(path: Path, text: bytes) -> Iterator[tuple[str, str]]:
    try:
        lines = text.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ConfigurationError(Position(str(path)), f"is not UTF-8 at byte {error.start}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith(("#", "!")):
            continue
        name, separator, value = line.partition("=")
        if not separator:
            raise ConfigurationError(Position(str(path), line=number), "is not a line such as name=value")
        yield name.strip(), value.strip()
