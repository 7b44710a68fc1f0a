"""What changes, in lines an administrator reads before and after applying a file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from deputize.kernel.values import JsonObject, JsonValue

_SHORT = 60


@dataclass(frozen=True, slots=True)
class Difference:
    """An object that comes, goes, or changes; `str()` is the line about it."""

    kind: str
    id: str
    name: str
    before: JsonObject | None
    """The members that change, as they are; `None` when it is new."""
    after: JsonObject | None
    """The same, as they will be; `None` when it goes."""

    def __str__(self) -> str:
        if self.before is None or self.after is None:
            return f"{'+' if self.before is None else '-'} {self.kind} {self.name}"
        return f"~ {self.kind} {self.name}: {', '.join(changed_members(self.before, self.after))}"

    def record(self) -> JsonObject:
        """What the audit keeps of it."""
        return {
            "kind": self.kind,
            "id": self.id,
            "name": self.name,
            "before": self.before,
            "after": self.after,
        }


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret of a resource or agent that takes the place of those before."""

    kind: str
    id: str
    name: str
    is_given: bool
    """By the file, instead of drawn."""

    def __str__(self) -> str:
        return f"  {'the given' if self.is_given else 'a new'} secret for {self.kind} {self.name}"

    def record(self) -> JsonObject:
        """What the audit keeps of it."""
        return {
            "kind": self.kind,
            "id": self.id,
            "name": self.name,
            "secret": "given" if self.is_given else "drawn",
        }


def changed(kind: str, object_id: str, before: JsonObject, after: JsonObject) -> Difference | None:
    """The difference between two states of an object, each with its `name`; `None` where there is none."""
    names = [name for name in dict.fromkeys((*after, *before)) if before.get(name) != after.get(name)]
    shown = ({name: state[name] for name in names if name in state} for state in (before, after))
    return Difference(kind, object_id, str(after["name"]), *shown) if names else None


def changed_members(before: JsonObject, after: JsonObject) -> Iterator[str]:
    """Each member that differs, with its old and new value where these are short.

    Of mappings, each of their members.
    """
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
