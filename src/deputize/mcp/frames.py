"""Read JSON-RPC frames so strictly that the upstream cannot read the same bytes differently, and find what
they act on (mcp reference, sections 3.1 and 3.2).
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple, TypeGuard, cast

from deputize.kernel import strict_json
from deputize.kernel.strict_json import JsonError
from deputize.kernel.values import JsonObject, JsonValue
from deputize.mcp.errors import Rejection, RequestId, invalid_request, parse_error


class FrameKind(Enum):
    """The four JSON-RPC messages."""

    REQUEST = "request"
    NOTIFICATION = "notification"
    RESULT = "result"
    ERROR = "error"


class Frame(NamedTuple):
    """One JSON-RPC message. `method` is empty and `params` is `None` in answers (results and errors)."""

    kind: FrameKind
    id: RequestId | None
    method: str
    params: JsonObject | None
    document: JsonObject
    """The whole message."""


def parse_frame(body: bytes, max_size: int = strict_json.MAX_SIZE) -> Frame | Rejection:
    """The one frame in `body`; refuses broken or ambiguous JSON, a batch, and wrong or unknown members."""
    try:
        document = strict_json.loads(body, max_size=max_size)
    except JsonError as error:
        return parse_error(str(error)).with_id(read_request_id(body))
    if not isinstance(document, dict):
        return invalid_request("a batch is not accepted" if isinstance(document, list) else "not an object")
    identity = document.get("id")
    readable = identity if is_request_id(identity) else None
    if "method" in document:
        kind = FrameKind.REQUEST if "id" in document else FrameKind.NOTIFICATION
    elif "result" in document:
        kind = FrameKind.RESULT
    elif "error" in document:
        kind = FrameKind.ERROR
    else:
        return invalid_request("neither method, result nor error").with_id(readable)
    if fault := _find_fault(document, kind):
        return invalid_request(fault).with_id(readable)
    return Frame(
        kind,
        readable,
        cast("str", document.get("method", "")),
        cast("JsonObject | None", document.get("params")),
        document,
    )


def read_request_id(body: bytes) -> RequestId | None:
    """The id of the request in `body`, even when the rest of it is refused.

    `None` for other messages, and where the id is missing, repeated or of a wrong type.
    """
    members = strict_json.loads_members(body, frozenset({"id", "result", "error"}))
    identity = members.get("id")
    return identity if members.keys() == {"id"} and is_request_id(identity) else None


def is_request_id(value: JsonValue) -> TypeGuard[RequestId]:
    """Whether `value` may identify a request: text or an integer, never null or a fraction."""
    return isinstance(value, str | int) and not isinstance(value, bool)


_MEMBERS: Final = {
    FrameKind.REQUEST: frozenset({"jsonrpc", "id", "method", "params"}),
    FrameKind.NOTIFICATION: frozenset({"jsonrpc", "method", "params"}),
    FrameKind.RESULT: frozenset({"jsonrpc", "id", "result"}),
    FrameKind.ERROR: frozenset({"jsonrpc", "id", "error"}),
}
_NESTING: Final = ("_meta", "ref", "notifications")
_DECISIVE: Final = {
    name.casefold(): name
    for name in (
        *_NESTING,
        "name",
        "uri",
        "taskId",
        "arguments",
        "type",
        "resourceSubscriptions",
        "protocolVersion",
        "clientInfo",
        "io.modelcontextprotocol/protocolVersion",
    )
}
"""Members that policies, routing and versions are decided by.

Go's encoding/json takes `Name` for `name`, and the last of the two.
"""


def _find_fault(document: JsonObject, kind: FrameKind) -> str | None:  # noqa: C901, PLR0911 - one line a rule
    if document.get("jsonrpc") != "2.0":
        return 'jsonrpc is not "2.0"'
    if not document.keys() <= _MEMBERS[kind]:
        return f"members that a {kind.value} does not have"
    if "id" in document and not is_request_id(document["id"]):
        return "id is neither text nor an integer"
    if kind is FrameKind.RESULT:
        if "id" not in document:
            return "id is missing"
        return None if isinstance(document["result"], dict) else "result is not an object"
    if kind is FrameKind.ERROR:
        error = document["error"]
        if not isinstance(error, dict):
            return "error is not an object"
        code = error.get("code")
        is_complete = (
            isinstance(code, int) and not isinstance(code, bool) and isinstance(error.get("message"), str)
        )
        return None if is_complete else "error has no integer code and text message"
    if not isinstance(document["method"], str) or not document["method"]:
        return "method is not text"
    if "params" not in document:
        return None
    params = document["params"]
    if not isinstance(params, dict):
        return "params is not an object"
    return "a member differs from one of the protocol in case only" if _has_twins(params) else None


def _has_twins(params: JsonObject) -> bool:
    """Whether a server that ignores the case of names would decide on another member than we do."""
    inner = (value for name in _NESTING if isinstance(value := params.get(name), dict))
    return any(
        _DECISIVE.get(name.casefold(), name) != name for members in (params, *inner) for name in members
    )


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
    """A method and the names it acts on: the key of tool-level policies, routing headers and records.

    No name for listings, one for most, any number for `subscriptions/listen`.
    """

    method: str
    names: tuple[str, ...]


def policy_key(method: str, params: JsonObject | None) -> PolicyKey:
    """The key of a message; names that are not text are left out (the shape check refuses those messages)."""
    return PolicyKey(method, _find_names(method, params or {}))


def mirrored_name(method: str, params: JsonObject | None) -> str | None:
    """What `Mcp-Name` has to say, or `None` for a method that is not mirrored."""
    names = _find_names(method, params or {}) if method in MIRRORED else ()
    return names[0] if names else None


def _find_names(method: str, params: JsonObject) -> tuple[str, ...]:
    field = _NAME_FIELDS.get(method)
    if field is not None:
        name = params.get(field)
        return (name,) if isinstance(name, str) else ()
    if method == "subscriptions/listen":
        uris = _as_object(params.get("notifications")).get("resourceSubscriptions")
        return tuple(uri for uri in uris if isinstance(uri, str)) if isinstance(uris, list) else ()
    if method == "completion/complete":
        reference = _as_object(params.get("ref"))
        name = reference.get("name" if reference.get("type") == "ref/prompt" else "uri")
        return (name,) if isinstance(name, str) else ()
    return ()


def _as_object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, Mapping) else {}
