"""Arithmetic both dialects agree on: integers of 64 bits, finite doubles, errors instead of overflow."""

import math

from deputize.expressions.errors import OperandError, OperandLimitError
from deputize.expressions.limits import MAX_TEXT
from deputize.expressions.values import Value, describe, is_number, number_checked

Number = int | float


def number(value: Value) -> Number:
    """`value` if it is a number that 64 bits hold. Raises `OperandError`."""
    if is_number(value):
        return number_checked(value)
    raise OperandError(f"a number is needed, not {describe(value)}")


def add(left: Number, right: Number) -> Number:
    """The sum."""
    return number_checked(left + right)


def subtract(left: Number, right: Number) -> Number:
    """The difference."""
    return number_checked(left - right)


def multiply(left: Number, right: Number) -> Number:
    """The product."""
    return number_checked(left * right)


def quotient(left: Number, right: Number) -> float:
    """The quotient as a double."""
    _refuse_zero(right)
    return number_checked(left / right)


def truncated_quotient(left: Number, right: Number) -> Number:
    """The quotient; of two integers, cut towards zero as Java does."""
    if isinstance(left, int) and isinstance(right, int):
        _refuse_zero(right)
        magnitude = abs(left) // abs(right)
        return number_checked(magnitude if (left < 0) == (right < 0) else -magnitude)
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
        return number_checked(int(left**right))
    return _real_power(float(left), float(right))


def _real_power(left: float, right: float) -> float:
    try:
        return number_checked(math.pow(left, right))
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
