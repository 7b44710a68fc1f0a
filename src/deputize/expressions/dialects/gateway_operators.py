"""What operators mean in gateway expressions.

Those of the Jakarta Expression Language, narrowed where it guesses.

Reading something absent gives null, and `x == null`, with a null that is written there, asks for that. Two
values that merely turn out to be absent, however, are not equal: a route that compares a header with a claim
must not match when there is neither.

The operators exist twice. The `DECIDING` ones answer `UNDECIDED` when they compare something absent, so that
a condition that permits does not hold only because the value it forbids could not be read; `empty`, `== null`
and `!= null` ask about absence and stay exact.
"""

from collections.abc import Callable, Mapping
from typing import cast

from deputize.expressions import arithmetic
from deputize.expressions.dialects.mapping_operators import order, ordered
from deputize.expressions.errors import OperandError
from deputize.expressions.numerals import parse_number
from deputize.expressions.tree import BinaryOperator, UnaryOperator
from deputize.expressions.values import (
    UNDECIDED,
    Value,
    describe,
    equals,
    is_absent,
    is_list,
    is_mapping,
    is_number,
)


def truth(value: Value) -> bool:
    """A boolean, or the text `true` in any case; what is absent is false, other values are errors."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.lower() == "true"
    if is_absent(value):
        return False
    raise OperandError(f"a condition must be true or false, not {describe(value)}")


def equal(left: Value, right: Value) -> bool:
    """`==`: a text equals the number or boolean it spells; what is absent equals nothing."""
    return (
        not is_absent(left) and not is_absent(right) and equals(_aligned(left, right), _aligned(right, left))
    )


def unequal(left: Value, right: Value) -> bool:
    """`!=`: missing and null count as the same nothing."""
    if is_absent(left) or is_absent(right):
        return is_absent(left) != is_absent(right)
    return not equal(left, right)


def _aligned(value: Value, other: Value) -> Value:
    """`value` as the kind of `other`, if it is a text that spells one."""
    if not isinstance(value, str) or isinstance(other, str):
        return value
    if isinstance(other, bool):
        return {"true": True, "false": False}.get(value.lower(), value)
    number = parse_number(value) if is_number(other) else None
    return value if number is None else number


def _order(left: Value, right: Value) -> int:
    return order(_aligned(left, right), _aligned(right, left))


def _number(value: Value) -> int | float:
    number = parse_number(value) if isinstance(value, str) else None
    return arithmetic.number(value) if number is None else number


def _numeric(operate: Callable[[int | float, int | float], int | float]) -> Callable[[Value, Value], Value]:
    return lambda left, right: operate(_number(left), _number(right))


def add(left: Value, right: Value) -> Value:
    """`+`: only numbers and texts that spell them.

    Texts are put together by writing expressions side by side.
    """
    try:
        return arithmetic.add(_number(left), _number(right))
    except OperandError as error:
        raise OperandError(
            f"'+' adds numbers ({error}); texts are joined as in ${{a}}${{b}} or a.concat(b)"
        ) from error


def differs_from_null(value: Value) -> bool:
    """`x != null`: whether there is a value."""
    return not is_absent(value)


def is_empty(value: Value) -> bool:
    """`empty`: absent, or a text, list or map with nothing in it."""
    if isinstance(value, str) or is_list(value) or is_mapping(value):
        return len(value) == 0
    return is_absent(value)


BINARY: Mapping[BinaryOperator, Callable[[Value, Value], Value]] = {
    "==": equal,
    "!=": unequal,
    "<": ordered(_order, lambda sign: sign < 0),
    "<=": ordered(_order, lambda sign: sign <= 0),
    ">": ordered(_order, lambda sign: sign > 0),
    ">=": ordered(_order, lambda sign: sign >= 0),
    "+": add,
    "-": _numeric(arithmetic.subtract),
    "*": _numeric(arithmetic.multiply),
    "/": _numeric(arithmetic.quotient),
    "%": _numeric(arithmetic.remainder),
}

UNARY: Mapping[UnaryOperator, Callable[[Value], Value]] = {
    "not": lambda value: not truth(value),
    "empty": is_empty,
    "-": lambda value: cast("Value", -_number(value)),
}


def _comparing(compare: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Value]:
    return lambda left, right: UNDECIDED if is_absent(left) or is_absent(right) else compare(left, right)


def asking(ask: Callable[[Value], Value]) -> Callable[[Value], Value]:
    """A question about absence itself; only what is undecided has no answer to it."""
    return lambda value: UNDECIDED if value is UNDECIDED else ask(value)


_COMPARISONS: frozenset[BinaryOperator] = frozenset({"==", "!=", "<", "<=", ">", ">="})

DECIDING_BINARY: Mapping[BinaryOperator, Callable[[Value, Value], Value]] = {
    operator: _comparing(operate) if operator in _COMPARISONS else operate
    for operator, operate in BINARY.items()
}

DECIDING_UNARY: Mapping[UnaryOperator, Callable[[Value], Value]] = {
    "not": lambda value: UNDECIDED if is_absent(value) else not truth(value),
    "empty": asking(is_empty),
    "-": UNARY["-"],
}
