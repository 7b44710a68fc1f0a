"""What can still be judged of a file whose shape is wrong, so that errors of reference are told beside those
of shape.

Each broken part is taken out, as little as possible, until the rest has the shape of a file. What was taken
out leaves doubt: a name that stood in it may be what others refer to.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from deputize.authority.environment_file.entries import EnvironmentFile
from deputize.authority.environment_file.problems import Problems
from deputize.kernel import pointers
from deputize.kernel.values import JsonValue


@dataclass(frozen=True, slots=True)
class Salvaged:
    """The sound rest of a broken file."""

    file: EnvironmentFile
    origins: Mapping[str, str]
    """JSON pointers into the rest, to those of the same parts in the file."""
    broken: frozenset[str]
    """Pointers, in the file, of what was taken out."""
    texts: frozenset[str]
    """Every text that stood in it."""

    def tell(self, found: Problems, problems: Problems) -> None:
        """Add to `problems` what is certain of `found`, at its place in the file.

        Left out is what may be no error once the broken parts are mended: a name that stands in one of them,
        and what is missed in something that holds one.
        """
        for problem in found:
            pointer = self._origin(problem.pointer)
            is_doubtful = any(each == pointer or each.startswith(f"{pointer}/") for each in self.broken) or (
                pointer not in self.origins.values()
                and any(_parent(each) == _parent(pointer) for each in self.broken)
            )
            if not is_doubtful and not any(repr(text) in problem.reason for text in self.texts):
                problems.add(pointer, problem.reason, problem.fix, at_key=problem.at_key)

    def _origin(self, pointer: str) -> str:
        known = pointer
        while known not in self.origins:
            known = _parent(known)
        return self.origins[known] + pointer[len(known) :]


def salvage(value: JsonValue, unresolved: frozenset[str]) -> Salvaged | None:
    """The rest of `value`, without the parts at the pointers in `unresolved`.

    `None` when not even the environment is told.
    """
    rest, origins, broken, texts = (
        value,
        {pointer: pointer for pointer in _pointers(value, "")},
        set(unresolved),
        set[str](),
    )
    doomed = set(unresolved)
    while True:
        texts |= {text for pointer in doomed for text in _texts(_at(rest, pointer))}
        rest, places = _without(rest, doomed, "", "")
        origins = {new: origins[old] for new, old in places.items()}
        try:
            return Salvaged(
                EnvironmentFile.model_validate(rest), origins, frozenset(broken), frozenset(texts)
            )
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
            doomed = {_part(detail["loc"], detail["type"], origins) for detail in details}
        if not doomed.isdisjoint({"", "/environment"}):
            return None
        broken |= {origins[pointer] for pointer in doomed}


def _part(location: Sequence[int | str], kind: str, places: Container[str]) -> str:
    """What has to go: the part itself, or where something is missing, what it is missing from."""
    pointer = pointers.join("", *(location[:-1] if kind == "missing" else location))
    while pointer not in places:
        pointer = _parent(pointer)
    return pointer


def _parent(pointer: str) -> str:
    return pointer.rpartition("/")[0]


def _pointers(value: JsonValue, pointer: str) -> Iterator[str]:
    yield pointer
    for name, item in _items(value):
        yield from _pointers(item, pointers.join(pointer, name))


def _items(value: JsonValue) -> Iterator[tuple[int | str, JsonValue]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield from enumerate(value)


def _at(value: JsonValue, pointer: str) -> JsonValue:
    return next((each for place, each in _walk(value, "") if place == pointer), None)


def _walk(value: JsonValue, pointer: str) -> Iterator[tuple[str, JsonValue]]:
    yield pointer, value
    for name, item in _items(value):
        yield from _walk(item, pointers.join(pointer, name))


def _texts(value: JsonValue) -> Iterator[str]:
    for _, each in _walk(value, ""):
        if isinstance(each, str):
            yield each
        if isinstance(each, Mapping):
            yield from each


def _without(value: JsonValue, doomed: set[str], old: str, new: str) -> tuple[JsonValue, dict[str, str]]:
    """The value without the doomed parts, and (new pointer) to old pointer of all that is left."""
    places, kept = {new: old}, list[tuple[int | str, JsonValue]]()
    for name, item in _items(value):
        before = pointers.join(old, name)
        if before in doomed:
            continue
        after = name if isinstance(name, str) else len(kept)
        rest, inner = _without(item, doomed, before, pointers.join(new, after))
        places |= inner
        kept.append((after, rest))
    if isinstance(value, Mapping):
        return {str(name): item for name, item in kept}, places
    return [item for _, item in kept] if isinstance(value, Sequence) and not isinstance(
        value, str
    ) else value, places
