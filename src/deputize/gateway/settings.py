"""Typed configuration of heap objects: `Settings` and the types its fields use.

Field names are written in snake_case and read in camelCase. A text value is a configuration expression and evaluated at
load, unless its field is a `TemplateText` (evaluated for each request) or a `Reference` (an object evaluates its own
configuration when it is built).
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeAlias, TypeVar, cast, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator, ValidationInfo, model_validator
from pydantic.alias_generators import to_camel

from deputize.expressions import ExpressionError, Template, compile_template
from deputize.kernel import durations, pointers

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class UnknownKey:
    """A key that no field reads: where it stands, its name, and the known key it resembles."""

    pointer: str
    name: str
    suggestion: str | None


class _Marker:
    """Marks a field type whose texts are left as written: they are not configuration expressions."""


_RAW = _Marker()


class Settings(BaseModel):
    """What the `config` of one object type holds. Unknown keys are kept aside and warned about by whoever builds the object."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        frozen=True,
        extra="allow",
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _evaluate_texts(cls, data: object, info: ValidationInfo) -> object:
        """Evaluates configuration expressions with the bindings given as validation context."""
        if not isinstance(data, Mapping):
            return data
        bindings = cast("Mapping[str, object]", info.context or {})
        raw = _raw_keys(cls)
        members = cast("Mapping[str, object]", data)
        return {key: value if key in raw else _evaluated(value, bindings) for key, value in members.items() if not _is_disabled(key)}


def unknown_keys(settings: Settings, pointer: str = "") -> Iterator[UnknownKey]:
    """Every key below `settings` that no field reads, so that a typing error is not silently a missing setting."""
    known = [field.alias or name for name, field in type(settings).model_fields.items()]
    for key in settings.model_extra or {}:
        close = difflib.get_close_matches(key, known, n=1, cutoff=0.7)
        yield UnknownKey(pointers.join(pointer, key), key, close[0] if close else None)
    for name, field in type(settings).model_fields.items():
        yield from _unknown_within(getattr(settings, name), pointers.join(pointer, field.alias or name))


def _unknown_within(value: object, pointer: str) -> Iterator[UnknownKey]:
    if isinstance(value, Settings):
        yield from unknown_keys(value, pointer)
    elif isinstance(value, tuple | list):
        for index, item in enumerate(cast("tuple[object, ...]", value)):
            yield from _unknown_within(item, pointers.join(pointer, index))


def _is_disabled(key: str) -> bool:
    return key == "comment" or (key.startswith("_") and key != "_id")


@cache
def _raw_keys(kind: type[Settings]) -> frozenset[str]:
    fields = kind.model_fields
    return frozenset(field.alias or name for name, field in fields.items() if any(map(_mentions_raw, (field.annotation, *field.metadata))))


def _mentions_raw(annotation: object) -> bool:
    if annotation is _RAW or (isinstance(annotation, type) and issubclass(annotation, Settings)):
        return True
    return any(_mentions_raw(argument) for argument in get_args(annotation))


def _evaluated(value: object, bindings: Mapping[str, object]) -> object:
    if isinstance(value, str):
        return _evaluated_text(value, bindings)
    if isinstance(value, list):
        return [_evaluated(item, bindings) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {key: _evaluated(item, bindings) for key, item in cast("dict[str, object]", value).items()}
    return value


def _evaluated_text(text: str, bindings: Mapping[str, object]) -> object:
    if "${" not in text and "#{" not in text:
        return text
    try:
        return compile_template(text).evaluate(bindings)
    except ExpressionError as error:
        raise ValueError(explained(error)) from error


def explained(error: ExpressionError) -> str:
    """One line that says what is wrong with an expression, and where in it."""
    return f"{error.reason} at character {error.position + 1} of {error.source[:120]!r}"


def _duration(value: object) -> float | None:
    if not isinstance(value, str):
        raise ValueError("a duration is a text such as '20 seconds'")  # noqa: TRY004 - pydantic reports only ValueError
    try:
        return durations.parse(value)
    except durations.DurationError as error:
        raise ValueError(str(error)) from error


def _template(value: object) -> Template:
    if isinstance(value, bool | int | float):
        value = str(value).lower()
    if not isinstance(value, str):
        raise ValueError("expected a text, which may hold ${expressions}")  # noqa: TRY004
    try:
        return compile_template(value)
    except ExpressionError as error:
        raise ValueError(explained(error)) from error


def _reference(value: object) -> str | dict[str, Any]:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, dict) and "type" in value:
        return cast("dict[str, Any]", value)
    raise ValueError("expected the name of a heap object, or an object with a 'type'")


def _as_list(value: object) -> object:
    return cast("object", value) if isinstance(value, list) else [value]


Duration: TypeAlias = Annotated[float | None, PlainValidator(_duration)]
"""English duration text; the field holds seconds, `None` meaning without limit. Defaults are written in seconds."""

TemplateText: TypeAlias = Annotated[Template, PlainValidator(_template), _RAW]
"""A runtime expression: compiled at load, evaluated for each request."""

Reference: TypeAlias = Annotated[str | dict[str, Any], PlainValidator(_reference), _RAW]
"""The name of a heap object, or an inline object."""

Raw: TypeAlias = Annotated[Item, _RAW]
"""A value whose texts are left as written."""

OneOrMore: TypeAlias = Annotated[tuple[Item, ...], BeforeValidator(_as_list)]
"""A list, where one bare value stands for a list of one."""
