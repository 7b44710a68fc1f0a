"""What operators mean in mapping expressions.

One deliberate difference from the original: there `null == null` holds even when both sides are merely
absent, so a rule such as "`may_act.sub` equals the actor's `client_id`" passes when neither exists. Here `==`
is never true of two values that are missing or null, however they came about; only a `null` written in the
expression equals null, and not what is missing. `!=` is the original's: false when neither side has a value,
so that `x != null` still asks whether `x` is there.
"""

from collections.abc import Callable, Mapping
from typing import cast

from deputize.expressions import arithmetic
from deputize.expressions.errors import OperandError
from deputize.expressions.patterns import as_pattern
from deputize.expressions.tree import BinaryOperator, UnaryOperator
from deputize.expressions.values import Value, describe, equals, is_absent, is_number, text_of


def truth(value: Value) -> bool:
    """Only true and false are conditions; an absent one is an error, never silently false."""
    if isinstance(value, bool):
        return value
    raise OperandError(f"a condition must be true or false, not {describe(value)}")


def equal(left: Value, right: Value) -> bool:
    """`==`: never true when a side is missing or null, not even of another such value."""
    return not is_absent(left) and not is_absent(right) and equals(left, right)


def equals_null(value: Value) -> bool:
    """`x == null`: whether there is a null; what is missing is none."""
    return value is None


def differs_from_null(value: Value) -> bool:
    """`x != null`: whether there is a value."""
    return not is_absent(value)


def unequal(left: Value, right: Value) -> bool:
    """`!=`: missing and null count as the same nothing."""
    if is_absent(left) or is_absent(right):
        return is_absent(left) != is_absent(right)
    return not equals(left, right)


def ordered(
    order: Callable[[Value, Value], int], compare: Callable[[int], bool]
) -> Callable[[Value, Value], bool]:
    """A relation from what it makes of -1, 0 and 1; never true when a side is absent."""

    def relation(left: Value, right: Value) -> bool:
        return not is_absent(left) and not is_absent(right) and compare(order(left, right))

    return relation


def order(left: Value, right: Value) -> int:
    """-1, 0 or 1 for two numbers or two texts (by code point); other pairs have no order."""
    if is_number(left) and is_number(right):
        return (left > right) - (left < right)
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    raise OperandError(f"{describe(left)} and {describe(right)} have no order")


def matches(text: Value, pattern: Value) -> bool:
    """`matches`: whether the pattern matches the whole text; an absent text matches nothing."""
    compiled = as_pattern(pattern)
    if is_absent(text):
        return False
    return compiled.matches(text_of(text))


def add(left: Value, right: Value) -> Value:
    """`+`: concatenation when either side is a text, where an absent side reads `null`; otherwise the sum."""
    if isinstance(left, str) or isinstance(right, str):
        return arithmetic.concatenate(text_of(left), text_of(right))
    return arithmetic.add(arithmetic.number(left), arithmetic.number(right))


def _numeric(operate: Callable[[int | float, int | float], int | float]) -> Callable[[Value, Value], Value]:
    """An operator on two numbers."""
    return lambda left, right: operate(arithmetic.number(left), arithmetic.number(right))


BINARY: Mapping[BinaryOperator, Callable[[Value, Value], Value]] = {
    "==": equal,
    "!=": unequal,
    "<": ordered(order, lambda sign: sign < 0),
    "<=": ordered(order, lambda sign: sign <= 0),
    ">": ordered(order, lambda sign: sign > 0),
    ">=": ordered(order, lambda sign: sign >= 0),
    "matches": matches,
    "+": add,
    "-": _numeric(arithmetic.subtract),
    "*": _numeric(arithmetic.multiply),
    "/": _numeric(arithmetic.truncated_quotient),
    "%": _numeric(arithmetic.remainder),
    "^": _numeric(arithmetic.power),
}

UNARY: Mapping[UnaryOperator, Callable[[Value], Value]] = {
    "not": lambda value: not truth(value),
    "-": lambda value: cast("Value", -arithmetic.number(value)),
    "+": arithmetic.number,
}
