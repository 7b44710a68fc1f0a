"""The records of an exchange, and their JSON text.

Making a record costs one tuple; its text is put together when a batch is written. It is assembled by hand:
two records a request are the gateway's largest single cost, and this takes a third of what building
dictionaries for an encoder takes. Every text passes through `_text` except what the gateway makes itself:
ids, numbers and fixed words. What many records have in common is remembered as text.

Names that the original publishes are kept (gateway reference, sections 3.4 and 7.3); the others are new.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Final, NamedTuple, Protocol

from deputize.http.exchange import Peer
from deputize.http.messages import NameTable
from deputize.kernel.uris import Origin, Target

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
_SAFE_NAME: Final = NameTable(lambda name: name.lower().decode("ascii") if name.lower() in _HEADERS else "")
"""The name in lower case if the field may be written, else ""."""
MAX_TEXT: Final = 512
"""The most characters of a text from outside that are written; `cut` marks a longer one."""


class EventPart(IntEnum):
    """Which part of an exchange a record tells."""

    WHOLE = 0
    """What was decided and how it was answered, as soon as both are known; of a stream, when it begins."""
    DECISION = 1
    """What was decided, before the request is passed on."""
    OUTCOME = 2
    """How it was answered, after a `DECISION` record. The event's name says that it is one."""


class AuditEvent(Protocol):
    """A record on its way to the sinks of its topic."""

    @property
    def topic(self) -> str:
        """The topic, which is also the beginning of the file's name."""
        ...

    def json(self) -> str:
        """Return the record as a JSON object, in ASCII and on one line."""
        ...


class Subject(NamedTuple):
    """Who an accepted token speaks for and through whom, from its claims."""

    sub: str | None = None
    act: tuple[str, ...] = ()
    """The `sub` of every actor, the one acting now first."""
    client_id: str | None = None
    scopes: tuple[str, ...] = ()
    jti: str | None = None


class RouteIdentity(NamedTuple):
    """How a route is identified: `id` in the routes API; `name` in the order of routes, logs and records."""

    id: str
    name: str


class AccessEvent(NamedTuple):
    """One HTTP exchange: what was asked, by whom, and how it was answered."""

    transaction_id: str
    route: RouteIdentity | None
    timestamp: float
    """When the request arrived, in seconds since the epoch."""
    peer: Peer
    method: str | None
    origin: Origin | None
    target: Target | None
    """`None`, as is the method, when the request was not understood."""
    headers: Sequence[tuple[bytes, bytes]]
    """As received, at least the `safe_headers`; others are never written."""
    status: int | None
    """`None` when the exchange broke off before it was answered."""
    elapsed: float
    """Seconds until the last byte of the answer."""
    subject: Subject
    reason: str | None = None
    """Why the gateway itself ended the exchange before any handler saw it."""
    part: EventPart = EventPart.WHOLE

    @property
    def topic(self) -> str:
        """The topic `access`."""
        return ACCESS

    def json(self) -> str:
        """Return the record as one JSON object in ASCII on one line."""
        transaction, path = self.transaction_id, None if self.target is None else self.target.path
        number, name = _ACCESS_NAMES[self.part]
        return (
            f'{{"_id":"{transaction}-{number}",'
            f'"timestamp":"{timestamp_text(self.timestamp)}",'
            f'"eventName":"{name}",'
            f'"transactionId":"{transaction}",{_identity(self.subject)},'
            f"{_ends(self.peer)},"
            f'"http":{{"request":{{{_what(self.peer.secure, self.method, self.origin, path)},'
            f'"headers":{_header_texts(self.headers)}}}}},'
            f'"response":{_response(self.part, self.status, self.elapsed, self.reason)},'
            f'"ig":{{"exchangeId":"{transaction}",{_route(self.route)}}}}}'
        )


class McpEvent(NamedTuple):
    """One MCP message, opening of a stream, or end of a session.

    Tells who acted for whom on what, and whether it was let through.
    """

    transaction_id: str
    route: RouteIdentity | None
    timestamp: float
    """When the request arrived, in seconds since the epoch."""
    peer: Peer
    message_type: str | None
    """The type as in `contexts.mcp`; `None` when the message was refused before it was read."""
    method: str | None
    param: str | None
    """The tool, prompt, resource or task acted on; `cut`, as a client may write anything."""
    protocol_version: str | None
    session_id: str | None
    client_info: str | None
    """The name and version that a client gives itself in `initialize`: never proof of anything."""
    server_info: str | None
    subject: Subject
    permitted: bool | None
    """Whether the gateway let the message through; `None` when the client left before that was decided."""
    reason: str | None
    """Why the gateway refused the message."""
    error_code: int | None
    """The first JSON-RPC error code in the answer, whoever gave it."""
    status: int | None
    elapsed: float
    """Seconds until the record was made."""
    part: EventPart = EventPart.WHOLE

    @property
    def topic(self) -> str:
        """The topic `mcp`."""
        return MCP

    def json(self) -> str:
        """Return the record as one JSON object in ASCII on one line."""
        transaction, subject = self.transaction_id, self.subject
        known = _call(self.message_type, self.method, self.param, self.protocol_version)
        tool = _text(self.param) if self.method == "tools/call" else "null"
        number, name = _MCP_NAMES[self.part]
        return (
            f'{{"_id":"{transaction}-{number}",'
            f'"timestamp":"{timestamp_text(self.timestamp)}",'
            f'"eventName":"{name}",'
            f'"transactionId":"{transaction}",{_identity(subject)},'
            f'"client":{{{_address(self.peer)},{known},"info":{_text(self.client_info)}}},"server":{{"info":{_text(self.server_info)}}},{_delegation(subject)},'
            f'"tool":{tool},"decision":{_DECISIONS[self.permitted]},"reason":{_text(self.reason)},'
            f'"errorCode":{"null" if self.error_code is None else self.error_code},'
            f'"sessionId":{_text(self.session_id)},'
            f'"response":{_response(self.part, self.status, self.elapsed)},"ig":{{{_route(self.route)}}}}}'
        )


_ACCESS_NAMES: Final = (
    ("0", "OPENIG-HTTP-ACCESS"),
    ("0", "OPENIG-HTTP-ACCESS"),
    ("2", "OPENIG-HTTP-ACCESS-OUTCOME"),
)
_MCP_NAMES: Final = (("1", "PING-GATEWAY-MCP"), ("1", "PING-GATEWAY-MCP"), ("3", "PING-GATEWAY-MCP-OUTCOME"))
"""By `EventPart`: the suffix of the transaction's id, and the event's name."""
_DECISIONS: Final = {True: '"PERMIT"', False: '"DENY"', None: "null"}


def safe_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the fields that may be written: a record that waits holds no credentials."""
    return [field for field in headers if _SAFE_NAME[field[0]]]


def timestamp_text(seconds: float) -> str:
    """Return the time in ISO 8601, in UTC with milliseconds."""
    return _millisecond(round(seconds * 1000))


@lru_cache(maxsize=64)
def _millisecond(milliseconds: int) -> str:
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=1024)
def _identity(subject: Subject) -> str:
    return f'"userId":{_text(subject.sub)},"trackingIds":{_texts((subject.jti,) if subject.jti else ())}'


@lru_cache(maxsize=1024)
def _delegation(subject: Subject) -> str:
    return (
        f'"sub":{_text(subject.sub)},"act":{_texts(subject.act)},"clientId":{_text(subject.client_id)},'
        f'"scopes":{_texts(subject.scopes)},"jti":{_text(subject.jti)}'
    )


@lru_cache(maxsize=256)
def _route(route: RouteIdentity | None) -> str:
    return f'"routeId":{_text(route and route.id)},"routeName":{_text(route and route.name)}'


@lru_cache(maxsize=1024)
def _ends(peer: Peer) -> str:
    server = f'"ip":{_quoted(peer.local_address)},"port":{peer.local_port}'
    return f'"client":{{{_address(peer)}}},"server":{{{server}}}'


@lru_cache(maxsize=1024)
def _address(peer: Peer) -> str:
    return f'"ip":{_quoted(peer.remote_address)},"port":{peer.remote_port}'


@lru_cache(maxsize=256)
def _what(secure: bool, method: str | None, origin: Origin | None, path: str | None) -> str:  # noqa: FBT001 - lru_cache is quicker with positions
    address = None if path is None else f"{origin or ''}{path}"
    return f'"secure":{"true" if secure else "false"},"method":{_text(method)},"path":{_text(address)}'


@lru_cache(maxsize=256)
def _call(message_type: str | None, method: str | None, param: str | None, version: str | None) -> str:
    return (
        f'"messageType":{_text(message_type)},"method":{_text(method)},'
        f'"param":{_text(param)},"protocolVersion":{_text(version)}'
    )


def _response(part: EventPart, status: int | None, elapsed: float, reason: str | None = None) -> str:
    if part is EventPart.DECISION:
        return "null"
    detail = "" if reason is None else f'"detail":{{"reason":{_quoted(reason)}}},'
    milliseconds = round(elapsed * 1000)
    return f'{{{_status(status)},{detail}"elapsedTime":{milliseconds},"elapsedTimeUnits":"MILLISECONDS"}}'


@lru_cache(maxsize=256)
def _status(status: int | None) -> str:
    outcome = "FAILED" if status is None or status >= 400 else "SUCCESSFUL"
    code = "null" if status is None else f'"{status}"'
    return f'"status":"{outcome}","statusCode":{code}'


def _header_texts(headers: Iterable[tuple[bytes, bytes]]) -> str:
    by_name: dict[str, str] = {}
    for name, value in headers:
        safe = _SAFE_NAME[name]
        if safe:
            text = _header_text(value)
            by_name[safe] = f"{by_name[safe]},{text}" if safe in by_name else text
    return "{" + ",".join([f'"{name}":[{texts}]' for name, texts in by_name.items()]) + "}"


@lru_cache(maxsize=1024)
def _header_text(value: bytes) -> str:
    return _quoted(cut(value.decode("latin-1")))


def _text(value: str | None) -> str:
    return "null" if value is None else _quoted(value)


def _texts(values: Iterable[str]) -> str:
    return "[" + ",".join([_quoted(value) for value in values]) + "]"


def cut(text: str) -> str:
    """Return `text`, shortened to what a record holds.

    A longer text is marked, and told from others that begin alike by the SHA-256 of its UTF-8. A marked text
    is longer than `MAX_TEXT` characters, so that no text can be mistaken for a mark.
    """
    if len(text) <= MAX_TEXT:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[:MAX_TEXT]}… (cut: {len(text)} characters, SHA-256 {digest})"
