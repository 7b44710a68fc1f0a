"""A file's bytes to checked entries: YAML, then tokens, then the shape of every entry."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from deputize.authority.environment_file.entries import EnvironmentFile
from deputize.authority.environment_file.problems import EnvironmentFileInvalid, Problems
from deputize.authority.environment_file.source import Source, read
from deputize.expressions import TokenError, substitute
from deputize.kernel import pointers
from deputize.kernel.errors import ConfigurationError
from deputize.kernel.values import JsonValue

Resolve = Callable[[str], str | None]
_DEFINE = "set it in the process environment or with --set, or add a default as in &{name|default}"


def parse(text: bytes, file: str, resolve: Resolve) -> tuple[EnvironmentFile, Source]:
    """The entries of a file, tokens resolved, and where they stand. Raises `EnvironmentFileInvalid`."""
    try:
        source = read(text, file)
    except ConfigurationError as error:
        raise EnvironmentFileInvalid([error]) from error
    problems = Problems(source)
    value = _without_tokens(source.value, resolve, "", problems)
    problems.raise_if_any()
    try:
        return EnvironmentFile.model_validate(value), source
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            _explain(detail, problems)
        problems.raise_if_any()
        raise


def _without_tokens(value: JsonValue, resolve: Resolve, pointer: str, problems: Problems) -> JsonValue:
    if isinstance(value, str):
        return _replaced(value, resolve, pointer, problems)
    if isinstance(value, Mapping):
        return {name: _without_tokens(item, resolve, pointers.join(pointer, name), problems) for name, item in value.items()}
    if isinstance(value, Sequence):
        return [_without_tokens(item, resolve, pointers.join(pointer, index), problems) for index, item in enumerate(value)]
    return value


def _replaced(text: str, resolve: Resolve, pointer: str, problems: Problems) -> JsonValue:
    try:
        return substitute(text, resolve)
    except TokenError as error:
        problems.add(pointer, error.reason, _DEFINE if "nothing is known" in error.reason else error.fix)
        return text


def _explain(detail: ErrorDetails, problems: Problems) -> None:
    location = detail["loc"]
    pointer = pointers.join("", *location)
    match detail["type"]:
        case "missing":
            problems.add(pointer, f"{location[-1]!r} is missing", "add it")
        case "extra_forbidden":
            problems.add(pointer, f"{location[-1]!r} is not known here", _suggestion(location), at_key=True)
        case "value_error":
            problems.add(pointer, detail["msg"].removeprefix("Value error, "))
        case _:
            problems.add(pointer, detail["msg"][:1].lower() + detail["msg"][1:])


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
