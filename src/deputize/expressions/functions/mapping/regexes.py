"""`#regex`: regular expressions in RE2's syntax; literal ones may use look-around and back-references too."""

from deputize.expressions.errors import OperandError
from deputize.expressions.functions.function import Function, as_text, exactly
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
    text = as_text(value)
    for pattern, replacement in zip(pairs[::2], pairs[1::2], strict=True):
        text = as_pattern(pattern).replace(text, as_text(replacement))
    return text


def matches(value: Value, pattern: Value) -> bool:
    """Whether the pattern matches the whole text; false when the text is absent."""
    return not is_absent(value) and as_pattern(pattern).matches(as_text(value))


def find_all_matches(value: Value, pattern: Value) -> Value:
    """Every occurrence of the pattern; an absent text has none."""
    return [] if is_absent(value) else as_pattern(pattern).occurrences(as_text(value))


FUNCTIONS: tuple[Function, ...] = (
    Function("regex.replaceAll", replace_all, 3, 21, patterns_at=range(1, 21, 2)),
    exactly("regex.matches", 2, matches, patterns_at={1}),
    exactly("regex.findAllMatches", 2, find_all_matches, patterns_at={1}),
)
