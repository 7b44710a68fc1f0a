"""JSON-RPC frames, read so strictly that the upstream cannot read the same bytes differently (mcp reference,
section 3.1).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
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
    """The one frame that `body` is, or why it is none.

    Broken or ambiguous JSON, a batch, members missing or unknown.
    """
    try:
        document = strict_json.loads(body, max_size=max_size)
    except JsonError as error:
        return parse_error(str(error)).answering(read_request_id(body))
    if not isinstance(document, dict):
        return invalid_request("a batch is not accepted" if isinstance(document, list) else "not an object")
    return _frame(document)


def _frame(document: JsonObject) -> Frame | Rejection:
    identity = document.get("id")
    readable = identity if is_request_id(identity) else None
    rule = _rule(document)
    fault = _fault(document, rule) if rule else "neither method, result nor error"
    if rule is None or fault is not None:
        return invalid_request(fault or "").answering(readable)
    return Frame(
        rule.kind,
        readable,
        cast("str", document.get("method", "")),
        cast("JsonObject | None", document.get("params")),
        document,
    )


def read_request_id(body: bytes) -> RequestId | None:
    """The id of the request in `body`, also where the rest of it is refused.

    `None` for all else, and for an id in doubt.
    """
    members = strict_json.loads_members(body, frozenset({"id", "result", "error"}))
    identity = members.get("id")
    return identity if members.keys() == {"id"} and is_request_id(identity) else None


def is_request_id(value: JsonValue) -> TypeGuard[RequestId]:
    """Whether `value` may identify a request: text or an integer, never null or a fraction."""
    return isinstance(value, str | int) and not isinstance(value, bool)


def _rule(document: JsonObject) -> "_Rule | None":
    if "method" in document:
        return _REQUEST if "id" in document else _NOTIFICATION
    if "result" in document:
        return _RESULT
    return _ERROR if "error" in document else None


def _fault(document: JsonObject, rule: "_Rule") -> str | None:
    if document.get("jsonrpc") != "2.0":
        return 'jsonrpc is not "2.0"'
    if not document.keys() <= rule.members:
        return f"members that a {rule.kind.value} does not have"
    if "id" in document and not is_request_id(document["id"]):
        return "id is neither text nor an integer"
    return rule.fault(document)


def _call_fault(document: JsonObject) -> str | None:
    if not isinstance(document["method"], str) or not document["method"]:
        return "method is not text"
    if "params" not in document:
        return None
    params = document["params"]
    if not isinstance(params, dict):
        return "params is not an object"
    return "a member differs from one of the protocol in case only" if _has_twins(params) else None


def _has_twins(params: JsonObject) -> bool:
    """Whether a server that matches names without regard to case would decide on another member than we
    do.
    """
    inner = (value for name in _NESTING if isinstance(value := params.get(name), dict))
    return any(
        _DECISIVE.get(name.casefold(), name) != name for members in (params, *inner) for name in members
    )


def _result_fault(document: JsonObject) -> str | None:
    if "id" not in document:
        return "id is missing"
    return None if isinstance(document["result"], dict) else "result is not an object"


def _error_fault(document: JsonObject) -> str | None:
    error = document["error"]
    if not isinstance(error, dict):
        return "error is not an object"
    code = error.get("code")
    if not isinstance(code, int) or isinstance(code, bool) or not isinstance(error.get("message"), str):
        return "error has no integer code and text message"
    return None


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


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a message of one kind may hold, and what can be wrong in it."""

    kind: FrameKind
    members: frozenset[str]
    fault: Callable[[JsonObject], str | None]


_REQUEST: Final = _Rule(FrameKind.REQUEST, frozenset({"jsonrpc", "id", "method", "params"}), _call_fault)
_NOTIFICATION: Final = _Rule(FrameKind.NOTIFICATION, frozenset({"jsonrpc", "method", "params"}), _call_fault)
_RESULT: Final = _Rule(FrameKind.RESULT, frozenset({"jsonrpc", "id", "result"}), _result_fault)
_ERROR: Final = _Rule(FrameKind.ERROR, frozenset({"jsonrpc", "id", "error"}), _error_fault)
