"""Audit events to start from."""

from deputize.audit.records import AccessEvent, AccessForm, McpEvent, McpForm, RouteIdentity, Subject
from deputize.http.exchange import Peer
from deputize.kernel.uris import Origin, Target
from support.audit_oracle import Asked

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
