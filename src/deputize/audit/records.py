"""The records of an exchange, and their JSON text.

What many records have in common is rendered once, as pieces of their text: a *form* holds those that a
request's head and the ends of its connection decide, a `Subject` those of who it speaks for. A record is one
form filled in. It is text at once, the same for every destination, and assembled by hand: this takes a tenth
of what building dictionaries for an encoder takes. Every text passes through `_text` except what the gateway
makes itself: ids, numbers and fixed words.

Names that the original publishes are kept (gateway reference, sections 3.4 and 7.3); the others are new.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
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


WHOLE: Final = EventPart.WHOLE
DECISION: Final = EventPart.DECISION
"""For the path of every call: looking up a member of an enumeration takes as long as a function does."""


class Record(NamedTuple):
    """What is to be written, for every destination of its topic."""

    topic: str
    """The topic, which is also the beginning of the file's name."""
    text: str
    """A JSON object, in ASCII and on one line."""
    names_token: bool = False
    """Whether it tells of a token by its `jti`."""


class RecordedCall(Protocol):
    """What is recorded: an exchange, or a request that came to none."""

    @property
    def transaction_id(self) -> str:
        """Its id, which all its records have."""
        ...

    @property
    def arrived(self) -> float:
        """When the request arrived, in seconds since the epoch."""
        ...

    @property
    def peer(self) -> Peer:
        """The ends of the connection that it came on."""
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """Who an accepted token speaks for and through whom, from its claims; and how records say so."""

    sub: str | None = None
    act: tuple[str, ...] = ()
    """The `sub` of every actor, the one acting now first."""
    client_id: str | None = None
    scopes: tuple[str, ...] = ()
    jti: str | None = None
    identity: str = field(init=False, repr=False, compare=False)
    """The members of any record that name the user and the token."""
    delegation: str = field(init=False, repr=False, compare=False)
    """The members of an MCP record that tell who acts for whom."""

    def __post_init__(self) -> None:
        """Render the members: a token serves for many calls."""
        sub, jti = _text(self.sub), _text(self.jti)
        tracking = jti if self.jti else ""
        object.__setattr__(self, "identity", f'"userId":{sub},"trackingIds":[{tracking}]')
        delegation = (
            f'"sub":{sub},"act":{_texts(self.act)},"clientId":{_text(self.client_id)},'
            f'"scopes":{_texts(self.scopes)},"jti":{jti}'
        )
        object.__setattr__(self, "delegation", delegation)


class RouteIdentity(NamedTuple):
    """How a route is identified: `id` in the routes API; `name` in the order of routes, logs and records."""

    id: str
    name: str


class AccessForm:
    """What the access records of one route, head and client's address have in common.

    It holds nothing but text that is written: no credentials.
    """

    __slots__ = ("client", "request", "route")

    def __init__(
        self,
        route: RouteIdentity | None,
        peer: Peer,
        method: str | None,
        origin: Origin | None,
        target: Target | None,
        headers: Iterable[tuple[bytes, bytes]],
    ) -> None:
        """Render it. Of `peer`, the remote port does not matter.

        Method and target are `None` when the request was not understood. Of `headers`, as received, those
        that may hold credentials are left out.
        """
        path = None if target is None else f"{origin or ''}{target.path}"
        self.client = f'"client":{{"ip":{_quoted(peer.remote_address)},"port":'
        self.request = (
            f'}},"server":{{"ip":{_quoted(peer.local_address)},"port":{peer.local_port}}},"http":{{"request":{{'
            f'"secure":{"true" if peer.secure else "false"},"method":{_text(method)},"path":{_text(path)},'
            f'"headers":{_header_texts(headers)}}}}},"response":'
        )
        self.route = f"{_route(route)}}}}}"

    def fill(
        self,
        call: RecordedCall,
        subject: Subject,
        status: int | None,
        elapsed: float,
        part: EventPart = EventPart.WHOLE,
        reason: str | None = None,
    ) -> Record:
        """Return the record of one HTTP exchange: what was asked, by whom, and how it was answered.

        `status` is `None` when the exchange broke off before it was answered, `elapsed` the seconds until the
        last byte of the answer, `reason` why the gateway itself ended the exchange before any handler saw it.
        """
        transaction_id = call.transaction_id
        number, name = _ACCESS_NAMES[part]
        answer = "null" if part is DECISION else _answer(status, round(elapsed * 1000), reason)
        return Record(
            ACCESS,
            f'{{"_id":"{transaction_id}-{number}","timestamp":"{_millisecond(round(call.arrived * 1000))}",'
            f'"eventName":"{name}","transactionId":"{transaction_id}",{subject.identity},'
            f"{self.client}{call.peer.remote_port}{self.request}{answer},"
            f'"ig":{{"exchangeId":"{transaction_id}",{self.route}',
        )


class McpForm:
    """What the MCP records of one route and client's address have in common."""

    __slots__ = ("client", "route")

    def __init__(self, route: RouteIdentity | None, peer: Peer) -> None:
        """Render it. Of `peer`, only the remote address matters."""
        self.client = f'"client":{{"ip":{_quoted(peer.remote_address)},"port":'
        self.route = f'"ig":{{{_route(route)}}}}}'

    def fill(
        self,
        call: RecordedCall,
        subject: Subject,
        message: "MessageText",
        decision: str,
        status: int | None,
        elapsed: float,
        *,
        part: EventPart = EventPart.WHOLE,
    ) -> Record:
        """Return the record of one MCP message, opening of a stream, or end of a session.

        Tells who acted for whom on what, and whether it was let through. `message` is what `tell_message`
        returns, `decision` what `tell_decision` does; `elapsed` are the seconds until the record was made.
        """
        transaction_id = call.transaction_id
        number, name = _MCP_NAMES[part]
        answer = "null" if part is DECISION else _answer(status, round(elapsed * 1000), None)
        text, tool = message
        return Record(
            MCP,
            f'{{"_id":"{transaction_id}-{number}","timestamp":"{_millisecond(round(call.arrived * 1000))}",'
            f'"eventName":"{name}","transactionId":"{transaction_id}",{subject.identity},'
            f"{self.client}{call.peer.remote_port},{text},{subject.delegation},{tool},{decision},"
            f'"response":{answer},{self.route}',
            subject.jti is not None,
        )


_ACCESS_NAMES: Final = (
    ("0", "OPENIG-HTTP-ACCESS"),
    ("0", "OPENIG-HTTP-ACCESS"),
    ("2", "OPENIG-HTTP-ACCESS-OUTCOME"),
)
_MCP_NAMES: Final = (("1", "PING-GATEWAY-MCP"), ("1", "PING-GATEWAY-MCP"), ("3", "PING-GATEWAY-MCP-OUTCOME"))
"""By `EventPart`: the suffix of the transaction's id, and the event's name."""


def timestamp_text(seconds: float) -> str:
    """Return the time in ISO 8601, in UTC with milliseconds."""
    return _millisecond(round(seconds * 1000))


@lru_cache(maxsize=64)
def _millisecond(milliseconds: int) -> str:
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _route(route: RouteIdentity | None) -> str:
    return f'"routeId":{_text(route and route.id)},"routeName":{_text(route and route.name)}'


class MessageText(NamedTuple):
    """The members of a record that tell of a message."""

    ends: str
    """The message, and what both its ends say of themselves."""
    tool: str
    """The member that names its tool."""


@lru_cache(maxsize=1024)
def tell_message(
    message_type: str | None = None,
    method: str | None = None,
    param: str | None = None,
    version: str | None = None,
    client_info: str | None = None,
    server_info: str | None = None,
) -> MessageText:
    """Return the members that tell of a message and both its ends, and the one that names its tool.

    `message_type` is the type as in `contexts.mcp`, `None` when the message was refused before it was read;
    `param` the tool, prompt, resource or task acted on, `cut`, as a client may write anything. `client_info`
    is what a client says of itself in `initialize`: never proof of anything.
    """
    what = _text(param)
    message = (
        f'"messageType":{_text(message_type)},"method":{_text(method)},"param":{what},'
        f'"protocolVersion":{_text(version)},"info":{_text(client_info)}}},'
        f'"server":{{"info":{_text(server_info)}}}'
    )
    return MessageText(message, f'"tool":{what if method == "tools/call" else "null"}')


@lru_cache(maxsize=1024)
def tell_decision(
    permitted: bool | None,  # noqa: FBT001 - lru_cache is quicker with positions
    reason: str | None,
    error_code: int | None,
    session: str | None,
) -> str:
    """Return the members that tell what was decided, and within which session.

    `permitted`: whether the gateway let the message through, `None` when the client left before that was
    decided; `reason` is why it did not; `error_code` the first JSON-RPC error code in the answer, whoever
    gave it.
    """
    decision = "null" if permitted is None else '"PERMIT"' if permitted else '"DENY"'
    code = "null" if error_code is None else f"{error_code:d}"
    return f'"decision":{decision},"reason":{_text(reason)},"errorCode":{code},"sessionId":{_text(session)}'


@lru_cache(maxsize=1024)
def _answer(status: int | None, milliseconds: int, reason: str | None) -> str:
    outcome = "FAILED" if status is None or status >= 400 else "SUCCESSFUL"
    code = "null" if status is None else f'"{status}"'
    detail = "" if reason is None else f'"detail":{{"reason":{_quoted(reason)}}},'
    return (
        f'{{"status":"{outcome}","statusCode":{code},{detail}'
        f'"elapsedTime":{milliseconds},"elapsedTimeUnits":"MILLISECONDS"}}'
    )


def _header_texts(headers: Iterable[tuple[bytes, bytes]]) -> str:
    by_name: dict[str, str] = {}
    for name, value in headers:
        safe = _SAFE_NAME[name]
        if safe:
            text = _quoted(cut(value.decode("latin-1")))
            by_name[safe] = f"{by_name[safe]},{text}" if safe in by_name else text
    return "{" + ",".join([f'"{name}":[{texts}]' for name, texts in by_name.items()]) + "}"


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
