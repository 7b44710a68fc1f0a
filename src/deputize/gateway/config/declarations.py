"""Objects as written in configuration, and their conversion into typed settings with errors that say
where.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from deputize.gateway.config.settings import Settings, unknown_keys
from deputize.gateway.loading.decorators import DECORATORS
from deputize.kernel.errors import ConfigurationError, Faults, Position
from deputize.kernel.pointers import join
from deputize.kernel.values import JsonValue

SomeSettings = TypeVar("SomeSettings", bound=Settings)


@dataclass(frozen=True, slots=True)
class Declaration:
    """One object as written: its JSON members and where they stand."""

    members: Mapping[str, JsonValue]
    position: Position


def declarations(value: JsonValue, position: Position) -> tuple[Declaration, ...]:
    """The members of a `heap` array. Raises `ConfigurationError` when it is not a list of objects."""
    if not isinstance(value, list):
        raise ConfigurationError(position, "a heap is a list of objects")
    return tuple(_declaration(item, below(position, index)) for index, item in enumerate(value))


def validated(
    kind: type[SomeSettings], value: object, position: Position, bindings: Mapping[str, object]
) -> SomeSettings:
    """`value` as an instance of `kind`. Raises `ConfigurationError` for everything wrong in it."""
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
            pointer = join(position.pointer, *each["loc"])
            reason, fix = _explained(each["type"], each["msg"], str(each["loc"][-1]) if each["loc"] else "")
            faults.found.append(ConfigurationError(Position(position.file, pointer), reason, fix))
        raise faults.error() from None


def _explained(code: str, message: str, key: str) -> tuple[str, str]:
    if code == "missing":
        return f"{key!r} is required", f"add {key!r}"
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:], ""


def warnings_about(settings: Settings, position: Position, owner: str) -> Iterable[ConfigurationError]:
    """A warning for every key in `settings` that nothing reads."""
    for unknown in unknown_keys(settings, position.pointer):
        yield unknown_key(unknown.name, unknown.suggestion, Position(position.file, unknown.pointer), owner)


def unknown_key(name: str, suggestion: str | None, position: Position, owner: str) -> ConfigurationError:
    """The warning about one key that `owner`, a noun, does not read."""
    if name in DECORATORS:
        return ConfigurationError(
            position, f"{name!r} inside 'config' has no effect", f"move {name!r} up, beside 'type'"
        )
    return ConfigurationError(
        position, f"{owner} does not read {name!r}", f"did you mean {suggestion!r}?" if suggestion else ""
    )


def by_name(given: Iterable[Declaration]) -> tuple[dict[str, Declaration], list[ConfigurationError]]:
    """The declarations of one heap by name.

    And the errors of those without a name, and of names that stand twice.
    """
    found: dict[str, Declaration] = {}
    errors: list[ConfigurationError] = []
    for declaration in given:
        name = declaration.members.get("name")
        if not isinstance(name, str) or not name:
            errors.append(ConfigurationError(declaration.position, "an object in a heap needs a 'name'"))
        elif name in found:
            errors.append(
                ConfigurationError(declaration.position, f"{name!r} is declared twice in this heap")
            )
        else:
            found[name] = declaration
    return found, errors


def _declaration(item: JsonValue, position: Position) -> Declaration:
    if not isinstance(item, dict):
        raise ConfigurationError(position, "a heap object is a JSON object with 'name' and 'type'")
    return Declaration(item, position)


def below(position: Position, *parts: str | int) -> Position:
    """The position of a member, or a member of a member, of what stands at `position`."""
    return Position(position.file, join(position.pointer, *parts))
