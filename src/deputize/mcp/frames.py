"""Read JSON-RPC frames so strictly that the upstream cannot read the same bytes differently, and find what
they act on (mcp reference, sections 3.1 and 3.2).
"""

from collections.abc import KeysView, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeGuard

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


@dataclass(slots=True)
class Frame:
    """One JSON-RPC message. `method` is empty and `params` is `None` in answers (results and errors)."""

    kind: FrameKind
    id: RequestId | None
    method: str
    params: JsonObject | None
    document: JsonObject
    """The whole message."""


def refuse_json(body: bytes, error: JsonError) -> Rejection:
    """The refusal of a `body` that is broken or ambiguous JSON, with the id of the request in it."""
    return parse_error(str(error)).with_id(read_request_id(body))


def read_frame(document: JsonValue) -> Frame | Rejection:
    """The one frame that `document` is; refuses a batch, and wrong or unknown members."""
    if not isinstance(document, dict):
        return invalid_request("a batch is not accepted" if isinstance(document, list) else "not an object")
    members: dict[str, Any] = document
    identity = members.get("id")
    readable = identity if is_request_id(identity) else None
    has_id = "id" in members
    count = 2 + has_id  # `jsonrpc` and what tells the kind
    if "method" in members:
        kind, find_fault = _REQUEST if has_id else _NOTIFICATION, _find_fault_in_call
        count += "params" in members
    elif "result" in members:
        kind, find_fault = _RESULT, _find_fault_in_result
    elif "error" in members:
        kind, find_fault = _ERROR, _find_fault_in_error
    else:
        return invalid_request("neither method, result nor error").with_id(readable)
    if members.get("jsonrpc") != "2.0":
        fault = 'jsonrpc is not "2.0"'
    elif len(members) != count:
        fault = f"members that a {kind.value} does not have"
    elif has_id and readable is None:
        fault = "id is neither text nor an integer"
    else:
        fault = find_fault(members)
    if fault is not None:
        return invalid_request(fault).with_id(readable)
    return Frame(kind, readable, members.get("method", ""), members.get("params"), members)


def read_request_id(body: bytes) -> RequestId | None:
    """The id of the request in `body`, even when the rest of it is refused.

    `None` for other messages, and where the id is missing, repeated or of a wrong type.
    """
    members = strict_json.loads_members(body, frozenset({"id", "result", "error"}))
    identity = members.get("id")
    return identity if members.keys() == {"id"} and is_request_id(identity) else None


def is_request_id(value: JsonValue) -> TypeGuard[RequestId]:
    """Whether `value` may identify a request: text or an integer, never null or a fraction."""
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


# Looked up once: on Python 3.11 a member of an Enum is found by a function.
_REQUEST: Final = FrameKind.REQUEST
_NOTIFICATION: Final = FrameKind.NOTIFICATION
_RESULT: Final = FrameKind.RESULT
_ERROR: Final = FrameKind.ERROR
_NO_PARAMS: Final[dict[str, JsonValue]] = {}
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
FLAT: Final = frozenset(_DECISIVE.values()) - frozenset(_NESTING)
"""Those of them that hold nothing in which another one could stand."""
_MAX_HARMLESS: Final = 512
_harmless = set(_DECISIVE.values())
"""Names that stand for themselves, also in earlier messages, so that few have to be folded again."""


def _find_fault_in_call(document: JsonObject) -> str | None:
    method = document["method"]
    if not isinstance(method, str) or not method:
        return "method is not text"
    params = document.get("params", _NO_PARAMS)
    if not isinstance(params, dict):
        return "params is not an object"
    if params.keys() <= FLAT or not _has_twins(params):
        return None
    return "a member differs from one of the protocol in case only"


def _find_fault_in_result(document: JsonObject) -> str | None:
    if "id" not in document:
        return "id is missing"
    return None if isinstance(document["result"], dict) else "result is not an object"


def _find_fault_in_error(document: JsonObject) -> str | None:
    error = document["error"]
    if not isinstance(error, dict):
        return "error is not an object"
    code = error.get("code")
    is_complete = (
        isinstance(code, int) and not isinstance(code, bool) and isinstance(error.get("message"), str)
    )
    return None if is_complete else "error has no integer code and text message"


def _has_twins(params: JsonObject) -> bool:
    """Whether a server that ignores the case of names would decide on another member than we do."""
    if _differs_in_case(params.keys()):
        return True
    for name in _NESTING:
        inner = params.get(name)
        if isinstance(inner, dict) and _differs_in_case(inner.keys()):
            return True
    return False


def _differs_in_case(names: KeysView[str]) -> bool:
    if names <= _harmless:
        return False
    if any(_DECISIVE.get(name.casefold(), name) != name for name in names):
        return True
    _harmless.update(islice((name for name in names if len(name) <= 64), _MAX_HARMLESS - len(_harmless)))
    return False


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
    field, holder = _NAME_FIELDS.get(method), params
    if method == "subscriptions/listen" and params:
        uris = _as_object(params.get("notifications")).get("resourceSubscriptions")
        found = tuple(uri for uri in uris if isinstance(uri, str)) if isinstance(uris, list) else ()
        return PolicyKey(method, found)
    if method == "completion/complete" and params:
        holder = _as_object(params.get("ref"))
        field = "name" if holder.get("type") == "ref/prompt" else "uri"
    name = holder.get(field) if field and holder else None
    return PolicyKey(method, (name,) if isinstance(name, str) else ())


def name_member(method: str) -> str | None:
    """The member of `params` that names what `method` acts on, where it is always the same one."""
    return _NAME_FIELDS.get(method)


def mirrored_name(key: PolicyKey) -> str | None:
    """What `Mcp-Name` has to say, or `None` for a method that is not mirrored."""
    return key.names[0] if key.names and key.method in MIRRORED else None


def _as_object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, Mapping) else {}
