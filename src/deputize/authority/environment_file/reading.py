"""A file's bytes to checked entries: YAML, then tokens, then the shape of every entry.

The YAML is stricter than YAML where that surprises: no aliases (a few lines can stand for gigabytes), no
tags, no duplicate keys, and only `true` and `false` are booleans, so that the locale `no` stays a text.
"""

import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, cast

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from deputize.authority.directory.objects import EnvironmentFile
from deputize.authority.environment_file.problems import (
    EnvironmentFileInvalid,
    Place,
    Places,
    Problems,
    details_of,
    explain,
)
from deputize.expressions import TokenError, substitute
from deputize.kernel import pointers
from deputize.kernel.errors import ConfigurationError, Position
from deputize.kernel.values import JsonValue, is_number

MAX_SIZE = 1024 * 1024
MAX_DEPTH = 24
MAX_NODES = 50_000

Resolve = Callable[[str], str | None]
_INTEGER = re.compile(r"[-+]?[0-9]{1,15}")
_REAL = re.compile(r"[-+]?[0-9]{1,15}\.[0-9]{1,400}")
_CONSTANTS: Mapping[str, JsonValue] = {"": None, "~": None, "null": None, "true": True, "false": False}
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_DEFINE = "set it in the process environment or with --set, or add a default as in &{name|default}"


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a file says, and where."""

    problems: Problems
    """What is wrong with tokens and shapes."""
    places: Places
    file: EnvironmentFile | None
    """All of it, or, when something is wrong, what can be judged all the same."""
    salvaged: "Salvaged | None"
    """That rest; `None` for a sound file."""


def parse(text: bytes, file: str, resolve: Resolve) -> Parsed:
    """The entries of a file, tokens resolved.

    Raises `EnvironmentFileInvalid` where it is not YAML of the kind that `read_yaml` reads.
    """
    try:
        written, places = read_yaml(text, file)
    except ConfigurationError as error:
        raise EnvironmentFileInvalid([error]) from error
    replaced: dict[str, str] = {}
    places = replace(places, replaced=replaced)
    problems = Problems(places)
    return _judge_shape(_resolve_tokens(written, resolve, "", problems, replaced), places, problems)


def parse_value(value: JsonValue, file: str) -> Parsed:
    """The entries of a file whose content is `value`, without tokens; `file` is what messages call it."""
    places = Places(file, {}, {})
    return _judge_shape(value, places, Problems(places))


def _judge_shape(value: JsonValue, places: Places, problems: Problems) -> Parsed:
    """The entries of `value`, in which `problems` says what is wrong so far."""
    _check_texts(value, problems)
    unresolved = frozenset(problem.pointer for problem in problems)
    try:
        sound = EnvironmentFile.model_validate(value)
    except ValidationError as error:
        for detail in _root_causes(details_of(error)):
            if pointers.join("", *detail["loc"]) not in unresolved:
                explain(detail, problems)
    else:
        if not unresolved:
            return Parsed(problems, places, sound, None)
    salvaged = salvage(value, unresolved)
    return Parsed(problems, places, salvaged and salvaged.file, salvaged)


def read_yaml(text: bytes, file: str) -> tuple[JsonValue, Places]:
    """The content of an environment file, and where its parts stand.

    Raises `ConfigurationError` where it is not the YAML described above.
    """
    if len(text) > MAX_SIZE:
        raise ConfigurationError(Position(file), f"the file is larger than {MAX_SIZE} bytes", "split it")
    try:
        composer = _Composer(text.decode("utf-8"), file)
        try:
            root = composer.get_single_node()
        finally:
            composer.dispose()
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
    nodes = _Nodes(file)
    value = nodes.value(root, "")
    return value, Places(file, nodes.values, nodes.keys)


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


class _Nodes:
    """Turns nodes into values, noting where each stands."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.values: dict[str, Place] = {}
        self.keys: dict[str, Place] = {}

    def value(self, node: yaml.Node, pointer: str) -> JsonValue:
        """The node's value; the places of all that is in it are in `values` and `keys` afterwards."""
        self.values[pointer] = _place(node)
        if isinstance(node, yaml.SequenceNode):
            items = cast("list[yaml.Node]", node.value)
            return [self.value(item, pointers.join(pointer, index)) for index, item in enumerate(items)]
        if not isinstance(node, yaml.MappingNode):
            return _scalar(cast("yaml.ScalarNode", node))
        members: dict[str, JsonValue] = {}
        for key, value in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            if not isinstance(key, yaml.ScalarNode):
                where = Position(self._file, pointer, *_place(key))
                raise ConfigurationError(
                    where, "a member's name has to be a text", "put the text into quotes"
                )
            name = str(key.value)
            member = pointers.join(pointer, name)
            if name in members:
                where = Position(self._file, member, *_place(key))
                raise ConfigurationError(where, f"{name[:64]!r} stands here twice", "keep one of them")
            self.keys[member] = _place(key)
            members[name] = self.value(value, member)
        return members


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


def _check_texts(value: JsonValue, problems: Problems) -> None:
    """Refuse what no database and no file can hold, and what nobody sees: it came by an escape."""
    for pointer, part in _walk(value, ""):
        if pointer.count("/") > MAX_DEPTH:
            problems.add(pointer, f"nested deeper than {MAX_DEPTH}", "flatten it")
            return
        texts = (part,) if isinstance(part, str) else part if isinstance(part, Mapping) else ()
        if is_number(part) and (not isfinite(part) or abs(part) >= 10**15):
            problems.add(pointer, "has more than 15 digits before the point", "write it as a text")
        if any(_UNWRITABLE.search(text) for text in texts):
            problems.add(pointer, "has a control character, or half of a character", "remove it")


def _root_causes(details: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Leave out complaints that a list is too short only because some of its entries are wrong themselves."""
    places = [detail["loc"] for detail in details]
    for detail in details:
        location = detail["loc"]
        has_inner = any(len(place) > len(location) and place[: len(location)] == location for place in places)
        if not (detail["type"] == "too_short" and has_inner):
            yield detail


def _resolve_tokens(
    value: JsonValue, resolve: Resolve, pointer: str, problems: Problems, replaced: dict[str, str]
) -> JsonValue:
    """`value` with its tokens replaced; adds to `replaced` the texts that this changed, by their pointers."""
    if isinstance(value, str):
        try:
            resolved = substitute(value, resolve)
        except TokenError as error:
            fix = _DEFINE if "nothing is known" in error.reason else error.fix
            problems.add(pointer, error.reason, fix)
            return value
        if resolved != value:
            replaced[pointer] = str(resolved)
        return resolved
    if isinstance(value, Mapping):
        return {
            name: _resolve_tokens(item, resolve, pointers.join(pointer, name), problems, replaced)
            for name, item in value.items()
        }
    if isinstance(value, Sequence):
        return [
            _resolve_tokens(item, resolve, pointers.join(pointer, index), problems, replaced)
            for index, item in enumerate(value)
        ]
    return value


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What can still be judged of a file whose shape is wrong, so that errors of reference are told beside
    those of shape.

    Each broken part is taken out, as little as possible, until the rest has the shape of a file. What was
    taken out leaves doubt: a name that stood in it may be what others refer to.
    """

    file: EnvironmentFile
    origins: Mapping[str, str]
    """JSON pointers into the rest, to those of the same parts in the file."""
    broken: frozenset[str]
    """Pointers, in the file, of what was taken out."""
    texts: frozenset[str]
    """Every text that stood in it."""

    def tell(self, found: Problems, problems: Problems) -> None:
        """Add to `problems` what is certain of `found`, at its place in the file.

        Left out is what may be no error once the broken parts are mended: a name that stands in one of them,
        and what is missed in something that holds one.
        """
        for problem in found:
            known = problem.pointer
            while known not in self.origins:
                known = pointers.parent(known)
            pointer = self.origins[known] + problem.pointer[len(known) :]
            is_doubtful = any(each == pointer or each.startswith(f"{pointer}/") for each in self.broken) or (
                pointer not in self.origins.values()
                and any(pointers.parent(each) == pointers.parent(pointer) for each in self.broken)
            )
            if not is_doubtful and not any(repr(text) in problem.reason for text in self.texts):
                problems.add(pointer, problem.reason, problem.fix, at_key=problem.at_key)


def salvage(value: JsonValue, unresolved: frozenset[str]) -> Salvaged | None:
    """The rest of `value`, without the parts at the pointers in `unresolved`.

    `None` when not even the environment is told.
    """
    rest, origins, broken, texts = (
        value,
        {pointer: pointer for pointer, _ in _walk(value, "")},
        set(unresolved),
        set[str](),
    )
    doomed = set(unresolved)
    while True:
        for part in (part for pointer, part in _walk(rest, "") if pointer in doomed):
            for _, each in _walk(part, ""):
                texts |= (
                    {each} if isinstance(each, str) else set(each) if isinstance(each, Mapping) else set()
                )
        rest, places = _without(rest, doomed, "", "")
        origins = {new: origins[old] for new, old in places.items()}
        try:
            return Salvaged(
                EnvironmentFile.model_validate(rest), origins, frozenset(broken), frozenset(texts)
            )
        except ValidationError as error:
            doomed = {_doomed_part(detail, origins) for detail in details_of(error)}
        if not doomed.isdisjoint({"", "/environment"}):
            return None
        broken |= {origins[pointer] for pointer in doomed}


def _doomed_part(detail: ErrorDetails, places: Container[str]) -> str:
    """What has to go: the part itself, or where something is missing, what it is missing from."""
    location = detail["loc"]
    pointer = pointers.join("", *(location[:-1] if detail["type"] == "missing" else location))
    while pointer not in places:
        pointer = pointers.parent(pointer)
    return pointer


def _items(value: JsonValue) -> Iterator[tuple[int | str, JsonValue]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield from enumerate(value)


def _walk(value: JsonValue, pointer: str) -> Iterator[tuple[str, JsonValue]]:
    yield pointer, value
    for name, item in _items(value):
        yield from _walk(item, pointers.join(pointer, name))


def _without(value: JsonValue, doomed: set[str], old: str, new: str) -> tuple[JsonValue, dict[str, str]]:
    """The value without the doomed parts, and (new pointer) to old pointer of all that is left."""
    places, kept = {new: old}, list[tuple[int | str, JsonValue]]()
    for name, item in _items(value):
        before = pointers.join(old, name)
        if before in doomed:
            continue
        after = name if isinstance(name, str) else len(kept)
        rest, inner = _without(item, doomed, before, pointers.join(new, after))
        places |= inner
        kept.append((after, rest))
    if isinstance(value, Mapping):
        return {str(name): item for name, item in kept}, places
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return [item for _, item in kept] if is_list else value, places
