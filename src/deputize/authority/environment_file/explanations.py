"""What is wrong with the shape of an entry, in words for people who have never heard of the library that
noticed.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from deputize.authority.environment_file.entries import EnvironmentFile
from deputize.authority.environment_file.problems import Problems
from deputize.kernel import pointers

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


def explain(detail: ErrorDetails, problems: Problems) -> None:
    """Add what `detail` means to `problems`."""
    location, kind = detail["loc"], detail["type"]
    pointer = pointers.join("", *location)
    if kind == "extra_forbidden":
        problems.add(pointer, f"{location[-1]!r} is not known here", _suggestion(location), at_key=True)
    elif kind == "missing":
        problems.add(pointer, f"{location[-1]!r} is missing", "add it")
    elif kind in _REASONS:
        reason, fix = (text.format(**detail.get("ctx", {})) for text in _REASONS[kind])
        problems.add(pointer, reason, fix)
    else:
        problems.add(pointer, detail["msg"].removeprefix("Value error, "))


def _suggestion(location: Sequence[int | str]) -> str:
    known = sorted(_model_at(location[:-1]).model_fields)
    close = difflib.get_close_matches(str(location[-1]), known, 1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"


def _model_at(location: Sequence[int | str]) -> type[BaseModel]:
    model: type[BaseModel] = EnvironmentFile
    for name in (part for part in location if isinstance(part, str)):
        model = next(_models(model.model_fields[name].annotation))
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - an annotation can be anything
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
