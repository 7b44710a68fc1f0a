"""Lists and maps."""

from deputize.expressions.errors import OperandError
from deputize.expressions.functions.function import Function, as_integer, as_list, as_map, exactly, of_one
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


def contains_all(whole: Value, parts: Value) -> bool:
    """Whether the list has every element of the other; nothing has what is absent."""
    return not is_absent(parts) and all(contains(whole, part) for part in as_list(parts))


def contains_value(value: Value, part: Value) -> bool:
    """Whether a member of the map has that value."""
    return is_mapping(value) and contains([*value.values()], part)


def key_set(value: Value) -> Value:
    """The names of the map's members."""
    return None if is_absent(value) else [*as_map(value)]


def values(value: Value) -> Value:
    """The values of the map's members."""
    return None if is_absent(value) else [*as_map(value).values()]


def get_or_default(value: Value, name: Value, otherwise: Value) -> Value:
    """The member of the map, or the other value where it has none."""
    found = element(value, name)
    return otherwise if is_absent(found) else found


def sub_list(value: Value, start: Value, end: Value) -> Value:
    """The elements from `start` up to `end`; positions outside of the list are errors."""
    if is_absent(value):
        return None
    items, first, last = as_list(value), as_integer(start), as_integer(end)
    if not 0 <= first <= last <= len(items):
        raise OperandError(f"the list has no elements {first} to {last}")
    return [*items[first:last]]


FUNCTIONS: tuple[Function, ...] = (
    Function("array", lambda *values: list(values), 0, None),
    exactly("contains", 2, contains),
    of_one("length", length),
    of_one("lastElement", last_element),
)
METHODS: tuple[Function, ...] = (
    exactly(".contains", 2, contains),
    exactly(".containsAll", 2, contains_all),
    exactly(".containsKey", 2, contains_key),
    exactly(".containsValue", 2, contains_value),
    of_one(".keySet", key_set),
    of_one(".values", values),
    exactly(".getOrDefault", 3, get_or_default),
    exactly(".subList", 3, sub_list),
    of_one(".getFirst", lambda value: element(value, 0)),
    of_one(".getLast", last_element),
    exactly(".get", 2, element),
    of_one(".isEmpty", lambda value: length(value) == 0),
    of_one(".length", length),
    of_one(".size", length),
)
