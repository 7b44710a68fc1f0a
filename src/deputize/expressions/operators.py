"""What operators mean, in mappings and in gateway strings.

Both: `==` is never true of two values that are missing or null, however they came about; only a `null` that
is written equals null. `!=` counts missing and null as the same nothing, so that `x != null` asks whether `x`
is there. In the original of the mappings `null == null` holds even when both sides are merely absent, so a
rule such as "`may_act.sub` equals the actor's `client_id`" passes when neither exists; and a route that
compares a header with a claim must not match when there is neither.

Gateway strings follow the Jakarta Expression Language, narrowed where it guesses: a text equals the number or
boolean it spells, because header values are texts. Their operators exist twice. Those that decide answer
`UNDECIDED` when they compare something absent, so that a condition that permits does not hold only because
the value it forbids could not be read; `empty`, `== null` and `!= null` ask about absence and stay exact.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

from deputize.expressions import arithmetic
from deputize.expressions.arithmetic import Number, as_number, parse_number
from deputize.expressions.errors import OperandError
from deputize.expressions.patterns import as_pattern
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
    text_of,
)

Binaries: TypeAlias = Mapping[BinaryOperator, Callable[[Value, Value], Value]]
Unaries: TypeAlias = Mapping[UnaryOperator, Callable[[Value], Value]]


def _compare(same: Callable[[Value, Value], bool], order: Callable[[Value, Value], int]) -> Binaries:
    """The comparisons, from what equality and order of two present values are."""

    def equal(left: Value, right: Value) -> bool:
        return not is_absent(left) and not is_absent(right) and same(left, right)

    def unequal(left: Value, right: Value) -> bool:
        if is_absent(left) or is_absent(right):
            return is_absent(left) != is_absent(right)
        return not same(left, right)

    def relation(holds: Callable[[int], bool]) -> Callable[[Value, Value], bool]:
        return lambda left, right: not is_absent(left) and not is_absent(right) and holds(order(left, right))

    return {
        "==": equal,
        "!=": unequal,
        "<": relation(lambda sign: sign < 0),
        "<=": relation(lambda sign: sign <= 0),
        ">": relation(lambda sign: sign > 0),
        ">=": relation(lambda sign: sign >= 0),
    }


def _compute(number: Callable[[Value], Number], divide: Callable[[Number, Number], Number]) -> Binaries:
    """Arithmetic on what `number` takes for one."""

    def operation(operate: Callable[[Number, Number], Number]) -> Callable[[Value, Value], Value]:
        return lambda left, right: operate(number(left), number(right))

    return {
        "-": operation(arithmetic.subtract),
        "*": operation(arithmetic.multiply),
        "/": operation(divide),
        "%": operation(arithmetic.remainder),
        "^": operation(arithmetic.power),
    }


def differs_from_null(value: Value) -> bool:
    """`x != null`: whether there is a value."""
    return not is_absent(value)


def order(left: Value, right: Value) -> int:
    """-1, 0 or 1 for two numbers or two texts (by code point); other pairs have no order."""
    if is_number(left) and is_number(right):
        return (left > right) - (left < right)
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    raise OperandError(f"{describe(left)} and {describe(right)} have no order")


# Mappings


def mapping_truth(value: Value) -> bool:
    """Only true and false are conditions; an absent one is an error, never silently false."""
    if isinstance(value, bool):
        return value
    raise OperandError(f"a condition must be true or false, not {describe(value)}")


def equals_written_null(value: Value) -> bool:
    """`x == null` in a mapping: whether there is a null; what is missing is none."""
    return value is None


def matches(text: Value, pattern: Value) -> bool:
    """`matches`: whether the pattern matches the whole text; an absent text matches nothing."""
    compiled = as_pattern(pattern)
    return not is_absent(text) and compiled.matches(text_of(text))


def add_or_concatenate(left: Value, right: Value) -> Value:
    """`+` in a mapping: concatenation when either side is a text, where an absent side reads `null`."""
    if isinstance(left, str) or isinstance(right, str):
        return arithmetic.concatenate(text_of(left), text_of(right))
    return arithmetic.add(as_number(left), as_number(right))


MAPPING_BINARY: Binaries = {
    **_compare(equals, order),
    **_compute(as_number, arithmetic.truncated_quotient),
    "matches": matches,
    "+": add_or_concatenate,
}

MAPPING_UNARY: Unaries = {
    "not": lambda value: not mapping_truth(value),
    "-": lambda value: cast("Value", -as_number(value)),
    "+": as_number,
}


# Gateway strings


def gateway_truth(value: Value) -> bool:
    """A boolean, or the text `true` in any case; what is absent is false, other values are errors."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.lower() == "true"
    if is_absent(value):
        return False
    raise OperandError(f"a condition must be true or false, not {describe(value)}")


def _align(value: Value, other: Value) -> Value:
    """`value` as the kind of `other`, if it is a text that spells one."""
    if not isinstance(value, str) or isinstance(other, str):
        return value
    if isinstance(other, bool):
        return {"true": True, "false": False}.get(value.lower(), value)
    number = parse_number(value) if is_number(other) else None
    return value if number is None else number


def as_spelled_number(value: Value) -> Number:
    """`value` if it is a number, or the number that it spells. Raises `OperandError`."""
    number = parse_number(value) if isinstance(value, str) else None
    return as_number(value) if number is None else number


def add_numbers(left: Value, right: Value) -> Value:
    """`+` in a gateway string: numbers and texts that spell them; texts are joined side by side instead."""
    try:
        return arithmetic.add(as_spelled_number(left), as_spelled_number(right))
    except OperandError as error:
        raise OperandError(
            f"'+' adds numbers ({error}); texts are joined as in ${{a}}${{b}} or a.concat(b)"
        ) from error


def is_empty(value: Value) -> bool:
    """`empty`: absent, or a text, list or map with nothing in it."""
    if isinstance(value, str) or is_list(value) or is_mapping(value):
        return len(value) == 0
    return is_absent(value)


_GATEWAY_COMPARISONS = _compare(
    lambda left, right: equals(_align(left, right), _align(right, left)),
    lambda left, right: order(_align(left, right), _align(right, left)),
)

GATEWAY_BINARY: Binaries = {
    **_GATEWAY_COMPARISONS,
    **_compute(as_spelled_number, arithmetic.quotient),
    "+": add_numbers,
}

GATEWAY_UNARY: Unaries = {
    "not": lambda value: not gateway_truth(value),
    "empty": is_empty,
    "-": lambda value: cast("Value", -as_spelled_number(value)),
}


def _decide(compare: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Value]:
    return lambda left, right: UNDECIDED if is_absent(left) or is_absent(right) else compare(left, right)


def decide_absence(ask: Callable[[Value], Value]) -> Callable[[Value], Value]:
    """A question about absence itself; only what is undecided has no answer to it."""
    return lambda value: UNDECIDED if value is UNDECIDED else ask(value)


DECIDING_BINARY: Binaries = {
    **GATEWAY_BINARY,
    **{operator: _decide(compare) for operator, compare in _GATEWAY_COMPARISONS.items()},
}

DECIDING_UNARY: Unaries = {
    "not": lambda value: UNDECIDED if is_absent(value) else not gateway_truth(value),
    "empty": decide_absence(is_empty),
    "-": GATEWAY_UNARY["-"],
}
