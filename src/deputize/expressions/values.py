"""The values expressions compute with: JSON values, and `MISSING` for what is not there.

Missing is not null. Null is a value somebody wrote; missing is what reading an absent member yields. Python's
own rules are avoided where they differ from JSON's: `True == 1` holds in Python and must not hold here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final, TypeAlias, TypeGuard, Union, cast

from deputize.expressions.errors import OperandError, OperandLimitError
from deputize.kernel.values import JsonValue

MAX_INTEGER = 2**63 - 1
MAX_DEPTH = 64
"""Nesting of one expression, and of any value it compares or returns."""
MAX_TEXT = 262_144
"""Characters of any text an expression makes; texts it merely passes on are not counted."""


@dataclass(frozen=True, slots=True)
class ExpressionLimits:
    """What one evaluation may use before it fails with `LimitExceeded`.

    Operators write expressions, but not the values that expressions meet.
    """

    steps: int = 10_000
    """Sub-expressions evaluated; those inside a selection or projection count once per element."""
    size: int = 10_000
    """Values in the result: every element, member, list and map counts one."""


DEFAULT_LIMITS = ExpressionLimits()


class Missing(Enum):
    """The type of `MISSING` and `UNDECIDED`."""

    MISSING = "missing"
    UNDECIDED = "undecided"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing.MISSING
"""What an expression yields when something it reads is not there."""

UNDECIDED: Final = Missing.UNDECIDED
"""What a comparison of something absent yields where a decision depends on it: neither true nor false."""

Value: TypeAlias = Union[bool, int, float, str, "Sequence[Value]", "Mapping[str, Value]", Missing, None]
"""What expressions compute with. Lazy bindings may hide `MISSING` inside containers; results never do."""


def is_mapping(value: object) -> TypeGuard[Mapping[str, Value]]:
    """Whether `value` has members; bindings may be lazy `Mapping` views."""
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[Sequence[Value]]:
    """Whether `value` has elements."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether `value` is a number; booleans are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_absent(value: object) -> bool:
    """Whether there is nothing: missing or null."""
    return value is None or isinstance(value, Missing)


def member(target: Value, name: str) -> Value:
    """The member called `name`; missing where there is none, or where `target` has no members.

    What is undecided stays so.
    """
    if not _has_members(type(target)):
        return UNDECIDED if target is UNDECIDED else MISSING
    try:
        return cast("Mapping[str, Value]", target)[name]
    except KeyError:
        return MISSING


@lru_cache(maxsize=256)
def _has_members(kind: type[object]) -> bool:
    # Asking the abstract class for every member that is read would take longer than reading it.
    return issubclass(kind, Mapping)


def element(target: Value, key: Value) -> Value:
    """What `target[key]` reads: an element by integer, a member by text or number.

    Missing where there is none.
    """
    if key is UNDECIDED:
        return UNDECIDED
    if is_list(target):
        if isinstance(key, int) and not isinstance(key, bool) and 0 <= key < len(target):
            return target[key]
        return MISSING
    if isinstance(key, str):
        return member(target, key)
    if is_number(key):
        return member(target, text_of(key))
    return UNDECIDED if target is UNDECIDED else MISSING


def equals(left: Value, right: Value, depth: int = MAX_DEPTH) -> bool:
    """JSON equality of two present values, member by member.

    Numbers compare by value, and never equal booleans.
    """
    if isinstance(left, str) or isinstance(right, str):
        return left == right
    if is_number(left) and is_number(right):
        return left == right
    if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None:
        return left is right
    if depth == 0:
        raise OperandLimitError(f"compares values nested deeper than {MAX_DEPTH}")
    if is_mapping(left) and is_mapping(right):
        return left.keys() == right.keys() and all(
            equals(left[name], right[name], depth - 1) for name in left
        )
    if is_list(left) and is_list(right):
        return len(left) == len(right) and all(
            equals(one, other, depth - 1) for one, other in zip(left, right, strict=True)
        )
    return False


def check_number(value: float) -> int | float:
    """`value`, refused where a 64-bit integer or a finite double could not hold it."""
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise OperandError("the number is out of range")
    elif value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124 - only NaN differs from itself
        raise OperandError("the number is out of range")
    return value


def text_of(value: Value) -> str:
    """How a scalar reads as text: `true`, `null`, `42`, `1.5`; whole doubles keep their `.0`.

    Containers have no text form.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_number(value):
        return str(check_number(value))
    if is_absent(value):
        return "null"
    raise OperandError(f"{describe(value)} has no text form")


_KINDS: Sequence[tuple[Callable[[object], bool], str]] = (
    (lambda value: value is MISSING, "a missing value"),
    (lambda value: value is UNDECIDED, "a comparison with something missing"),
    (lambda value: value is None, "null"),
    (lambda value: isinstance(value, bool), "a boolean"),
    (is_number, "a number"),
    (lambda value: isinstance(value, str), "a text"),
    (is_mapping, "a map"),
    (is_list, "a list"),
)


def describe(value: Value) -> str:
    """The kind of `value` in words, for messages."""
    return next((words for matches, words in _KINDS if matches(value)), "a value that is not JSON")


def plain(value: Value, size: int) -> JsonValue | Missing:
    """A copy of `value` in dicts and lists with at most `size` values, so that callers never hold on to a
    lazy view.

    Raises `OperandLimitError` when it is larger or deeper, `OperandError` when something in it is not JSON.
    """
    if isinstance(value, str | bool | Missing) or value is None:
        return value
    if type(value) is dict:
        texts = cast("dict[str, JsonValue]", value)
        if len(texts) < size and _is_text_only(texts):
            return texts.copy()  # as an `act` is
    return _Copy(size).of(cast("Value", value), MAX_DEPTH)


def _is_text_only(value: dict[str, JsonValue]) -> bool:
    """Whether every name and member is a text."""
    for name, item in value.items():  # `all` would take a call for each
        if type(item) is not str or type(cast("object", name)) is not str:
            return False
    return True


class _Copy:
    """One copy in progress; counts what it has copied."""

    __slots__ = ("left",)

    def __init__(self, size: int) -> None:
        self.left = size

    def of(self, value: Value, depth: int) -> JsonValue:
        if self.left <= 0 or depth == 0:
            raise OperandLimitError(
                "the result is too large" if depth else f"the result is nested deeper than {MAX_DEPTH}"
            )
        self.left -= 1
        if isinstance(value, str | bool) or value is None:
            return value
        if isinstance(value, Missing):
            return None
        if is_number(value):
            return check_number(value)
        if is_list(value):
            return [self.of(item, depth - 1) for item in value]
        if not is_mapping(value):
            raise OperandError("the result is not a JSON value")
        copied: dict[str, JsonValue] = {}
        for name, item in value.items():
            if isinstance(item, Missing):
                continue
            if not isinstance(cast("object", name), str):
                raise OperandError("the result has a member whose name is not a text")
            copied[name] = self.of(item, depth - 1)
        return copied
