"""Numbers: arithmetic of 64-bit integers and finite doubles, with errors instead of overflow, and texts that
spell numbers, as header values and claims often do.
"""

import math
import re

from deputize.expressions.errors import OperandError, OperandLimitError
from deputize.expressions.values import MAX_INTEGER, MAX_TEXT, Value, check_number, describe, is_number

Number = int | float
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_REAL = re.compile(r"[+-]?[0-9]{1,19}(?:\.[0-9]{1,19})?(?:[eE][+-]?[0-9]{1,3})?")


def parse_number(text: str) -> int | float | None:
    """The number `text` spells, or `None` when it spells none that 64 bits hold."""
    if integer := _INTEGER.fullmatch(text):
        value = int(integer.group())
        return value if abs(value) <= MAX_INTEGER else None
    if not _REAL.fullmatch(text):
        return None
    real = float(text)
    return real if abs(real) != float("inf") else None


def as_number(value: Value) -> Number:
    """`value` if it is a number that 64 bits hold. Raises `OperandError`."""
    if is_number(value):
        return check_number(value)
    raise OperandError(f"a number is needed, not {describe(value)}")


def add(left: Number, right: Number) -> Number:
    """The sum."""
    return check_number(left + right)


def subtract(left: Number, right: Number) -> Number:
    """The difference."""
    return check_number(left - right)


def multiply(left: Number, right: Number) -> Number:
    """The product."""
    return check_number(left * right)


def quotient(left: Number, right: Number) -> float:
    """The quotient as a double."""
    _refuse_zero(right)
    return check_number(left / right)


def truncated_quotient(left: Number, right: Number) -> Number:
    """The quotient; of two integers, cut towards zero as Java does."""
    if isinstance(left, int) and isinstance(right, int):
        _refuse_zero(right)
        magnitude = abs(left) // abs(right)
        return check_number(magnitude if (left < 0) == (right < 0) else -magnitude)
    return quotient(left, right)


def remainder(left: Number, right: Number) -> Number:
    """What the truncated quotient leaves; it has the sign of `left`, as in Java."""
    _refuse_zero(right)
    if isinstance(left, int) and isinstance(right, int):
        magnitude = abs(left) % abs(right)
        return -magnitude if left < 0 else magnitude
    return math.fmod(left, right)


def power(left: Number, right: Number) -> Number:
    """`left` to the power of `right`; refused before it is computed when it would be astronomically large."""
    if isinstance(left, int) and isinstance(right, int) and right >= 0:
        if abs(left) > 1 and right > 64:
            raise OperandError("the number is out of range")
        return check_number(int(left**right))
    try:
        return check_number(math.pow(left, right))
    except (OverflowError, ValueError) as error:
        raise OperandError("the number is out of range") from error


def concatenate(left: str, right: str) -> str:
    """One text after the other, at most `MAX_TEXT` characters."""
    if len(left) + len(right) > MAX_TEXT:
        raise OperandLimitError(f"makes a text longer than {MAX_TEXT} characters")
    return left + right


def _refuse_zero(divisor: Number) -> None:
    if divisor == 0:
        raise OperandError("division by zero")
