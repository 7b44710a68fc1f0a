"""`#regex`: regular expressions in RE2's syntax.

Those that stand in the mapping may use look-around and back-references too.
"""

from collections.abc import Mapping

from deputize.expressions.errors import OperandError
from deputize.expressions.functions import operands
from deputize.expressions.functions.function import Function, exactly
from deputize.expressions.patterns import as_pattern
from deputize.expressions.values import Value, is_absent


def replace_all(value: Value, *pairs: Value) -> Value:
    """The text after each pattern's occurrences were replaced, pair by pair.

    `$1` in a replacement is the first group.
    """
    if is_absent(value):
        return None
    if len(pairs) % 2:
        raise OperandError("the last pattern has no replacement")
    text = operands.text(value)
    for pattern, replacement in zip(pairs[::2], pairs[1::2], strict=True):
        text = as_pattern(pattern).replace(text, operands.text(replacement))
    return text


def matches(value: Value, pattern: Value) -> bool:
    """Whether the pattern matches the whole text; false when the text is absent."""
    return not is_absent(value) and as_pattern(pattern).matches(operands.text(value))


def find_all_matches(value: Value, pattern: Value) -> Value:
    """Every occurrence of the pattern; an absent text has none."""
    return [] if is_absent(value) else as_pattern(pattern).occurrences(operands.text(value))


FUNCTIONS: Mapping[str, Function] = {
    "replaceAll": Function(replace_all, 3, 21, patterns_at=range(1, 21, 2)),
    "matches": exactly(2, matches, patterns_at={1}),
    "findAllMatches": exactly(2, find_all_matches, patterns_at={1}),
}
