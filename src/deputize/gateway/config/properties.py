"""Where the value of a `&{token}` comes from.

Properties inside out, environment, configured files, built-in values.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

from deputize.expressions.tokens import TokenError, substitute
from deputize.gateway.config import documents, property_files
from deputize.gateway.config.instance import Instance
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
        self.visible: Mapping[str, object] = {**(inherited or {}), **self._substituted(declared)}

    def lookup(self, name: str) -> str | None:
        """The text of token `name`, or `None`.

        Raises `TokenError`, also for properties that refer to each other in a circle.
        """
        found = _member(self._declared, name)
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
            return _text(substitute(found, self.lookup))
        finally:
            self._resolving.pop()

    def _substituted(self, declared: Mapping[str, JsonValue]) -> Mapping[str, object]:
        return cast("Mapping[str, object]", substitute(declared, self.lookup))


def outermost(instance: Instance) -> Lookup:
    """Tokens that no properties declare.

    Environment variables, then files named by `IG_ENVCONFIG_DIRS`, then built-in values.
    """
    environment = instance.environment
    directory = str(instance.directory)
    built_in = {"ig.instance.dir": directory, "ig.instance.url": instance.directory.as_uri()}
    files = dict(_configured_files(environment.get(FILES_VARIABLE, "")))

    def lookup(name: str) -> str | None:
        variable = environment.get(name.replace(".", "_").upper())
        return variable if variable is not None else files.get(name, built_in.get(name))

    return lookup


def _configured_files(directories: str) -> Iterator[tuple[str, str]]:
    for directory in filter(None, (part.strip() for part in directories.split(","))):
        for path in sorted(Path(directory).glob("*")):
            if path.suffix in {".json", ".properties"}:
                for name, value in property_files.flattened(
                    property_files.members(path, documents.content(path))
                ):
                    yield name, _text(value)


def _member(declared: JsonValue, name: str) -> JsonValue:
    """The value at a dotted name; a member whose own name holds dots is found as well."""
    if not isinstance(declared, Mapping):
        return None
    if name in declared:
        return declared[name]
    head, dot, rest = name.partition(".")
    return _member(declared.get(head), rest) if dot else None


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)
