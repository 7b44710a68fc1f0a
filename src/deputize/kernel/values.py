"""JSON values as Python types."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeGuard, Union

# A Union object, unlike a quoted alias, can be joined with other types at run time: `JsonValue | Missing`.
JsonValue: TypeAlias = Union[bool, int, float, str, "Sequence[JsonValue]", "Mapping[str, JsonValue]", None]
JsonObject: TypeAlias = Mapping[str, JsonValue]


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether `value` is a JSON number; in Python, `True` and `False` are integers."""
    return isinstance(value, int | float) and not isinstance(value, bool)
