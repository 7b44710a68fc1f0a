"""Configuration files as JSON documents: their members, and where in the text each of them stands.

The JSON is as lenient as the original reads it: comments, single quotes and raw line breaks in texts are
accepted, members named `comment` or starting with `_` are dropped. Everything else is as strict as JSON that
arrives from the network: a member that stands twice is refused, and so are NaN, numbers that programs read
differently, lone surrogates and depth.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn, cast

from deputize.kernel.errors import ConfigurationError, ConfigurationErrors, DeputizeError, Position
from deputize.kernel.pointers import join, split
from deputize.kernel.values import JsonValue

MAX_FILE_SIZE: Final = 1024 * 1024
"""Bytes."""
MAX_DEPTH: Final = 64
MAX_INTEGER: Final = 2**53 - 1
_BETWEEN = re.compile(r"(?:[ \t\r\n]++|//[^\r\n]*+|/\*(?:[^*]|\*(?!/))*+\*/)*+")
_TEXT = re.compile(r'"(?P<double>(?:[^"\\]|\\.)*+)"' + r"|'(?P<single>(?:[^'\\]|\\.)*+)'", re.DOTALL)
_NUMBER = re.compile(
    r"-?(?:0|[1-9][0-9]{0,400})(?P<real>(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,4})?)(?![\w.])"
)
_WORD = re.compile(r"(true|false|null)(?!\w)")
_WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None}
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPED = {'"': '"', "'": "'", "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


class JsonTextError(DeputizeError):
    """The text is not such JSON. `at` counts characters from 0."""

    def __init__(self, at: int, reason: str, fix: str = "") -> None:
        """`reason` is a clause, `fix` tells the operator what to change."""
        self.at = at
        self.reason = reason
        self.fix = fix
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: `at` counts characters from 0, of a member to its name."""

    at: int
    below: "Mapping[str, Place]" = field(default_factory=dict[str, "Place"])
    """The places of members, or of elements by their index."""
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read: its members, and where in its text they stand."""

    file: str
    members: Mapping[str, JsonValue]
    _text: str = field(repr=False, compare=False)
    _root: Place = field(repr=False, compare=False)

    def locate(self, error: ConfigurationError) -> ConfigurationError:
        """Return `error` with pointers that exist in this file, and with line and column.

        What other files are to blame for stays as it is. Several errors are put in the order of the file.
        """
        located: list[ConfigurationError] = []
        for each in error.errors:
            position = each.position
            if position.file != self.file or position.line is not None or not position.pointer:
                located.append(each)
                continue
            # The pointer that exists in the text and comes closest: a bare value where a list is read has no
            # index there, and what is missing is shown as the object it is missing in.
            existing, place = "", self._root
            for part in split(position.pointer):
                if part in place.below:
                    place = place.below[part]
                    existing = join(existing, part)
                elif place.is_list or not part.isdecimal():
                    break
            at = Position(self.file, existing, *line_and_column(self._text, place.at))
            located.append(ConfigurationError(at, each.reason, each.fix))
        if len(located) == 1:
            return located[0]
        located.sort(key=lambda each: (each.position.line or 0, each.position.column or 0))
        return ConfigurationErrors(located)


def read_content(path: Path) -> bytes:
    """Read the bytes of `path`. Raises `ConfigurationError` naming the operating system's reason."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(Position(str(path)), f"cannot be read: {error.strerror or error}") from error


def parse(text: bytes, file: str) -> Document:
    """Parse the JSON object in `text`, which came from `file`. Raises `ConfigurationError`."""
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
        value, root = parse_json(decoded)
    except JsonTextError as error:
        line, column = line_and_column(decoded, error.at)
        raise ConfigurationError(
            Position(file, line=line, column=column), f"is not JSON: {error.reason}", error.fix
        ) from error
    if not isinstance(value, dict):
        raise ConfigurationError(
            Position(file), "is not a JSON object", "a configuration file starts with { and ends with }"
        )
    return Document(file, cast("Mapping[str, JsonValue]", drop_disabled(value)), decoded, root)


def drop_disabled(value: JsonValue) -> JsonValue:
    """Return `value` without members named `comment` or starting with `_`, at any depth; `_id` stays."""
    if isinstance(value, dict):
        return {name: drop_disabled(member) for name, member in value.items() if not is_disabled(name)}
    if isinstance(value, list):
        return [drop_disabled(item) for item in value]
    return value


def is_disabled(name: str) -> bool:
    """Whether a member of that name counts as not there."""
    return name in {"comment", "$schema"} or (name.startswith("_") and name != "_id")


def line_and_column(text: str, at: int) -> tuple[int, int]:
    """Return line and column, both from 1, of the character at `at`."""
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def parse_json(text: str) -> tuple[JsonValue, Place]:
    """Parse `text`: the value it stands for, and its places. Raises `JsonTextError`."""
    return _JsonParser(text).parse()


class _JsonParser:
    """One pass over one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def parse(self) -> tuple[JsonValue, Place]:
        self._skip()
        found = self._value(MAX_DEPTH)
        if self._at < len(self._text):
            self._fail("something follows the closing brace", "a file holds one object")
        return found

    def _value(self, depth: int) -> tuple[JsonValue, Place]:
        if depth == 0:
            self._fail(f"nested deeper than {MAX_DEPTH}", "flatten the document")
        start = self._at
        opening = self._text[start : start + 1]
        if opening == "{":
            return self._object(depth - 1)
        if opening == "[":
            elements: list[JsonValue] = []
            places: dict[str, Place] = {}
            self._step()
            while not self._accept("]"):
                if elements and not self._accept(","):
                    self._fail(
                        "a comma or ']' is expected",
                        "look just before this place for a missing comma or quote",
                    )
                element, places[str(len(elements))] = self._value(depth - 1)
                elements.append(element)
            return elements, Place(start, places, is_list=True)
        value: JsonValue
        if opening in {'"', "'"}:
            value = self._string()
        elif word := _WORD.match(self._text, start):
            self._at = word.end()
            value = _WORDS[word[1]]
        else:
            number = _NUMBER.match(self._text, start)
            if number is None:
                self._fail("a value is expected", "texts stand in quotes; look also for a comma too much")
            self._at = number.end()
            value = float(number[0]) if number["real"] else int(number[0])
            if value in {float("inf"), float("-inf")} or (
                isinstance(value, int) and abs(value) > MAX_INTEGER
            ):
                raise JsonTextError(start, "the number is out of range", "write it as a text")
        self._skip()
        return value, Place(start)

    def _object(self, depth: int) -> tuple[JsonValue, Place]:
        start = self._at
        members: dict[str, JsonValue] = {}
        places: dict[str, Place] = {}
        self._step()
        while not self._accept("}"):
            if members and not self._accept(","):
                self._fail(
                    "a comma or '}' is expected", "look just before this place for a missing comma or quote"
                )
            at = self._at
            if self._text[at : at + 1] not in {'"', "'"}:
                self._fail(
                    "the name of a member is expected in quotes",
                    "look just before this place for a comma too much",
                )
            name = self._string()
            if name in members:
                line = line_and_column(self._text, places[name].at)[0]
                raise JsonTextError(
                    at,
                    f"the member {name[:64]!r} stands twice in one object, first in line {line}",
                    "remove one of them",
                )
            self._skip()
            if not self._accept(":"):
                self._fail(
                    "a colon is expected after the name of a member",
                    "look just before this place for a missing colon or quote",
                )
            members[name], place = self._value(depth)
            places[name] = Place(at, place.below, place.is_list)
        return members, Place(start, places)

    def _string(self) -> str:
        start = self._at
        match = _TEXT.match(self._text, start)
        if match is None:
            self._fail("the closing quote is missing", f"add {self._text[start]} at the end of the text")
        self._at = match.end()
        written = match[match.lastgroup or 0]
        control = _CONTROL.search(written)
        if control:
            raise JsonTextError(
                start + 1 + control.start(), "a control character stands in a text", r"write it as \u00XX"
            )
        if "\\" not in written:
            return written

        def unescape(escape: re.Match[str]) -> str:
            if escape[1]:
                return chr(int(escape[1], 16))
            if escape[2] not in _ESCAPED:
                at = start + 1 + escape.start()
                raise JsonTextError(at, f"\\{escape[2]} stands for nothing", r"write a backslash as \\")
            return _ESCAPED[escape[2]]

        try:
            # Two halves of a character become one; a half alone is no Unicode.
            return _ESCAPE.sub(unescape, written).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError as error:
            raise JsonTextError(
                start + 1, "a text contains a lone surrogate", "write characters beyond U+FFFF as two escapes"
            ) from error

    def _step(self) -> None:
        self._at += 1
        self._skip()

    def _accept(self, character: str) -> bool:
        if self._text[self._at : self._at + 1] != character:
            return False
        self._step()
        return True

    def _skip(self) -> None:
        """Pass over blanks and comments."""
        match = _BETWEEN.match(self._text, self._at)
        if match:
            self._at = match.end()

    def _fail(self, reason: str, fix: str) -> NoReturn:
        if self._text.startswith("/*", self._at):
            raise JsonTextError(self._at, "the comment has no end", "close it with */")
        raise JsonTextError(
            self._at, reason if self._at < len(self._text) else "the text ends too early", fix
        )
