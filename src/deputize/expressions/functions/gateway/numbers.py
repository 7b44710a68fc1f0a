"""Texts to booleans and integers."""

import re
from collections.abc import Mapping

from deputize.expressions.errors import OperandError
from deputize.expressions.functions import operands
from deputize.expressions.functions.function import Function, exactly, of_one
from deputize.expressions.numerals import parse_number
from deputize.expressions.values import MAX_INTEGER, Value, is_number

_DIGITS = re.compile(r"[+-]?[0-9A-Za-z]{1,64}")


def to_bool(value: Value) -> bool:
    """True for true and for the text `true` in any case, false for everything else."""
    return value is True or (isinstance(value, str) and value.lower() == "true")


def to_integer(value: Value) -> Value:
    """The integer a text spells; null when it spells none."""
    number = parse_number(value.strip()) if isinstance(value, str) else value
    return int(number) if is_number(number) and abs(number) <= MAX_INTEGER and number == int(number) else None


def to_integer_with_radix(value: Value, radix: Value) -> Value:
    """The integer a text spells in base `radix` (2 to 36); null when it spells none."""
    base = operands.integer(radix)
    if not 2 <= base <= 36:
        raise OperandError("the radix must be 2 to 36")
    if not isinstance(value, str) or not _DIGITS.fullmatch(value):
        return None
    try:
        number = int(value, base)
    except ValueError:
        return None
    return number if abs(number) <= MAX_INTEGER else None


FUNCTIONS: Mapping[str, Function] = {
    "bool": of_one(to_bool),
    "integer": of_one(to_integer),
    "integerWithRadix": exactly(2, to_integer_with_radix),
}
