"""Calls through the gateway: it lets the token through, the server answers, and streams really stream."""

import asyncio
from typing import Final
from urllib.parse import urlsplit

from deputize.diagnosis import causes
from deputize.diagnosis.case import Case
from deputize.diagnosis.checks.check import (
    INITIALIZE,
    Check,
    Fine,
    call_server,
    challenges_of,
    mcp_fields,
    message_of,
)
from deputize.diagnosis.checks.gateway import explain_failed_check
from deputize.diagnosis.findings import Found, NotTried, safe
from deputize.diagnosis.web import ReadAnswer
from deputize.http.sse import is_event_stream
from deputize.kernel.strict_json import dumps
from deputize.kernel.values import JsonValue
from deputize.mcp.challenge import bearer
from deputize.mcp.versions import MODERN

_NOT_INITIALIZED: Final = frozenset({200, 400, 404, 405})
"""With what servers answer `initialize` that do not know it, or what is none at all."""


async def open_session(case: Case) -> Fine:
    """Initialize with the token as an MCP client does, or discover a server that no longer has sessions."""
    answer = await call_server(case, INITIALIZE, _token(case))
    result = answer.message.get("result")
    if isinstance(result, dict):
        case.session = answer.headers.get("mcp-session-id") or ""
        case.protocol = str(result.get("protocolVersion", ""))
        await call_server(case, {"jsonrpc": "2.0", "method": "notifications/initialized"}, _token(case))
    elif answer.status in _NOT_INITIALIZED:
        result = await _discover(case)
    if not isinstance(result, dict):
        missing = Found(causes.NO_MCP_ANSWER, answer=f"{answer.status}, and no result of initialize")
        raise explain_call(case, answer) or missing
    server = result.get("serverInfo")
    name = server.get("name") if isinstance(server, dict) else None
    return Fine(
        "the gateway lets the token through, and the MCP server answers",
        (f"server = {name!r}, MCP {case.protocol}",),
    )


async def _discover(case: Case) -> JsonValue:
    """Return what a server says of itself that speaks modern versions only; `None` where it is none."""
    for case.protocol in reversed(MODERN):
        answer = await call_server(case, message_of(case, "server/discover"), _token(case))
        if isinstance(result := answer.message.get("result"), dict):
            return result
    case.protocol = ""
    return None


async def list_tools(case: Case) -> Fine:
    """Ask for the tools."""
    answer = await call_server(case, message_of(case, "tools/list"), _token(case))
    if refused := explain_call(case, answer):
        raise refused
    result = answer.message.get("result")
    tools = result.get("tools") if isinstance(result, dict) else None
    if not isinstance(tools, list):
        raise Found(causes.NO_MCP_ANSWER, answer=f"{answer.status}, and no list of tools")
    names = [str(each.get("name")) for each in tools if isinstance(each, dict)]
    return Fine(f"{len(names)} tools", (safe(", ".join(names)),))


async def open_stream(case: Case) -> Fine:
    """Open an event stream that does not end, the session's or one of a modern subscription: its head has to
    come at once.
    """
    if case.protocol in MODERN:
        listen = message_of(case, "subscriptions/listen", notifications={"toolsListChanged": True})
        method, body = "POST", dumps(listen)
        fields = mcp_fields(case, _token(case), "subscriptions/listen")
    else:
        method, body = "GET", b""
        fields = [(b"Accept", b"text/event-stream"), *mcp_fields(case, _token(case))[1:]]
    seconds = case.options.patience
    try:
        async with (
            asyncio.timeout(seconds),
            case.web.opened(method, case.options.gateway_url, fields, body) as response,
        ):
            status, streams = response.status, is_event_stream(response.headers)
    except TimeoutError as error:
        raise Found(causes.STREAMING_OFF, seconds=f"{seconds:g}") from error
    if status != 200 or not streams:
        raise NotTried(f"the server has no stream of its own ({status}): nothing to see it by")
    return Fine("an event stream begins at once")


def explain_call(case: Case, answer: ReadAnswer) -> Found | None:
    """Name why a call with the right token is not answered by the server; `None` where it is."""
    if answer.status == 200:
        return None
    challenge = next(iter(challenges_of(answer)), bearer())
    error, required = (challenge.parameters.get(name, "") for name in ("error", "scope"))
    said = answer.message.get("error")
    message = str(said.get("message", "")) if isinstance(said, dict) else ""
    told = safe(" ".join(filter(None, (str(answer.status), error, message))))
    path = urlsplit(case.options.gateway_url).path or "/"
    if answer.status == 403 and error == "insufficient_scope":
        scope = str(case.exchanged.claims.get("scope")) if case.exchanged else ""
        return Found(causes.TOKEN_SCOPE_MISSING, (told,), scope=scope, required=required)
    cause = {
        401: causes.TOKEN_REFUSED,
        403: causes.ACTOR_REQUIRED,
        404: causes.ROUTING_ERROR,
        502: causes.SERVER_UNREACHABLE,
        503: causes.SERVER_UNREACHABLE,
        504: causes.SERVER_UNREACHABLE,
    }.get(answer.status, causes.NO_MCP_ANSWER)
    return explain_failed_check(case, answer) or Found(cause, (told,), answer=told, path=path)


def _token(case: Case) -> str:
    if case.exchanged is None:
        raise NotTried("there is no token")
    return case.exchanged.value


CHECKS = (
    Check(
        "call",
        "The gateway lets the token through to the MCP server",
        open_session,
        ("claims", "token-check"),
    ),
    Check("tools", "The MCP server lists its tools", list_tools, ("call",)),
    Check("streaming", "Event streams stream", open_stream, ("call",)),
)
