"""Reading a function's arguments as what it needs."""

from collections.abc import Mapping, Sequence

from deputize.expressions.errors import OperandError, OperandLimitError
from deputize.expressions.limits import MAX_TEXT
from deputize.expressions.values import MAX_INTEGER, Value, describe, is_list, is_mapping, is_number


def text(value: Value) -> str:
    """`value` as a text. Raises `OperandError`."""
    if isinstance(value, str):
        return value
    raise OperandError(f"a text is needed, not {describe(value)}")


def integer(value: Value) -> int:
    """`value` as an integer that 64 bits hold; doubles must be whole. Raises `OperandError`."""
    if is_number(value) and abs(value) <= MAX_INTEGER and value == int(value):
        return int(value)
    raise OperandError(f"an integer is needed, not {describe(value)}")


def items(value: Value) -> Sequence[Value]:
    """`value` as a list. Raises `OperandError`."""
    if is_list(value):
        return value
    raise OperandError(f"a list is needed, not {describe(value)}")


def members(value: Value) -> Mapping[str, Value]:
    """`value` as a map. Raises `OperandError`."""
    if is_mapping(value):
        return value
    raise OperandError(f"a map is needed, not {describe(value)}")


def joined(parts: Sequence[str], separator: str) -> str:
    """The parts with `separator` between them.

    Refused before it is built when it would be longer than `MAX_TEXT`.
    """
    if sum(map(len, parts)) + len(separator) * len(parts) > MAX_TEXT:
        raise OperandLimitError(f"makes a text longer than {MAX_TEXT} characters")
    return separator.join(parts)
