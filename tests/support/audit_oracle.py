"""How records are rendered when nobody is in a hurry: a dictionary, given to the standard encoder.

The records of `deputize.audit.records` have these bytes, member by member.
"""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from deputize.audit.records import EventPart, RouteIdentity, cut
from deputize.http.exchange import Peer
from deputize.kernel.uris import Origin, Target

if TYPE_CHECKING:
    from support.audit_events import AccessEvent, McpEvent

SAFE_HEADERS = frozenset(
    {
        "accept",
        "accept-api-version",
        "content-type",
        "host",
        "user-agent",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-original-uri",
        "x-real-ip",
        "x-request-id",
        "x-requested-with",
        "x-scheme",
    }
)


class Asked(NamedTuple):
    """What the forms of a call's records are made of."""

    route: RouteIdentity | None
    peer: Peer
    method: str | None
    origin: Origin | None
    target: Target | None
    headers: tuple[tuple[bytes, bytes], ...]


def access_text(asked: Asked, event: "AccessEvent") -> str:
    """What `event` renders, in the form of `asked`."""
    target = asked.target
    headers: dict[str, list[str]] = {}
    for name, value in asked.headers:
        lowered = name.decode("latin-1").lower()
        if lowered in SAFE_HEADERS:
            headers.setdefault(lowered, []).append(cut(value.decode("latin-1")))
    request = {
        "secure": asked.peer.secure,
        "method": asked.method,
        "path": None if target is None else f"{asked.origin or ''}{target.path}",
        "headers": headers,
    }
    return encode(
        {
            **beginning(event, "OPENIG-HTTP-ACCESS", 0),
            "client": {"ip": asked.peer.remote_address, "port": event.remote_port},
            "server": {"ip": asked.peer.local_address, "port": asked.peer.local_port},
            "http": {"request": request},
            "response": response(event, event.reason),
            "ig": {"exchangeId": event.transaction_id, **route(asked)},
        }
    )


def mcp_text(asked: Asked, event: "McpEvent") -> str:
    """What `event` renders, in the form of `asked`."""
    subject = event.subject
    return encode(
        {
            **beginning(event, "PING-GATEWAY-MCP", 1),
            "client": {
                "ip": asked.peer.remote_address,
                "port": event.remote_port,
                "messageType": event.message_type,
                "method": event.method,
                "param": event.param,
                "protocolVersion": event.protocol_version,
                "info": event.client_info,
            },
            "server": {"info": event.server_info},
            "sub": subject.sub,
            "act": subject.act,
            "clientId": subject.client_id,
            "scopes": subject.scopes,
            "jti": subject.jti,
            "tool": event.param if event.method == "tools/call" else None,
            "decision": {True: "PERMIT", False: "DENY", None: None}[event.permitted],
            "reason": event.reason,
            "errorCode": event.error_code,
            "sessionId": event.session_id,
            "response": response(event),
            "ig": route(asked),
        }
    )


def beginning(event: "AccessEvent | McpEvent", name: str, number: int) -> dict[str, Any]:
    is_outcome = event.part is EventPart.OUTCOME
    moment = datetime.fromtimestamp(round(event.timestamp * 1000) // 1000, UTC)
    milliseconds = round(event.timestamp * 1000) % 1000
    return {
        "_id": f"{event.transaction_id}-{number + 2 if is_outcome else number}",
        "timestamp": f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z",
        "eventName": f"{name}-OUTCOME" if is_outcome else name,
        "transactionId": event.transaction_id,
        "userId": event.subject.sub,
        "trackingIds": [event.subject.jti] if event.subject.jti else [],
    }


def response(event: "AccessEvent | McpEvent", reason: str | None = None) -> dict[str, Any] | None:
    if event.part is EventPart.DECISION:
        return None
    failed = event.status is None or event.status >= 400
    return {
        "status": "FAILED" if failed else "SUCCESSFUL",
        "statusCode": None if event.status is None else str(event.status),
        **({} if reason is None else {"detail": {"reason": reason}}),
        "elapsedTime": round(event.elapsed * 1000),
        "elapsedTimeUnits": "MILLISECONDS",
    }


def route(asked: Asked) -> dict[str, Any]:
    return {
        "routeId": asked.route and asked.route.id,
        "routeName": asked.route and asked.route.name,
    }


def encode(members: dict[str, Any]) -> str:
    return json.dumps(members, separators=(",", ":"))
