"""Refusals as a client sees them: an HTTP status and a JSON-RPC error body (mcp reference, section 2.2).

Every protocol refusal carries such a body: clients that speak both eras take a 400, 404 or 405 without one
for the sign of a legacy server.
"""

import json
from dataclasses import dataclass, replace
from typing import Final

from deputize.kernel.values import JsonValue
from deputize.mcp import versions

RequestId = str | int
CONTENT_TYPE: Final = "application/json"

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
HEADER_MISMATCH: Final = -32020
UNSUPPORTED_PROTOCOL_VERSION: Final = -32022


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a message is not passed on, in words that its sender may read."""

    status: int
    code: int
    message: str
    data: JsonValue = None
    """Details; left out of the body when `None`.

    Never contains values of the message, only names and pointers.
    """
    id: RequestId | None = None
    """Of the refused request; `None` when it has none or it could not be read."""
    allow: str | None = None
    """The `Allow` header of a 405."""

    @property
    def kind(self) -> str:
        """The refusal in general terms, for records in which nothing of the message may appear."""
        return self.message.partition(":")[0]

    def body(self) -> bytes:
        """The JSON-RPC error object, in UTF-8."""
        error: dict[str, JsonValue] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return json.dumps({"jsonrpc": "2.0", "id": self.id, "error": error}, separators=(",", ":")).encode()

    def with_id(self, request_id: RequestId | None) -> "Rejection":
        """The same refusal, echoing the id of the request it answers."""
        return replace(self, id=request_id)


def parse_error(reason: str) -> Rejection:
    """The body is not JSON, or is JSON that parsers read differently."""
    return Rejection(400, PARSE_ERROR, f"Parse error: {reason}")


def invalid_request(reason: str, *, status: int = 400) -> Rejection:
    """The message or the way it was sent is not what the transport allows."""
    return Rejection(status, INVALID_REQUEST, f"Invalid request: {reason}")


def invalid_params(reason: str, complaints: JsonValue = None) -> Rejection:
    """`params` do not have the shape the method asks for; `complaints` lists where and why."""
    return Rejection(400, INVALID_PARAMS, f"Invalid params: {reason}", complaints)


def header_mismatch(reason: str) -> Rejection:
    """A header is missing, malformed or contradicts the body."""
    return Rejection(400, HEADER_MISMATCH, f"Header mismatch: {reason}")


def unsupported_version(requested: str) -> Rejection:
    """A version nobody here speaks; the answer names those that a self-describing request may use."""
    data: JsonValue = {"supported": list(versions.MODERN), "requested": requested[:64]}
    return Rejection(400, UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version", data)


def unknown_method(status: int) -> Rejection:
    """The method does not exist in the version spoken, and the route does not list it as accepted."""
    return Rejection(status, METHOD_NOT_FOUND, "Method not found")


def wrong_verb(allow: str) -> Rejection:
    """An HTTP method that the endpoint does not take in this era."""
    return Rejection(405, INVALID_REQUEST, "Invalid request: HTTP method not allowed", allow=allow)


def bad_origin() -> Rejection:
    """The request comes from a web page that may not use this endpoint."""
    return Rejection(403, INVALID_REQUEST, "Invalid request: origin not allowed")


def not_permitted() -> Rejection:
    """The token does not permit the operation; what would, if anything, the challenge beside it says."""
    return Rejection(403, INVALID_REQUEST, "Invalid request: not permitted with this token")


def too_many(seconds: int) -> Rejection:
    """Calls come faster than the route lets them; the next one may in so many seconds."""
    reason = f"Invalid request: too many calls, try again in {seconds} seconds"
    return Rejection(429, INVALID_REQUEST, reason, {"retryAfter": seconds})


def unknown_session() -> Rejection:
    """No such session, or another's: a client cannot tell, and begins anew by `initialize` in either case."""
    return Rejection(404, INVALID_REQUEST, "Invalid request: session not found")


def bad_gateway(reason: str, *, status: int = 502) -> Rejection:
    """The server behind the gateway cannot answer; that is not the client's doing.

    `status` is 503 or 504 where waiting may help.
    """
    return Rejection(status, INTERNAL_ERROR, f"Internal error: {reason}")


def too_large(limit: int) -> Rejection:
    """The body exceeds what the route accepts, in bytes."""
    return Rejection(413, INVALID_REQUEST, f"Invalid request: body larger than {limit} bytes")


def unavailable() -> Rejection:
    """The gateway makes no call that it cannot record; later it may be able to."""
    return Rejection(503, INTERNAL_ERROR, "Internal error: temporarily unavailable")
