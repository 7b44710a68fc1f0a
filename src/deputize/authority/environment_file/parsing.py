"""A file's bytes to checked entries: YAML, then tokens, then the shape of every entry."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from deputize.authority.environment_file.entries import EnvironmentFile
from deputize.authority.environment_file.explanations import explain
from deputize.authority.environment_file.problems import EnvironmentFileInvalid, Problems
from deputize.authority.environment_file.salvage import Salvaged, salvage
from deputize.authority.environment_file.source import Source, read
from deputize.expressions import TokenError, substitute
from deputize.kernel import pointers
from deputize.kernel.errors import ConfigurationError
from deputize.kernel.values import JsonValue

Resolve = Callable[[str], str | None]
_DEFINE = "set it in the process environment or with --set, or add a default as in &{name|default}"


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a file says, and where."""

    source: Source
    problems: Problems
    """What is wrong with tokens and shapes."""
    file: EnvironmentFile | None
    """All of it, or, when something is wrong, what can be judged all the same."""
    salvaged: Salvaged | None
    """That rest; `None` for a sound file."""


def parse(text: bytes, file: str, resolve: Resolve) -> Parsed:
    """The entries of a file, tokens resolved.

    Raises `EnvironmentFileInvalid` where it is no YAML of the kind that `source` reads.
    """
    try:
        source = read(text, file)
    except ConfigurationError as error:
        raise EnvironmentFileInvalid([error]) from error
    problems = Problems(source)
    value = _without_tokens(source.value, resolve, "", problems)
    unresolved = frozenset(problem.pointer for problem in problems)
    try:
        sound = EnvironmentFile.model_validate(value)
    except ValidationError as error:
        for detail in _root_causes(error.errors(include_url=False, include_input=False)):
            if pointers.join("", *detail["loc"]) not in unresolved:
                explain(detail, problems)
    else:
        if not unresolved:
            return Parsed(source, problems, sound, None)
    salvaged = salvage(value, unresolved)
    return Parsed(source, problems, salvaged and salvaged.file, salvaged)


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
        return {
            name: _without_tokens(item, resolve, pointers.join(pointer, name), problems)
            for name, item in value.items()
        }
    if isinstance(value, Sequence):
        return [
            _without_tokens(item, resolve, pointers.join(pointer, index), problems)
            for index, item in enumerate(value)
        ]
    return value


def _replaced(text: str, resolve: Resolve, pointer: str, problems: Problems) -> JsonValue:
    try:
        return substitute(text, resolve)
    except TokenError as error:
        problems.add(pointer, error.reason, _DEFINE if "nothing is known" in error.reason else error.fix)
        return text
