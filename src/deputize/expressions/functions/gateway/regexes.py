"""Regular expressions in RE2's syntax; literal ones may use look-around and back-references too.

A wrong literal pattern fails the load, a wrong computed one the evaluation.
"""

from deputize.expressions.functions.function import Function, as_text, exactly
from deputize.expressions.patterns import as_pattern
from deputize.expressions.values import Value, is_absent, is_mapping, text_of


def find(value: Value, pattern: Value) -> bool:
    """Whether the pattern occurs anywhere in the text."""
    compiled = as_pattern(pattern)
    return not is_absent(value) and compiled.is_found_in(text_of(value))


def find_groups(value: Value, pattern: Value) -> Value:
    """The first occurrence followed by its groups; null without occurrence."""
    compiled = as_pattern(pattern)
    return None if is_absent(value) else compiled.groups(text_of(value))


def matches_whole(value: Value, pattern: Value) -> bool:
    """Whether the pattern matches the whole text."""
    compiled = as_pattern(pattern)
    return not is_absent(value) and compiled.matches(text_of(value))


def split(value: Value, pattern: Value) -> Value:
    """The text cut at every occurrence; empty parts at the end are dropped."""
    compiled = as_pattern(pattern)
    if is_absent(value):
        return None
    parts = compiled.split(as_text(value))
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return parts


def key_match(value: Value, pattern: Value) -> Value:
    """The first member name that the pattern matches as a whole; null without one."""
    compiled = as_pattern(pattern)
    if not is_mapping(value):
        return None
    return next((name for name in value if compiled.matches(name)), None)


FUNCTIONS: tuple[Function, ...] = (
    exactly("find", 2, find, patterns_at={1}),
    exactly("findGroups", 2, find_groups, patterns_at={1}),
    exactly("matchesWithRegex", 2, matches_whole, patterns_at={1}),
    exactly("split", 2, split, patterns_at={1}),
    exactly("keyMatch", 2, key_match, patterns_at={1}),
    # Deprecated names of the first two, still found in configurations.
    exactly("matches", 2, find, patterns_at={1}),
    exactly("matchingGroups", 2, find_groups, patterns_at={1}),
)


def replace_all(value: Value, pattern: Value, replacement: Value) -> Value:
    """The text with every occurrence replaced; `$1` stands for the first group."""
    compiled = as_pattern(pattern)
    return None if is_absent(value) else compiled.replace(as_text(value), as_text(replacement))


METHODS: tuple[Function, ...] = (exactly(".replaceAll", 3, replace_all, patterns_at={1}),)
