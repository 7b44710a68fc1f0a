"""What changes, in lines an administrator reads before and after applying a file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

from deputize.kernel.values import JsonObject, JsonValue

_SHORT = 60


def changed_members(before: JsonObject, after: JsonObject) -> Iterator[str]:
    """Each member that differs, with its old and new value where these are short; of mappings, each of their members."""
    for name in dict.fromkeys((*after, *before)):
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from (f"{name}.{change}" for change in changed_members(old, new))
        elif old != new:
            yield f"{name}{_difference(old, new)}"


def _difference(before: JsonValue, after: JsonValue) -> str:
    if _is_list_of_texts(before) and _is_list_of_texts(after):
        return _list_difference(before, after)
    shown = f" {_shown(before)} -> {_shown(after)}"
    return "" if _is_container(before) or _is_container(after) or len(shown) > _SHORT else shown


def _list_difference(before: Sequence[JsonValue], after: Sequence[JsonValue]) -> str:
    added = [f" +{item}" for item in after if item not in before]
    removed = [f" -{item}" for item in before if item not in after]
    return "".join(added + removed) or " (order)"


def _shown(value: JsonValue) -> str:
    if value is None or value == "":
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_container(value: JsonValue) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, str))


def _is_list_of_texts(value: JsonValue) -> TypeGuard[list[JsonValue]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
