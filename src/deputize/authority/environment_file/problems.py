"""Everything that is wrong with a file, each thing with its place and in plain words, reported together."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from deputize.authority.directory.objects import EnvironmentFile
from deputize.authority.directory.objects.directory_object import DocumentPart, suggest
from deputize.kernel import pointers
from deputize.kernel.errors import ConfigurationError, DeputizeError, Position

Place: TypeAlias = tuple[int, int]
"""Line and column, from 1."""
_QUOTED = re.compile(r"(?P<quote>['\"])(?:(?!(?P=quote))[^\\]|\\.)*(?P=quote)", re.DOTALL)
"""What `repr` makes of a text."""
_LIST = "has to be a list"
_MAPPING = "has to be a mapping of names to values"
_TEXT = "has to be a text"
_TRUTH = "has to be true or false"
_NUMBER = "has to be a whole number"
_REASONS: Mapping[str, tuple[str, str]] = {
    "tuple_type": (_LIST, "write - before each entry, or put them into [ ]"),
    "model_type": (_MAPPING, "write name: value lines, or put them into {{ }}"),
    "dict_type": (_MAPPING, "write name: value lines, or put them into {{ }}"),
    "string_type": (_TEXT, "put it into quotes"),
    "bool_type": (_TRUTH, "write true or false without quotes"),
    "bool_parsing": (_TRUTH, "write true or false without quotes"),
    "int_type": (_NUMBER, "write digits, or a duration where one is expected"),
    "int_parsing": (_NUMBER, "write digits, or a duration where one is expected"),
    "int_from_float": (_NUMBER, "write digits, or a duration where one is expected"),
    "too_short": ("needs at least {min_length} entry", "add one"),
    "too_long": ("has more than {max_length} entries", "remove some"),
    "string_too_short": ("needs at least {min_length} characters", "make it longer"),
    "string_too_long": ("has more than {max_length} characters", "make it shorter"),
    "string_pattern_mismatch": ("has characters that are not allowed here", "it has to match {pattern}"),
    "greater_than_equal": ("has to be at least {ge}", "make it larger"),
    "less_than_equal": ("has to be at most {le}", "make it smaller"),
    "literal_error": ("is not one of the words known here", "write {expected}"),
}
"""The library's name for an error to our reason and fix."""


class EnvironmentFileInvalid(DeputizeError):
    """The file cannot be applied; nothing was changed. `str()` is one line for each error."""

    def __init__(self, errors: Sequence[ConfigurationError]) -> None:
        """`errors` is not empty."""
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in errors))


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts of a file stand."""

    file: str
    values: Mapping[str, Place]
    """By JSON pointer, the place of the value."""
    keys: Mapping[str, Place]
    """By JSON pointer, the place of the name before the value."""
    replaced: Mapping[str, str] = field(default_factory=dict[str, str])
    """By JSON pointer, the texts that tokens were replaced in, as they are now: secrets may be among them."""

    def position(self, pointer: str, *, at_key: bool = False) -> Position:
        """Where `pointer` stands; of something that is not there, where it would have to stand."""
        if not self.values:  # it was read from no text
            return Position(self.file, pointer)
        place = (self.keys if at_key else self.values).get(pointer)
        nearest = pointer
        while place is None:
            place = self.values.get(nearest) if nearest else self.values.get("", (1, 1))
            nearest = pointers.parent(nearest)
        return Position(self.file, pointer, *place)


def known_names(names: Iterable[str]) -> str:
    """Say which names there are, for whoever wrote another."""
    return f"known are {', '.join(sorted(names))}" if list(names) else "there is none yet"


class FileProblem(NamedTuple):
    """Something wrong, and where."""

    pointer: str
    reason: str
    fix: str
    at_key: bool


class Problems:
    """Collects errors while checking goes on, so that an administrator sees all of them at once."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._found: list[FileProblem] = []

    def __iter__(self) -> Iterator[FileProblem]:
        """What was collected so far."""
        return iter(self._found)

    def add(self, pointer: str, reason: str, fix: str = "", *, at_key: bool = False) -> None:
        """Add that something at `pointer` is wrong; `at_key` shows the member's name instead of its value."""
        self._found.append(FileProblem(pointer, reason, fix, at_key))

    def raise_if_any(self) -> None:
        """Raise `EnvironmentFileInvalid` with what was collected, in the order of the file.

        What a problem quotes of a text that tokens were replaced in is left out.
        """
        if self._found:
            errors = [self._error(each) for each in self]
            errors.sort(key=lambda error: (error.position.line or 0, error.position.column or 0))
            raise EnvironmentFileInvalid(errors)

    def _error(self, problem: FileProblem) -> ConfigurationError:
        place = self._places.position(problem.pointer, at_key=problem.at_key)
        text = self._places.replaced.get(problem.pointer)
        told = problem.reason, problem.fix
        return ConfigurationError(
            place, *(told if text is None else (_without_quotes_of(text, each) for each in told))
        )


def _without_quotes_of(text: str, message: str) -> str:
    """Write `'…'` for each part of `text` that `message` quotes, however it is escaped and cut off."""
    whole = f"{text!r} {text!a}".replace("\\", "")

    def hide(quoted: re.Match[str]) -> str:
        return "'…'" if quoted[0][1:-1].replace("\\", "") in whole else quoted[0]

    return _QUOTED.sub(hide, message)


def details_of(error: ValidationError) -> list[ErrorDetails]:
    """What is wrong with the shape, without defaults that could not be computed because of it."""
    details = error.errors(include_url=False, include_input=False)
    return [detail for detail in details if detail["type"] != "default_factory_not_called"]


def explain(detail: ErrorDetails, problems: Problems) -> None:
    """Add what `detail` means, in words for people who have never heard of the library that noticed."""
    location, kind = detail["loc"], detail["type"]
    pointer = pointers.join("", *location)
    if kind == "extra_forbidden":
        name = str(location[-1])
        fix = suggest(name, _fields_at(location[:-1]))
        problems.add(pointer, f"{name!r} is not known here", fix, at_key=True)
    elif kind == "missing":
        problems.add(pointer, f"{location[-1]!r} is missing", "add it")
    elif kind == "unknown_name":
        problems.add(pointer, detail["msg"], detail.get("ctx", {})["fix"])
    elif kind in _REASONS:
        reason, fix = (text.format(**detail.get("ctx", {})) for text in _REASONS[kind])
        problems.add(pointer, reason, fix)
    else:
        problems.add(pointer, detail["msg"].removeprefix("Value error, "))


def _fields_at(location: Sequence[int | str]) -> Mapping[str, FieldInfo]:
    fields = EnvironmentFile.entry_fields()
    for name in (part for part in location if isinstance(part, str)):
        model = next(_models(fields[name].annotation))
        fields = model.entry_fields() if issubclass(model, DocumentPart) else model.model_fields
    return fields


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - an annotation can be anything
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def relative_to_entry(error: EnvironmentFileInvalid, pointer: str) -> EnvironmentFileInvalid:
    """The same errors, with JSON pointers into the entry at `pointer`; what stands elsewhere is at none."""
    moved: list[ConfigurationError] = []
    for each in error.errors:
        inner = each.position.pointer
        inside = inner.removeprefix(pointer) if inner.startswith(pointer) else ""
        moved.append(ConfigurationError(Position("the entry", inside), each.reason, each.fix))
    return EnvironmentFileInvalid(moved)
