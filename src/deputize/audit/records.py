"""What is written about an exchange. Making a record costs one tuple; its JSON members are put together when a batch is written.

Names that the original publishes are kept (gateway reference, sections 3.4 and 7.3); the rest is our superset.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol

from deputize.http.exchange import Peer
from deputize.kernel.uris import Origin, Target

Members = dict[str, Any]
"""JSON members; texts in them may come from anyone, so only a JSON encoder may write them."""

ACCESS: Final = "access"
MCP: Final = "mcp"
TOPICS: Final = frozenset({ACCESS, MCP})
_HEADERS: Final = frozenset(
    {
        b"accept",
        b"accept-api-version",
        b"content-type",
        b"host",
        b"user-agent",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-original-uri",
        b"x-real-ip",
        b"x-request-id",
        b"x-requested-with",
        b"x-scheme",
    }
)
_MAX_TEXT = 512


class AuditEvent(Protocol):
    """A record on its way to the sinks of its topic."""

    @property
    def topic(self) -> str:
        """The topic, which is also the beginning of the file's name."""
        ...

    def members(self) -> Members:
        """The record as JSON members."""
        ...


class Subject(NamedTuple):
    """Who a token speaks for and through whom, as far as it was accepted; all from its claims."""

    sub: str | None = None
    act: tuple[str, ...] = ()
    """`sub` of every actor, the one acting now first."""
    client_id: str | None = None
    scopes: tuple[str, ...] = ()
    jti: str | None = None


class Place(NamedTuple):
    """The route and the transaction a record belongs to."""

    transaction_id: str
    route_id: str | None
    route_name: str | None


class AccessEvent(NamedTuple):
    """One HTTP exchange: what was asked, by whom, and how it was answered."""

    place: Place
    timestamp: float
    """Seconds since the epoch when the request arrived."""
    peer: Peer
    method: str
    origin: Origin | None
    target: Target
    headers: Sequence[tuple[bytes, bytes]]
    """As received; only the safe ones are written."""
    status: int | None
    """`None` when the exchange broke off before it was answered."""
    elapsed: float
    """Seconds until the last byte of the answer."""
    subject: Subject

    @property
    def topic(self) -> str:
        """As `AuditEvent.topic`."""
        return ACCESS

    def members(self) -> Members:
        """The record of topic `access`."""
        return {
            "_id": f"{self.place.transaction_id}-0",
            "timestamp": timestamp_text(self.timestamp),
            "eventName": "OPENIG-HTTP-ACCESS",
            "transactionId": self.place.transaction_id,
            **_identity(self.subject),
            "client": {"ip": self.peer.remote_address, "port": self.peer.remote_port},
            "server": {"ip": self.peer.local_address, "port": self.peer.local_port},
            "http": {
                "request": {
                    "secure": self.peer.secure,
                    "method": self.method,
                    "path": f"{self.origin or ''}{self.target.path}",
                    "headers": _safe_headers(self.headers),
                }
            },
            "response": _outcome(self.status, self.elapsed),
            "ig": {"exchangeId": self.place.transaction_id, "routeId": self.place.route_id, "routeName": self.place.route_name},
        }


class McpEvent(NamedTuple):
    """One MCP message (or stream opening, or session end): who acted for whom on what, and whether it was let through."""

    place: Place
    timestamp: float
    """Seconds since the epoch when the request arrived."""
    peer: Peer
    message_type: str | None
    """As in `contexts.mcp`; `None` when the message was refused before it was read."""
    method: str | None
    param: str | None
    """The tool, prompt, resource or task acted on."""
    protocol_version: str | None
    session_id: str | None
    client_info: str | None
    """Name and version a client gives itself in `initialize`: never proof of anything."""
    server_info: str | None
    subject: Subject
    reason: str | None
    """Why the gateway refused; `None` when it let the message through."""
    error_code: int | None
    """The first JSON-RPC error code in the answer, whoever gave it."""
    status: int | None
    elapsed: float
    """Seconds until the answer began."""

    @property
    def topic(self) -> str:
        """As `AuditEvent.topic`."""
        return MCP

    def members(self) -> Members:
        """The record of topic `mcp`."""
        return {
            "_id": f"{self.place.transaction_id}-1",
            "timestamp": timestamp_text(self.timestamp),
            "eventName": "PING-GATEWAY-MCP",
            "transactionId": self.place.transaction_id,
            **_identity(self.subject),
            "client": self._client(),
            "server": {"info": _cut(self.server_info)},
            "sub": self.subject.sub,
            "act": list(self.subject.act),
            "clientId": self.subject.client_id,
            "scopes": list(self.subject.scopes),
            "jti": self.subject.jti,
            "tool": _cut(self.param) if self.method == "tools/call" else None,
            "decision": "PERMIT" if self.reason is None else "DENY",
            "reason": self.reason,
            "errorCode": self.error_code,
            "sessionId": _cut(self.session_id),
            "response": _outcome(self.status, self.elapsed),
            "ig": {"routeId": self.place.route_id, "routeName": self.place.route_name},
        }

    def _client(self) -> Members:
        return {
            "ip": self.peer.remote_address,
            "port": self.peer.remote_port,
            "messageType": self.message_type,
            "method": _cut(self.method),
            "param": _cut(self.param),
            "protocolVersion": self.protocol_version,
            "info": _cut(self.client_info),
        }


def timestamp_text(seconds: float) -> str:
    """ISO 8601 in UTC with milliseconds."""
    milliseconds = round(seconds * 1000)
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _identity(subject: Subject) -> Members:
    return {"userId": subject.sub, "trackingIds": [subject.jti] if subject.jti else []}


def _outcome(status: int | None, elapsed: float) -> Members:
    failed = status is None or status >= 400
    return {
        "status": "FAILED" if failed else "SUCCESSFUL",
        "statusCode": None if status is None else str(status),
        "elapsedTime": round(elapsed * 1000),
        "elapsedTimeUnits": "MILLISECONDS",
    }


def _safe_headers(headers: Iterable[tuple[bytes, bytes]]) -> Members:
    kept: dict[str, list[str]] = {}
    for name, value in headers:
        lowered = name.lower()
        if lowered in _HEADERS:
            kept.setdefault(lowered.decode("ascii"), []).append(value.decode("latin-1")[:_MAX_TEXT])
    return kept


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:_MAX_TEXT]
