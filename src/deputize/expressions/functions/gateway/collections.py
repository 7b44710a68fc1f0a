"""Lists and maps."""

from deputize.expressions.functions.function import Function, as_list, exactly, of_one
from deputize.expressions.values import MISSING, Value, element, equals, is_absent, is_list, is_mapping


def contains(whole: Value, part: Value) -> bool:
    """Whether a text has that part, or a list that element. Nothing contains what is absent."""
    if is_absent(part):
        return False
    if isinstance(whole, str):
        return isinstance(part, str) and part in whole
    return is_list(whole) and any(item is not MISSING and equals(item, part) for item in whole)


def length(value: Value) -> int:
    """Characters of a text, elements of a list, members of a map; 0 for everything else."""
    return len(value) if isinstance(value, str) or is_list(value) or is_mapping(value) else 0


def last_element(value: Value) -> Value:
    """The last element; null when the list is absent or empty."""
    if is_absent(value):
        return None
    items = as_list(value)
    return items[-1] if items else None


def contains_key(value: Value, name: Value) -> bool:
    """Whether the map has a member with that name."""
    return is_mapping(value) and isinstance(name, str) and name in value


FUNCTIONS: tuple[Function, ...] = (
    Function("array", lambda *values: list(values), 0, None),
    exactly("contains", 2, contains),
    of_one("length", length),
    of_one("lastElement", last_element),
)
METHODS: tuple[Function, ...] = (
    exactly(".contains", 2, contains),
    exactly(".containsKey", 2, contains_key),
    exactly(".get", 2, element),
    of_one(".isEmpty", lambda value: length(value) == 0),
    of_one(".length", length),
    of_one(".size", length),
)
