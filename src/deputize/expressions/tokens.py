"""Prepare a configuration file before anything else reads it: replace tokens, then apply transformations.

A token `&{name}` is not an expression: it is replaced by text, wherever it stands in a text of the document.
Replacements may contain tokens again, and so may names and defaults: `&{port.&{stage}|8080}`.

An object whose only member is `$int`, `$list` and the like is a transformation: that member's converted value
takes its place.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence

from deputize.expressions.arithmetic import parse_number
from deputize.expressions.errors import TokenError
from deputize.kernel import pointers, strict_json
from deputize.kernel.values import JsonValue

Resolve = Callable[[str], str | None]
"""From a token's name to the text it stands for, or `None`."""

MAX_NESTING = 16
"""Tokens within tokens, or within their replacements."""
MAX_TOKENS = 1000
"""Tokens replaced in one text, counting those in replacements."""
MAX_TEXT = 1_048_576
"""Characters of any text a token stands for."""
_OPENING = "&{"


def substitute(document: JsonValue, resolve: Resolve) -> JsonValue:
    """`document` with every token replaced and every transformation applied, innermost first.

    Raises `TokenError`.
    """
    replaced, errors = substitute_all(document, resolve)
    if errors:
        raise errors[0]
    return replaced


def substitute_all(document: JsonValue, resolve: Resolve) -> tuple[JsonValue, Sequence[TokenError]]:
    """`document` with every token and transformation that can be carried out, and the errors of the others.

    What cannot be replaced or transformed stays as it is.
    """
    substitution = _Substitution(resolve)
    return substitution.of(document, "", strict_json.MAX_DEPTH), substitution.errors


def escape(text: str) -> str:
    """The text that `substitute` makes `text` of, whatever is known."""
    made: list[str] = []
    at = 0
    while (start := text.find(_OPENING, at)) >= 0:
        end = _end_of_token(text, start)
        stop = start + len(_OPENING) if end is None else end + 1
        made += (text[at:start], "\\", text[start:stop])
        at = stop
    return "".join((*made, text[at:]))


def _end_of_token(text: str, start: int) -> int | None:
    """The position of the brace that closes the token at `start`; braces in defaults come in pairs."""
    open_braces = 0
    for at in range(start + 1, len(text)):
        open_braces += (text[at] == "{") - (text[at] == "}")
        if open_braces == 0:
            return at
    return None


class _Substitution:
    """The replacement of everything in one document."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self.errors: list[TokenError] = []

    def of(self, value: JsonValue, pointer: str, depth: int) -> JsonValue:
        if depth == 0 and not isinstance(value, str):
            self.errors.append(
                TokenError(pointer, f"nested deeper than {strict_json.MAX_DEPTH}", "flatten the document")
            )
            return value
        try:
            if isinstance(value, str):
                return _Text(self._resolve, pointer).replace(value, 0)
            if isinstance(value, Mapping):
                members = {
                    name: self.of(item, pointers.join(pointer, name), depth - 1)
                    for name, item in value.items()
                }
                return transform(members, pointer)
        except TokenError as error:
            self.errors.append(error)
            return value
        if isinstance(value, Sequence):
            return [self.of(item, pointers.join(pointer, at), depth - 1) for at, item in enumerate(value)]
        return value


class _Text:
    """The replacement of the tokens of one text."""

    def __init__(self, resolve: Resolve, pointer: str) -> None:
        self._resolve = resolve
        self._pointer = pointer
        self._left = MAX_TOKENS

    def replace(self, text: str, nesting: int) -> str:
        """`text` with its tokens replaced.

        A backslash before a token keeps it as it is, without the backslash.
        """
        if _OPENING not in text:
            return text
        made: list[str] = []
        at = 0
        while (start := text.find(_OPENING, at)) >= 0:
            end = _end_of_token(text, start)
            if text[at:start].endswith("\\"):
                stop = start + len(_OPENING) if end is None else end + 1
                made += (text[at : start - 1], text[start:stop])
                at = stop
                continue
            if end is None:
                raise TokenError(
                    self._pointer,
                    f"the token at character {start + 1} has no closing brace",
                    "write &{name} or &{name|default}",
                )
            made += (text[at:start], self.read(text[start + 2 : end], nesting + 1))
            at = end + 1
        made.append(text[at:])
        if sum(map(len, made)) > MAX_TEXT:
            raise TokenError(
                self._pointer,
                f"the tokens stand for more than {MAX_TEXT} characters",
                "shorten the values they stand for",
            )
        return "".join(made)

    def read(self, inside: str, nesting: int) -> str:
        """What a token stands for, `inside` being what is between its braces."""
        self._left -= 1
        if nesting > MAX_NESTING or self._left < 0:
            raise TokenError(
                self._pointer, "the tokens have no end", "look for a value that contains its own token"
            )
        bar = _find_bar(inside)
        name = self.replace(inside[:bar], nesting).strip()
        found = self._resolve(name)
        if found is not None:
            return self.replace(found, nesting)
        if bar == len(inside):
            raise TokenError(
                self._pointer,
                f"nothing is known as &{{{name[:64]}}}",
                "define it, or add a default as in &{name|default}",
            )
        return self.replace(inside[bar + 1 :], nesting)


def _find_bar(inside: str) -> int:
    """The position where the name ends: the first bar outside of inner tokens, or the end."""
    open_braces = 0
    for at, character in enumerate(inside):
        open_braces += (character == "{") - (character == "}")
        if character == "|" and open_braces == 0:
            return at
    return len(inside)


class _Unfit(Exception):
    """The value cannot be converted; the message says what is needed."""


def transform(members: Mapping[str, JsonValue], pointer: str) -> JsonValue:
    """What the object at `pointer` stands for: itself, unless it is a transformation. Raises `TokenError`."""
    name = next(iter(members)) if len(members) == 1 else ""
    convert = TRANSFORMATIONS.get(name)
    if convert is None:
        return members
    try:
        return convert(members[name])
    except _Unfit as error:
        raise TokenError(pointer, f"{name} needs {error}", f"correct the value of {name}") from error


def _as_number(value: JsonValue) -> int | float:
    number = parse_number(value.strip()) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise _Unfit("a number or its text")
    return number


def _as_integer(value: JsonValue) -> int:
    number = _as_number(value)
    if number != int(number):
        raise _Unfit("a whole number")
    return int(number)


def _as_boolean(value: JsonValue) -> bool:
    if isinstance(value, bool):
        return value
    known = {"true": True, "false": False}
    if not isinstance(value, str) or value.strip().lower() not in known:
        raise _Unfit("true or false")
    return known[value.strip().lower()]


def _check_text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise _Unfit("a text")
    return value


def _parse_json(value: JsonValue) -> JsonValue:
    try:
        return strict_json.loads(_check_text(value).encode())
    except (strict_json.JsonError, UnicodeEncodeError) as error:
        raise _Unfit(f"JSON text: {error}") from error


def _as_array(value: JsonValue) -> JsonValue:
    parsed = _parse_json(value) if isinstance(value, str) else value
    if not isinstance(parsed, Sequence) or isinstance(parsed, str):
        raise _Unfit("an array or its JSON text")
    return parsed


def _as_object(value: JsonValue) -> JsonValue:
    parsed = _parse_json(value) if isinstance(value, str) else value
    if not isinstance(parsed, Mapping):
        raise _Unfit("an object or its JSON text")
    return parsed


def _as_list(value: JsonValue) -> JsonValue:
    if not isinstance(value, str):
        return _as_array(value)
    return [item.strip() for item in value.split(",")] if value.strip() else []


def _encode_base64(value: JsonValue) -> str:
    try:
        return base64.b64encode(_check_text(value).encode()).decode("ascii")
    except UnicodeEncodeError as error:
        raise _Unfit("a text of Unicode characters") from error


def _decode_base64(value: JsonValue) -> str:
    try:
        return base64.b64decode(_check_text(value).encode(), validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise _Unfit("the Base64 of a UTF-8 text") from error


TRANSFORMATIONS: Mapping[str, Callable[[JsonValue], JsonValue]] = {
    "$int": _as_integer,
    "$number": _as_number,
    "$bool": _as_boolean,
    "$string": lambda value: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False),
    "$array": _as_array,
    "$list": _as_list,
    "$object": _as_object,
    "$base64:encode": _encode_base64,
    "$base64:decode": _decode_base64,
}
