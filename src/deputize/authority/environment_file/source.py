"""YAML text to JSON values, with the line and column of every member.

Stricter than YAML where YAML surprises: no aliases (a few lines can stand for gigabytes), no tags, no
duplicate keys, and only `true` and `false` are booleans, so that the locale `no` stays a text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import yaml

from deputize.kernel import pointers
from deputize.kernel.errors import ConfigurationError, Position
from deputize.kernel.values import JsonValue

MAX_SIZE = 1024 * 1024
MAX_DEPTH = 24
MAX_NODES = 50_000

Place: TypeAlias = tuple[int, int]
_INTEGER = re.compile(r"[-+]?[0-9]{1,15}")
_REAL = re.compile(r"[-+]?[0-9]{1,15}\.[0-9]{1,15}")
_CONSTANTS: Mapping[str, JsonValue] = {"": None, "~": None, "null": None, "true": True, "false": False}
_QUOTE_IT = "put the text into quotes"


@dataclass(frozen=True, slots=True)
class Source:
    """A file's content, and where its parts stand."""

    file: str
    value: JsonValue
    values: Mapping[str, Place]
    """JSON pointer to line and column, from 1, of the value."""
    keys: Mapping[str, Place]
    """The same of the name before the value."""

    def position(self, pointer: str, *, at_key: bool = False) -> Position:
        """Where `pointer` stands; of something that is not there, where it would have to stand."""
        places = self.keys if at_key else self.values
        line, column = places.get(pointer) or self._nearest(pointer)
        return Position(self.file, pointer, line, column)

    def _nearest(self, pointer: str) -> Place:
        while pointer and pointer not in self.values:
            pointer = pointer.rpartition("/")[0]
        return self.values.get(pointer, (1, 1))


def read(text: bytes, file: str) -> Source:
    """The content of an environment file.

    Raises `ConfigurationError` where it is not the YAML described above.
    """
    if len(text) > MAX_SIZE:
        raise ConfigurationError(Position(file), f"the file is larger than {MAX_SIZE} bytes", "split it")
    try:
        root = _compose(text.decode("utf-8"), file)
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            Position(file), f"not UTF-8 at byte {error.start}", "save it as UTF-8"
        ) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Position(file, "", mark.line + 1, mark.column + 1) if mark else Position(file)
        raise ConfigurationError(
            place, f"not YAML: {', '.join(filter(None, (error.context, error.problem)))}"
        ) from error
    except yaml.reader.ReaderError as error:
        raise ConfigurationError(
            Position(file), f"character {error.position + 1} is not allowed in YAML", "remove it"
        ) from error
    if root is None:
        raise ConfigurationError(
            Position(file, "", 1, 1), "the file is empty", "start with environment: NAME"
        )
    reader = _Reader(file)
    value = reader.value(root, "")
    return Source(file, value, reader.values, reader.keys)


def _compose(text: str, file: str) -> yaml.Node | None:
    loader = _Composer(text, file)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


class _Composer(yaml.SafeLoader):
    """PyYAML's composer, stopped before it builds what this format does without."""

    def __init__(self, text: str, file: str) -> None:
        super().__init__(text)
        self._file = file
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's signature
        """The next node, within limits."""
        event = cast("yaml.Event", self.peek_event())  # pyright: ignore[reportUnknownMemberType] - untyped in the stubs
        self._nodes += 1
        self._depth += 1
        self._refuse(
            isinstance(event, yaml.AliasEvent), event, "aliases are not supported", "write the content out"
        )
        self._refuse(
            getattr(event, "tag", None) is not None,
            event,
            "tags are not supported",
            "remove the part that starts with !",
        )
        self._refuse(self._depth > MAX_DEPTH, event, f"nested deeper than {MAX_DEPTH}", "flatten it")
        self._refuse(self._nodes > MAX_NODES, event, f"more than {MAX_NODES} values", "split the file")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _refuse(self, refused: bool, event: yaml.Event, reason: str, fix: str) -> None:  # noqa: FBT001
        if refused:
            mark = cast("yaml.Mark", event.start_mark)
            raise ConfigurationError(Position(self._file, "", mark.line + 1, mark.column + 1), reason, fix)


class _Reader:
    """Turns nodes into values, noting where each stands."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.values: dict[str, Place] = {}
        self.keys: dict[str, Place] = {}

    def value(self, node: yaml.Node, pointer: str) -> JsonValue:
        self.values[pointer] = _place(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, pointer)
        if isinstance(node, yaml.SequenceNode):
            items = cast("list[yaml.Node]", node.value)
            return [self.value(item, pointers.join(pointer, index)) for index, item in enumerate(items)]
        return _scalar(cast("yaml.ScalarNode", node))

    def _mapping(self, node: yaml.MappingNode, pointer: str) -> JsonValue:
        members: dict[str, JsonValue] = {}
        for key, value in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            name = self._name(key, pointer)
            member = pointers.join(pointer, name)
            if name in members:
                raise ConfigurationError(
                    self._position(key, member), f"{name[:64]!r} stands here twice", "keep one of them"
                )
            self.keys[member] = _place(key)
            members[name] = self.value(value, member)
        return members

    def _name(self, key: yaml.Node, pointer: str) -> str:
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigurationError(
                self._position(key, pointer), "a member's name has to be a text", _QUOTE_IT
            )
        return str(key.value)

    def _position(self, node: yaml.Node, pointer: str) -> Position:
        line, column = _place(node)
        return Position(self._file, pointer, line, column)


def _place(node: yaml.Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _scalar(node: yaml.ScalarNode) -> JsonValue:
    text = str(node.value)
    if node.style is not None:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _REAL.fullmatch(text) else text
