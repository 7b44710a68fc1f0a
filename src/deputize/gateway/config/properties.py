"""Where the value of a `&{token}` comes from (gateway-config reference 2.5 and 2.6).

Properties inside out, environment variables, files named by `IG_ENVCONFIG_DIRS`, built-in values.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

from deputize.expressions.tokens import TokenError, substitute
from deputize.gateway.config import documents
from deputize.gateway.config.instance import Instance
from deputize.kernel.errors import ConfigurationError, Position
from deputize.kernel.property_lines import PropertyLineError, read_property_lines
from deputize.kernel.values import JsonValue

Lookup = Callable[[str], str | None]
FILES_VARIABLE = "IG_ENVCONFIG_DIRS"


class Properties:
    """The `properties` of one file over those of the enclosing ones. Values may hold tokens themselves."""

    def __init__(
        self, declared: Mapping[str, JsonValue], outer: Lookup, inherited: Mapping[str, object] | None = None
    ) -> None:
        """`outer` answers for names not declared here.

        `inherited` is what expressions see of the enclosing files. Raises `TokenError`.
        """
        self._declared = declared
        self._outer = outer
        self._resolving: list[str] = []
        own = cast("Mapping[str, object]", substitute(declared, self.lookup))
        self.visible: Mapping[str, object] = {**(inherited or {}), **own}

    def lookup(self, name: str) -> str | None:
        """Return the text of token `name`, or `None`.

        Raises `TokenError`, also for properties that refer to each other in a circle.
        """
        found = _find(self._declared, name)
        if found is None:
            return self._outer(name)
        if name in self._resolving:
            circle = " -> ".join([*self._resolving, name])
            raise TokenError(
                "",
                f"the properties {circle} refer to each other in a circle",
                "give one of them a plain value",
            )
        self._resolving.append(name)
        try:
            return _to_text(substitute(found, self.lookup))
        finally:
            self._resolving.pop()


def outermost(instance: Instance) -> Lookup:
    """Return the lookup of tokens that no properties declare.

    Environment variables, then files named by `IG_ENVCONFIG_DIRS`, then built-in values. Raises
    `ConfigurationError` for a file that cannot be read.
    """
    environment = instance.environment
    values = {"ig.instance.dir": str(instance.directory), "ig.instance.url": instance.directory.as_uri()}
    for directory in filter(None, map(str.strip, environment.get(FILES_VARIABLE, "").split(","))):
        for path in sorted(Path(directory).glob("*")):
            if path.suffix in {".json", ".properties"}:
                members = read_property_file(path, documents.read_content(path))
                values.update((name, _to_text(value)) for name, value in flatten(members))

    def lookup(name: str) -> str | None:
        variable = environment.get(name.replace(".", "_").upper())
        return variable if variable is not None else values.get(name)

    return lookup


def read_property_file(path: Path, text: bytes) -> Mapping[str, JsonValue]:
    """Read what `text`, the content of the `.json` or `.properties` file at `path`, holds.

    Raises `ConfigurationError` for another kind of file, or a malformed one.
    """
    if path.suffix == ".json":
        return documents.parse(text, str(path)).members
    if path.suffix != ".properties":
        raise ConfigurationError(Position(str(path)), "is neither a .json nor a .properties file")
    try:
        return read_property_lines(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigurationError(Position(str(path)), f"is not UTF-8 at byte {error.start}") from error
    except PropertyLineError as error:
        reason = "is not a line such as name=value"
        raise ConfigurationError(Position(str(path), line=error.number), reason) from error


def flatten(values: Mapping[str, JsonValue], prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Yield values with their dotted names."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flatten(cast("Mapping[str, JsonValue]", value), f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _find(declared: JsonValue, name: str) -> JsonValue:
    """Return the value at a dotted name; a member whose own name holds dots is found as well."""
    if not isinstance(declared, Mapping):
        return None
    if name in declared:
        return declared[name]
    head, dot, rest = name.partition(".")
    return _find(declared.get(head), rest) if dot else None


def _to_text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)
