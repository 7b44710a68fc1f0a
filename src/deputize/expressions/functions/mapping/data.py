"""`#data`: functions on lists."""

from collections.abc import Mapping

from deputize.expressions.errors import OperandLimitError
from deputize.expressions.functions import operands
from deputize.expressions.functions.function import Function, exactly
from deputize.expressions.values import MISSING, Value, equals, is_absent

_MOST_COMPARISONS = 100_000


def remove_all(values: Value, unwanted: Value) -> Value:
    """The elements of `values` that are not in `unwanted`, in order."""
    if is_absent(values) or is_absent(unwanted):
        return None if is_absent(values) else values
    kept, removed = operands.items(values), operands.items(unwanted)
    if len(kept) * len(removed) > _MOST_COMPARISONS:
        raise OperandLimitError("the lists are too long to compare")
    return [
        value for value in kept if value is not MISSING and not any(equals(value, other) for other in removed)
    ]


def index_of(values: Value, wanted: Value) -> int:
    """The position, from 0, of the first element equal to `wanted`; -1 when there is none.

    Nothing equals what is absent.
    """
    if is_absent(values) or is_absent(wanted):
        return -1
    return next((at for at, value in enumerate(operands.items(values)) if equals(value, wanted)), -1)


FUNCTIONS: Mapping[str, Function] = {"removeAll": exactly(2, remove_all), "indexOf": exactly(2, index_of)}
