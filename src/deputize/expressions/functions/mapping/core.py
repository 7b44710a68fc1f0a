"""`#core`: choices among many values."""

from deputize.expressions.errors import OperandError
from deputize.expressions.functions.function import Function
from deputize.expressions.values import Value, equals, is_absent, is_number

_TRUE_WORDS = frozenset({"true", "on", "y", "t", "yes"})
_MOST_PAIRS = 10


def _holds(condition: Value) -> bool:
    """True, numbers above zero and a few words count as true; everything else does not."""
    if isinstance(condition, str):
        return condition.lower() in _TRUE_WORDS
    return condition is True or (is_number(condition) and condition > 0)


def if_else(*arguments: Value) -> Value:
    """`(condition, value, …, otherwise)`: the value of the first condition that holds."""
    if len(arguments) % 2 == 0:
        raise OperandError(
            "ifelse needs pairs of a condition and a value, and a value at the end for when none holds"
        )
    pairs = zip(arguments[:-1:2], arguments[1::2], strict=True)
    return next((value for condition, value in pairs if _holds(condition)), arguments[-1])


def switch_expression(value: Value, *arguments: Value) -> Value:
    """`(value, choice, result, …, default)`: the result of the first choice equal to `value`.

    Null without default.

    An absent value equals no choice, not even an absent one.
    """
    choices, results = arguments[: len(arguments) // 2 * 2 : 2], arguments[1::2]
    default = arguments[-1] if len(arguments) % 2 else None
    if is_absent(value):
        return default
    return next(
        (
            result
            for choice, result in zip(choices, results, strict=True)
            if not is_absent(choice) and equals(choice, value)
        ),
        default,
    )


FUNCTIONS: tuple[Function, ...] = (
    Function("core.ifelse", if_else, 3, 2 * _MOST_PAIRS + 1),
    Function("core.switchExpr", switch_expression, 3, 2 * _MOST_PAIRS + 2),
)
