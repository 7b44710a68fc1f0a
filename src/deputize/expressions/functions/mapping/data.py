"""`#data`: functions on lists."""

from deputize.expressions.errors import OperandLimitError
from deputize.expressions.functions.function import Function, as_list, exactly
from deputize.expressions.values import MISSING, Value, equals, is_absent

_MOST_COMPARISONS = 100_000


def remove_all(values: Value, unwanted: Value) -> Value:
    """The elements of `values` that are not in `unwanted`, in order."""
    if is_absent(values) or is_absent(unwanted):
        return None if is_absent(values) else values
    kept, removed = as_list(values), as_list(unwanted)
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
    return next((at for at, value in enumerate(as_list(values)) if equals(value, wanted)), -1)


FUNCTIONS: tuple[Function, ...] = (
    exactly("data.removeAll", 2, remove_all),
    exactly("data.indexOf", 2, index_of),
)
