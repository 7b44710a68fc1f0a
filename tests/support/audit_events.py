"""Audit events to start from."""

from dataclasses import dataclass
from types import SimpleNamespace

from deputize.audit.records import (
    AccessForm,
    EventPart,
    McpForm,
    Record,
    RouteIdentity,
    Subject,
    tell_decision,
    tell_message,
)
from deputize.http.exchange import Peer
from deputize.kernel.uris import Origin, Target
from support.audit_oracle import Asked


@dataclass
class AccessEvent:
    """What an access record tells of one exchange."""

    form: AccessForm
    transaction_id: str
    timestamp: float
    remote_port: int
    subject: Subject
    status: int | None
    elapsed: float
    reason: str | None = None
    part: EventPart = EventPart.WHOLE

    def record(self) -> Record:
        return self.form.fill(
            _call(self),
            self.subject,
            self.status,
            self.elapsed,
            self.part,
            self.reason,
        )


@dataclass
class McpEvent:
    """What an MCP record tells of one message."""

    form: McpForm
    transaction_id: str
    timestamp: float
    remote_port: int
    subject: Subject
    message_type: str | None
    method: str | None
    param: str | None
    protocol_version: str | None
    session_id: str | None
    permitted: bool | None
    status: int | None
    elapsed: float
    reason: str | None = None
    error_code: int | None = None
    client_info: str | None = None
    server_info: str | None = None
    part: EventPart = EventPart.WHOLE

    def record(self) -> Record:
        return self.form.fill(
            _call(self),
            self.subject,
            tell_message(
                self.message_type,
                self.method,
                self.param,
                self.protocol_version,
                self.client_info,
                self.server_info,
            ),
            tell_decision(self.permitted, self.reason, self.error_code, self.session_id),
            self.status,
            self.elapsed,
            part=self.part,
        )


def _call(event):
    peer = PEER._replace(remote_port=event.remote_port)
    return SimpleNamespace(transaction_id=event.transaction_id, arrived=event.timestamp, peer=peer)


PEER = Peer("192.0.2.1", 40000, "127.0.0.1", 8443, secure=True)
ROUTE = RouteIdentity("mcp", "mcp route")
SUBJECT = Subject("demouser", ("agent-1", "agent-0"), "agent-1", ("test",), "jti-1")
ASKED = Asked(
    ROUTE,
    PEER,
    "POST",
    Origin("https", "ig.example.com", 8443),
    Target("/mcp", "token=s3cret"),
    (
        (b"Host", b"ig.example.com:8443"),
        (b"AUTHORIZATION", b"Bearer s3cret"),
        (b"Cookie", b"c=s3cret"),
        (b"accept", b"a/b"),
        (b"Accept", b"c/d"),
    ),
)
ACCESS = AccessEvent(
    AccessForm(*ASKED),
    "tx",
    1774039361.0625,
    PEER.remote_port,
    SUBJECT,
    200,
    0.0126,
)
MCP = McpEvent(
    McpForm(ROUTE, PEER),
    "tx",
    1774039361.0625,
    PEER.remote_port,
    SUBJECT,
    "MCP_MESSAGE",
    "tools/call",
    "forecast_daily",
    "2025-11-25",
    "session-1",
    permitted=True,
    status=200,
    elapsed=0.0126,
)
