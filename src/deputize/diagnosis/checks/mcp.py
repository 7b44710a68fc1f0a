"""Calls through the gateway: it lets the token through, the server answers, and streams really stream."""

import asyncio
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
)
from deputize.diagnosis.checks.gateway import explain_failed_check
from deputize.diagnosis.findings import Found, NotTried, safe
from deputize.diagnosis.web import ReadAnswer
from deputize.http.sse import is_event_stream
from deputize.kernel.values import JsonObject
from deputize.mcp.challenge import bearer


async def open_session(case: Case) -> Fine:
    """Initialize as an MCP client does, with the token."""
    answer = await call_server(case, INITIALIZE, _token(case))
    if refused := explain_call(case, answer):
        raise refused
    result = answer.message.get("result")
    if not isinstance(result, dict):
        raise Found(causes.NO_MCP_ANSWER, answer=f"{answer.status}, and no result of initialize")
    case.session = answer.headers.get("mcp-session-id") or ""
    case.protocol = str(result.get("protocolVersion", ""))
    server = result.get("serverInfo")
    name = server.get("name") if isinstance(server, dict) else None
    await call_server(case, {"jsonrpc": "2.0", "method": "notifications/initialized"}, _token(case))
    return Fine(
        "the gateway lets the token through, and the MCP server answers",
        (f"server = {name!r}, MCP {case.protocol}",),
    )


async def list_tools(case: Case) -> Fine:
    """Ask for the tools."""
    message: JsonObject = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    answer = await call_server(case, message, _token(case))
    if refused := explain_call(case, answer):
        raise refused
    result = answer.message.get("result")
    tools = result.get("tools") if isinstance(result, dict) else None
    if not isinstance(tools, list):
        raise Found(causes.NO_MCP_ANSWER, answer=f"{answer.status}, and no list of tools")
    names = [str(each.get("name")) for each in tools if isinstance(each, dict)]
    return Fine(f"{len(names)} tools", (safe(", ".join(names)),))


async def open_stream(case: Case) -> Fine:
    """Open the server's event stream, which does not end: its head has to come at once."""
    fields = [*mcp_fields(case, _token(case))]
    fields[0] = (b"Accept", b"text/event-stream")
    seconds = case.options.patience
    try:
        async with (
            asyncio.timeout(seconds),
            case.web.opened("GET", case.options.gateway_url, fields) as response,
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
