"""Typed configuration of heap objects: `Settings` and the types its fields use.

Field names are written in snake_case and read in camelCase. A text value is a configuration expression and
evaluated at load, unless its field is a `TemplateText` (evaluated for each request) or a `Reference` (an
object evaluates its own configuration when it is built).
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeAlias, TypeVar, cast, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails, PydanticCustomError

from deputize.expressions import (
    Condition,
    ExpressionError,
    ExpressionSyntaxError,
    Template,
    compile_condition,
    compile_template,
)
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


class HeapName(str):
    """A reference to a heap object by its name."""

    __slots__ = ()


class InlineObject(dict[str, Any]):
    """An object that is declared where it is referred to."""


class Settings(BaseModel):
    """What the `config` of one object type holds.

    Unknown keys are kept aside and warned about by whoever builds the object.
    """

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
        """Evaluates configuration expressions with the bindings given as validation context.

        Reports every one that fails.
        """
        if not isinstance(data, Mapping):
            return data
        texts = _Texts(cast("Mapping[str, object]", info.context or {}))
        wanted = _evaluated_keys(cls)
        members = {
            key: value for key, value in cast("Mapping[str, object]", data).items() if not _is_disabled(key)
        }
        found = {
            key: texts.evaluated(value, (key,)) if key in wanted else value for key, value in members.items()
        }
        if texts.errors:
            raise ValidationError.from_exception_data(cls.__name__, texts.errors)
        return found


def unknown_keys(settings: Settings, pointer: str = "") -> Iterator[UnknownKey]:
    """Every key below `settings` that no field reads, so that a typing error is not silently a missing
    setting.
    """
    for place, value in walk(settings, pointer):
        if isinstance(value, Settings):
            known = [field.alias or name for name, field in type(value).model_fields.items()]
            for key in value.model_extra or {}:
                close = difflib.get_close_matches(key, known, n=1, cutoff=0.7)
                yield UnknownKey(pointers.join(place, key), key, close[0] if close else None)


def expressions(settings: Settings, pointer: str = "") -> Iterator[tuple[str, Template]]:
    """Every runtime expression below `settings`, and its pointer."""
    for place, value in walk(settings, pointer):
        if isinstance(value, Template | Condition):
            yield place, value.template if isinstance(value, Condition) else value


def references(settings: Settings, pointer: str = "") -> Iterator[tuple[str, HeapName | InlineObject]]:
    """Every heap object that `settings` refer to, and the pointer of the reference."""
    for place, value in walk(settings, pointer):
        if isinstance(value, HeapName | InlineObject):
            yield place, value


def walk(value: object, pointer: str) -> Iterator[tuple[str, object]]:
    """`value` and every value below it, settings, lists and maps, with their pointers."""
    yield pointer, value
    if isinstance(value, Settings):
        below = (
            (field.alias or name, getattr(value, name)) for name, field in type(value).model_fields.items()
        )
    elif isinstance(value, tuple | list):
        below = enumerate(cast("tuple[object, ...]", value))
    elif isinstance(value, dict) and not isinstance(value, InlineObject):
        below = cast("dict[str, object]", value).items()
    else:
        return
    for name, member in below:
        yield from walk(member, pointers.join(pointer, name))


def _is_disabled(key: str) -> bool:
    return key == "comment" or (key.startswith("_") and key != "_id")


@cache
def _evaluated_keys(kind: type[Settings]) -> frozenset[str]:
    """The keys whose texts are configuration expressions.

    Those of fields that do not leave their texts alone.
    """
    fields = kind.model_fields.items()
    return frozenset(
        field.alias or name
        for name, field in fields
        if not any(map(_mentions_raw, (field.annotation, *field.metadata)))
    )


def _mentions_raw(annotation: object) -> bool:
    if annotation is _RAW or (isinstance(annotation, type) and issubclass(annotation, Settings)):
        return True
    return any(_mentions_raw(argument) for argument in get_args(annotation))


class _Texts:
    """The evaluation of the configuration expressions in one object, and what went wrong where."""

    def __init__(self, bindings: Mapping[str, object]) -> None:
        self._bindings = bindings
        self.errors: list[InitErrorDetails] = []

    def evaluated(self, value: object, place: tuple[int | str, ...]) -> object:
        if isinstance(value, str):
            return self._text(value, place)
        if isinstance(value, list):
            return [self.evaluated(item, (*place, at)) for at, item in enumerate(cast("list[object]", value))]
        if isinstance(value, dict):
            return {
                key: self.evaluated(item, (*place, key))
                for key, item in cast("dict[str, object]", value).items()
            }
        return value

    def _text(self, text: str, place: tuple[int | str, ...]) -> object:
        if "${" not in text and "#{" not in text:
            return text
        try:
            template = compile_template(text)
            unknown = next(
                ((names[0], at) for names, at in template.reads.items() if names[0] not in self._bindings),
                None,
            )
            if unknown is not None:
                raise ExpressionSyntaxError(
                    text, unknown[1], f"nothing is known as {unknown[0]} when the configuration is loaded"
                )
            return template.evaluate(self._bindings)
        except ExpressionError as error:
            # The reason is a parameter: braces in a message template would be taken for one.
            reason = PydanticCustomError("expression", "{reason}", {"reason": explained(error)})
            self.errors.append(InitErrorDetails(type=reason, loc=place, input=text))
            return text


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


def _compiled_by(compile_text: Callable[[str], Item]) -> Callable[[object], Item]:
    def compiled(value: object) -> Item:
        if isinstance(value, bool | int | float):
            value = str(value).lower()
        if not isinstance(value, str):
            raise ValueError("expected a text, which may hold ${expressions}")  # noqa: TRY004
        try:
            return compile_text(value)
        except ExpressionError as error:
            raise ValueError(explained(error)) from error

    return compiled


def _reference(value: object) -> str | dict[str, Any]:
    if isinstance(value, str) and value:
        return HeapName(value)
    if isinstance(value, dict) and "type" in value:
        return InlineObject(cast("dict[str, Any]", value))
    raise ValueError("expected the name of a heap object, or an object with a 'type'")


def _as_list(value: object) -> object:
    return cast("object", value) if isinstance(value, list) else [value]


Duration: TypeAlias = Annotated[float | None, PlainValidator(_duration)]
"""English duration text; the field holds seconds, `None` meaning without limit.

Defaults are written in seconds.
"""

TemplateText: TypeAlias = Annotated[Template, PlainValidator(_compiled_by(compile_template)), _RAW]
"""A runtime expression: compiled at load, evaluated for each request."""

ConditionText: TypeAlias = Annotated[Condition, PlainValidator(_compiled_by(compile_condition)), _RAW]
"""A runtime expression that something is decided by. `BuildContext.condition` gives it its place."""

Reference: TypeAlias = Annotated[str | dict[str, Any], PlainValidator(_reference), _RAW]
"""The name of a heap object, or an inline object."""

Raw: TypeAlias = Annotated[Item, _RAW]
"""A value whose texts are left as written."""

OneOrMore: TypeAlias = Annotated[tuple[Item, ...], BeforeValidator(_as_list)]
"""A list, where one bare value stands for a list of one."""
