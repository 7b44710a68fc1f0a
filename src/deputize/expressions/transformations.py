"""Transformations.

An object whose only member is `$int`, `$list` and the like is replaced by that member's converted value.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence

from deputize.expressions.errors import TokenError
from deputize.expressions.numerals import parse_number
from deputize.kernel import strict_json
from deputize.kernel.values import JsonValue


class _Unfit(Exception):
    """The value cannot be converted; the message says what is needed."""


def applied(members: Mapping[str, JsonValue], pointer: str) -> JsonValue:
    """What the object at `pointer` stands for: itself, unless it is a transformation. Raises `TokenError`."""
    name = next(iter(members)) if len(members) == 1 else ""
    convert = TRANSFORMATIONS.get(name)
    if convert is None:
        return members
    try:
        return convert(members[name])
    except _Unfit as error:
        raise TokenError(pointer, f"{name} needs {error}", f"correct the value of {name}") from error


def _number(value: JsonValue) -> int | float:
    number = parse_number(value.strip()) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise _Unfit("a number or its text")
    return number


def _int(value: JsonValue) -> int:
    number = _number(value)
    if number != int(number):
        raise _Unfit("a whole number")
    return int(number)


def _bool(value: JsonValue) -> bool:
    if isinstance(value, bool):
        return value
    known = {"true": True, "false": False}
    if not isinstance(value, str) or value.strip().lower() not in known:
        raise _Unfit("true or false")
    return known[value.strip().lower()]


def _string(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise _Unfit("a text")
    return value


def _json(value: JsonValue) -> JsonValue:
    try:
        return strict_json.loads(_text(value).encode())
    except (strict_json.JsonError, UnicodeEncodeError) as error:
        raise _Unfit(f"JSON text: {error}") from error


def _array(value: JsonValue) -> JsonValue:
    parsed = _json(value) if isinstance(value, str) else value
    if not isinstance(parsed, Sequence) or isinstance(parsed, str):
        raise _Unfit("an array or its JSON text")
    return parsed


def _object(value: JsonValue) -> JsonValue:
    parsed = _json(value) if isinstance(value, str) else value
    if not isinstance(parsed, Mapping):
        raise _Unfit("an object or its JSON text")
    return parsed


def _list(value: JsonValue) -> JsonValue:
    if not isinstance(value, str):
        return _array(value)
    return [item.strip() for item in value.split(",")] if value.strip() else []


def _encode(value: JsonValue) -> str:
    try:
        return base64.b64encode(_text(value).encode()).decode("ascii")
    except UnicodeEncodeError as error:
        raise _Unfit("a text of Unicode characters") from error


def _decode(value: JsonValue) -> str:
    try:
        return base64.b64decode(_text(value).encode(), validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise _Unfit("the Base64 of a UTF-8 text") from error


TRANSFORMATIONS: Mapping[str, Callable[[JsonValue], JsonValue]] = {
    "$int": _int,
    "$number": _number,
    "$bool": _bool,
    "$string": _string,
    "$array": _array,
    "$list": _list,
    "$object": _object,
    "$base64:encode": _encode,
    "$base64:decode": _decode,
}
