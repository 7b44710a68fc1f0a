"""The JSON of configuration files, as lenient as the original reads it, and where in the text what stands.

Comments, single quotes and raw line breaks in texts are accepted. Everything else is as strict as JSON that
arrives from the network: a member that stands twice is refused, and so are NaN, numbers that programs read
differently, lone surrogates and depth.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn

from deputize.kernel.errors import DeputizeError
from deputize.kernel.pointers import join, split
from deputize.kernel.values import JsonValue

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


def parse(text: str) -> tuple[JsonValue, Place]:
    """The value `text` stands for, and its places. Raises `JsonTextError`."""
    return _Reader(text).whole()


def find(place: Place, pointer: str) -> tuple[str, int]:
    """The pointer that exists in the text and comes closest to `pointer`, and where that stands.

    A bare value where a list is read has no index in the text; what is missing is shown as the object it is
    missing in.
    """
    found = ""
    for part in split(pointer):
        if part in place.below:
            place = place.below[part]
            found = join(found, part)
        elif place.is_list or not part.isdecimal():
            break
    return found, place.at


class _Reader:
    """One pass over one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def whole(self) -> tuple[JsonValue, Place]:
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
            return self._list(depth - 1)
        value = self._string() if opening in {'"', "'"} else self._scalar()
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

    def _list(self, depth: int) -> tuple[JsonValue, Place]:
        start = self._at
        elements: list[JsonValue] = []
        places: dict[str, Place] = {}
        self._step()
        while not self._accept("]"):
            if elements and not self._accept(","):
                self._fail(
                    "a comma or ']' is expected", "look just before this place for a missing comma or quote"
                )
            element, place = self._value(depth)
            places[str(len(elements))] = place
            elements.append(element)
        return elements, Place(start, places, is_list=True)

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
        return self._unescaped(written, start + 1)

    def _unescaped(self, written: str, start: int) -> str:
        def stands_for(escape: re.Match[str]) -> str:
            if escape[1]:
                return chr(int(escape[1], 16))
            if escape[2] not in _ESCAPED:
                raise JsonTextError(
                    start + escape.start(), f"\\{escape[2]} stands for nothing", r"write a backslash as \\"
                )
            return _ESCAPED[escape[2]]

        try:
            # Two halves of a character become one; a half alone is no Unicode.
            return _ESCAPE.sub(stands_for, written).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError as error:
            raise JsonTextError(
                start, "a text contains a lone surrogate", "write characters beyond U+FFFF as two escapes"
            ) from error

    def _scalar(self) -> JsonValue:
        text, start = self._text, self._at
        word = _WORD.match(text, start)
        if word:
            self._at = word.end()
            return _WORDS[word[1]]
        number = _NUMBER.match(text, start)
        if number is None:
            self._fail("a value is expected", "texts stand in quotes; look also for a comma too much")
        self._at = number.end()
        value = float(number[0]) if number["real"] else int(number[0])
        if value in {float("inf"), float("-inf")} or (isinstance(value, int) and abs(value) > MAX_INTEGER):
            raise JsonTextError(start, "the number is out of range", "write it as a text")
        return value

    def _step(self) -> None:
        self._at += 1
        self._skip()

    def _accept(self, character: str) -> bool:
        if self._text[self._at : self._at + 1] != character:
            return False
        self._step()
        return True

    def _skip(self) -> None:
        """Blanks and comments."""
        match = _BETWEEN.match(self._text, self._at)
        if match:
            self._at = match.end()

    def _fail(self, reason: str, fix: str) -> NoReturn:
        if self._text.startswith("/*", self._at):
            raise JsonTextError(self._at, "the comment has no end", "close it with */")
        raise JsonTextError(
            self._at, reason if self._at < len(self._text) else "the text ends too early", fix
        )


def line_and_column(text: str, at: int) -> tuple[int, int]:
    """Line and column, both from 1, of the character at `at`."""
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
