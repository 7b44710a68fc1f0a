"""The arguments of a call as every server reads them, with exact numbers.

A policy that reads 100 where the server reads 100.001 protects nothing. So what programs read differently is
refused here: numbers that a double does not hold exactly as written, and members that differ in case or
Unicode form only.
"""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import isinf
from typing import Final, TypeAlias, Union, cast

from deputize.kernel.errors import DeputizeError
from deputize.kernel.pointers import join
from deputize.kernel.values import JsonValue
from deputize.mcp.spellings import fold_name

ExactValue: TypeAlias = Union[bool, Decimal, str, "Sequence[ExactValue]", "Mapping[str, ExactValue]", None]
"""A JSON value whose numbers are decimals."""
ExactObject: TypeAlias = Mapping[str, ExactValue]
_MAX_EXPONENT: Final = 400
"""No double is written with a larger one; as a decimal it might take all memory."""


class AmbiguousArguments(DeputizeError):
    """Programs read the arguments differently. Says which, without their values."""


class _Unclear:
    """A number that programs read differently."""


def read_arguments(message: bytes) -> ExactObject:
    """Return `params.arguments` of a call: `message` is one that the MCP validation has accepted.

    Empty where there are none. Raises `AmbiguousArguments`.
    """
    params = cast("dict[str, dict[str, object]]", _DECODER.decode(message.decode())).get("params") or {}
    arguments = params.get("arguments", {})
    if not isinstance(arguments, dict):
        raise AmbiguousArguments("the arguments are not an object")
    _refuse_ambiguous(cast("object", arguments), "")
    return cast("ExactObject", arguments)


def exact_value(value: JsonValue) -> ExactValue:
    """Return what was read as ordinary JSON with exact numbers, such as a default in a schema.

    Raises `AmbiguousArguments`.
    """
    text = json.dumps(value, ensure_ascii=False)
    exact = _DECODER.decode(text)
    _refuse_ambiguous(exact, "")
    return cast("ExactValue", exact)


def _refuse_ambiguous(value: object, pointer: str) -> None:
    if isinstance(value, _Unclear):
        raise AmbiguousArguments(f"programs read the number at {pointer} differently")
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        if len({fold_name(name) for name in members}) != len(members):
            place = pointer or "the top"
            raise AmbiguousArguments(f"two members at {place} differ in case or Unicode form only")
        for name, member in members.items():
            if isinstance(member, dict | list | _Unclear):
                _refuse_ambiguous(cast("object", member), join(pointer, name))
    elif isinstance(value, list):
        for at, item in enumerate(cast("list[object]", value)):
            _refuse_ambiguous(item, join(pointer, at))


def _read_number(text: str) -> Decimal | _Unclear:
    """Return the number that `text` spells, where a double says the same in its shortest form.

    JavaScript reads every number as a double, Python and Go integers exactly, Java often all of them.
    """
    _, _, exponent = text.lower().partition("e")
    if len(text) > _MAX_EXPONENT or abs(int(exponent or "0")) > _MAX_EXPONENT:
        return _Unclear()
    number, double = Decimal(text), float(text)
    if isinf(double):
        return _Unclear()
    # beyond 2^53 not every integer is a double, and the shortest form of one is not what it holds
    read = Decimal(int(double)) if abs(double) >= 2**53 else Decimal(repr(double))
    return number if number == read else _Unclear()


_DECODER: Final = json.JSONDecoder(parse_float=_read_number, parse_int=_read_number)
