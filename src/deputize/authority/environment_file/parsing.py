"""A file's bytes to checked entries: YAML, then tokens, then the shape of every entry."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from deputize.authority.environment_file.entries import EnvironmentFile
from deputize.authority.environment_file.explanations import explain
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
        for detail in _root_causes(error.errors(include_url=False, include_input=False)):
            explain(detail, problems)
        problems.raise_if_any()
        raise


def _root_causes(details: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Without complaints that a list is too short only because some of its entries are wrong themselves."""
    places = [detail["loc"] for detail in details]
    for detail in details:
        location = detail["loc"]
        has_inner = any(len(place) > len(location) and place[: len(location)] == location for place in places)
        if not (detail["type"] == "too_short" and has_inner):
            yield detail


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
