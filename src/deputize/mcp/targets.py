"""What a message acts on.

The key that tool-level policies, routing headers and audit records use (mcp reference, section 3.2).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from deputize.kernel.values import JsonObject, JsonValue

_NAME_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tools/call": "name",
        "prompts/get": "name",
        "resources/read": "uri",
        "resources/subscribe": "uri",
        "resources/unsubscribe": "uri",
        "tasks/get": "taskId",
        "tasks/result": "taskId",
        "tasks/update": "taskId",
        "tasks/cancel": "taskId",
    }
)
MIRRORED: Final = frozenset(
    {"tools/call", "prompts/get", "resources/read", "tasks/get", "tasks/update", "tasks/cancel"}
)
"""Methods whose name the `Mcp-Name` header has to repeat."""


class PolicyKey(NamedTuple):
    """A method and the names it acts on.

    None for listings, one for most, any number for `subscriptions/listen`.
    """

    method: str
    names: tuple[str, ...]


def policy_key(method: str, params: JsonObject | None) -> PolicyKey:
    """The key of a message; names that are not text are left out (the shape check refuses those messages)."""
    return PolicyKey(method, _names(method, params or {}))


def mirrored_name(method: str, params: JsonObject | None) -> str | None:
    """What `Mcp-Name` has to say, or `None` for a method that is not mirrored."""
    names = _names(method, params or {}) if method in MIRRORED else ()
    return names[0] if names else None


def _names(method: str, params: JsonObject) -> tuple[str, ...]:
    field = _NAME_FIELDS.get(method)
    if field is not None:
        name = params.get(field)
        return (name,) if isinstance(name, str) else ()
    if method == "subscriptions/listen":
        return _texts(*_list(_object(params.get("notifications")).get("resourceSubscriptions")))
    if method == "completion/complete":
        reference = _object(params.get("ref"))
        return _texts(reference.get("name" if reference.get("type") == "ref/prompt" else "uri"))
    return ()


def _texts(*values: JsonValue) -> tuple[str, ...]:
    return tuple(value for value in values if isinstance(value, str))


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, Mapping) else {}


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
