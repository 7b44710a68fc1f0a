"""Typed configuration of heap objects: `Settings` and the types its fields use.

Field names are written in snake_case and read in camelCase. A text value is a configuration expression and
evaluated at load, unless its field is a `TemplateText` (evaluated for each request) or a `Reference` (an
object evaluates its own configuration when it is built).
"""

import codecs
from collections.abc import Callable, Iterator, Mapping
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

from deputize.expressions import ExpressionError, ExpressionSyntaxError, OperandError
from deputize.expressions.gateway import Condition, Template, compile_condition, compile_template
from deputize.expressions.patterns import Pattern, compile_pattern
from deputize.gateway.config.documents import is_disabled
from deputize.kernel import durations
from deputize.kernel.errors import ConfigurationError, Faults, Position
from deputize.kernel.pointers import join
from deputize.kernel.suggestions import find_similar

Item = TypeVar("Item")
SomeSettings = TypeVar("SomeSettings", bound="Settings")
BASE_URI = "baseURI"
DECORATIONS = frozenset({BASE_URI, "capture", "timer", "tracing"})
"""Members beside an object's `type`, or among those of a route, that decorate it; files may declare more."""


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

    Keys that no field reads are kept, so that `warnings_about` finds them.
    """

    model_config = ConfigDict(
        defer_build=True,
        alias_generator=to_camel,
        frozen=True,
        extra="allow",
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _evaluate_texts(cls, data: object, info: ValidationInfo) -> object:
        """Evaluate configuration expressions with the bindings given as validation context.

        Reports every one that fails.
        """
        if not isinstance(data, Mapping):
            return data
        bindings = cast("Mapping[str, object]", info.context or {})
        evaluated_keys = _evaluated_keys(cls)
        errors: list[InitErrorDetails] = []
        found = {
            key: _evaluate(value, (key,), bindings, errors) if key in evaluated_keys else value
            for key, value in cast("Mapping[str, object]", data).items()
            if not is_disabled(key)
        }
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors)
        return found


def validate(
    kind: type[SomeSettings], value: object, position: Position, bindings: Mapping[str, object]
) -> SomeSettings:
    """Return `value`, which stands at `position`, as an instance of `kind`.

    `bindings` are what its configuration expressions see. Raises `ConfigurationError` for everything wrong
    in it.
    """
    try:
        return kind.model_validate(value, context=bindings)
    except ValidationError as error:
        faults = Faults()
        found = error.errors(include_url=False, include_input=False)
        for each in found:
            if each["type"] == "too_short" and any(
                other["loc"][: len(each["loc"])] == each["loc"] for other in found if other is not each
            ):
                continue  # it only lacks the items that are told of themselves
            if each["type"] == "missing":
                key = str(each["loc"][-1]) if each["loc"] else ""
                reason, fix = f"{key!r} is required", f"add {key!r}"
            else:
                text = each["msg"].removeprefix("Value error, ")
                reason, fix = text[:1].lower() + text[1:], ""
            faults.found.append(ConfigurationError(position.below(*each["loc"]), reason, fix))
        raise faults.error() from None


def warnings_about(settings: Settings, position: Position, owner: str) -> Iterator[ConfigurationError]:
    """Yield a warning for every key in `settings` that nothing reads: it may be a setting written wrong.

    `owner` is a noun for what the settings belong to.
    """
    for pointer, value in walk(settings, position.pointer):
        if isinstance(value, Settings):
            known = [field.alias or name for name, field in type(value).model_fields.items()]
            for key in value.model_extra or {}:
                at = Position(position.file, join(pointer, key))
                if key in DECORATIONS:
                    yield ConfigurationError(
                        at, f"{key!r} inside 'config' has no effect", f"move {key!r} up, beside 'type'"
                    )
                else:
                    close = find_similar(key, known, cutoff=0.7)
                    yield ConfigurationError(
                        at, f"{owner} does not read {key!r}", f"did you mean {close[0]!r}?" if close else ""
                    )


def expressions(settings: Settings, pointer: str = "") -> Iterator[tuple[str, Template]]:
    """Yield every runtime expression in `settings`, and its pointer."""
    for place, value in walk(settings, pointer):
        if isinstance(value, Template | Condition):
            yield place, value.template if isinstance(value, Condition) else value


def references(settings: Settings, pointer: str = "") -> Iterator[tuple[str, HeapName | InlineObject]]:
    """Yield every heap object that `settings` refer to, and the pointer of the reference."""
    for place, value in walk(settings, pointer):
        if isinstance(value, HeapName | InlineObject):
            yield place, value


def walk(value: object, pointer: str) -> Iterator[tuple[str, object]]:
    """Yield `value` and every value below it, settings, lists and maps, with their pointers."""
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
        yield from walk(member, join(pointer, name))


@cache
def _evaluated_keys(kind: type[Settings]) -> frozenset[str]:
    """Return the keys whose texts are configuration expressions: no type of theirs leaves them as written."""
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


def _evaluate(
    value: object,
    place: tuple[int | str, ...],
    bindings: Mapping[str, object],
    errors: list[InitErrorDetails],
) -> object:
    """Return `value`, which stands at `place`, with its texts evaluated; what fails is added to `errors`."""
    if isinstance(value, list):
        items = enumerate(cast("list[object]", value))
        return [_evaluate(item, (*place, at), bindings, errors) for at, item in items]
    if isinstance(value, dict):
        members = cast("dict[str, object]", value).items()
        return {key: _evaluate(item, (*place, key), bindings, errors) for key, item in members}
    if not isinstance(value, str) or ("${" not in value and "#{" not in value):
        return value
    try:
        template = compile_template(value)
        for names, at in template.reads.items():
            if names[0] not in bindings:
                raise ExpressionSyntaxError(
                    value, at, f"nothing is known as {names[0]} when the configuration is loaded"
                )
        return template.evaluate(bindings)
    except ExpressionError as error:
        # The reason is a parameter: braces in a message template would be taken for one.
        reason = PydanticCustomError("expression", "{reason}", {"reason": explain(error)})
        errors.append(InitErrorDetails(type=reason, loc=place, input=value))
        return value


def explain(error: ExpressionError) -> str:
    """Return one line that says what is wrong with an expression, and where in it."""
    return f"{error.reason} at character {error.position + 1} of {error.source[:120]!r}"


def _parse_duration(value: object) -> float | None:
    if not isinstance(value, str):
        raise ValueError("a duration is a text such as '20 seconds'")  # noqa: TRY004 - pydantic reports only ValueError
    try:
        return durations.parse(value)
    except durations.DurationError as error:
        raise ValueError(str(error)) from error


def _compile_by(compile_text: Callable[[str], Item]) -> Callable[[object], Item]:
    def compile_value(value: object) -> Item:
        if isinstance(value, bool | int | float):
            value = str(value).lower()
        if not isinstance(value, str):
            raise ValueError("expected a text, which may hold ${expressions}")  # noqa: TRY004
        try:
            return compile_text(value)
        except ExpressionError as error:
            raise ValueError(explain(error)) from error

    return compile_value


def _compile_pattern(value: object) -> Pattern:
    if not isinstance(value, str):
        raise ValueError("expected a regular expression")  # noqa: TRY004
    try:
        return compile_pattern(value)
    except OperandError as error:
        raise ValueError(str(error)) from error


def _find_charset(value: object) -> str:
    try:
        return codecs.lookup(str(value)).name
    except LookupError as error:
        raise ValueError(f"{str(value)[:40]!r} is no character set") from error


def _to_reference(value: object) -> str | dict[str, Any]:
    if isinstance(value, str) and value:
        return HeapName(value)
    if isinstance(value, dict) and "type" in value:
        return InlineObject(cast("dict[str, Any]", value))
    raise ValueError("expected the name of a heap object, or an object with a 'type'")


def _to_list(value: object) -> object:
    return cast("object", value) if isinstance(value, list) else [value]


Duration: TypeAlias = Annotated[float | None, PlainValidator(_parse_duration)]
"""English duration text; the field holds seconds, `None` meaning without limit.

Defaults are written in seconds.
"""

TemplateText: TypeAlias = Annotated[Template, PlainValidator(_compile_by(compile_template)), _RAW]
"""A runtime expression: compiled at load, evaluated for each request."""

PatternText: TypeAlias = Annotated[Pattern, PlainValidator(_compile_pattern)]
"""A regular expression, compiled at load."""

Charset: TypeAlias = Annotated[str, PlainValidator(_find_charset)]
"""The name of a character set that Python knows; the field holds Python's name for it."""

ConditionText: TypeAlias = Annotated[Condition, PlainValidator(_compile_by(compile_condition)), _RAW]
"""A runtime expression that something is decided by. `BuildContext.condition` gives it its place."""

Reference: TypeAlias = Annotated[str | dict[str, Any], PlainValidator(_to_reference), _RAW]
"""The name of a heap object, or an inline object."""


def join_lines(value: object) -> object:
    """Return a text that may be written as a list of lines: for validators before the field's own."""
    return "\n".join(map(str, cast("list[object]", value))) if isinstance(value, list) else value


Raw: TypeAlias = Annotated[Item, _RAW]
"""A value whose texts are left as written."""

OneOrMore: TypeAlias = Annotated[tuple[Item, ...], BeforeValidator(_to_list)]
"""A list, where one bare value stands for a list of one."""
