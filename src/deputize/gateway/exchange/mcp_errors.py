"""JSON-RPC errors as answers to an exchange, with the id by which the client finds the request they are
about.
"""

import contextlib

from deputize.http.exchange import Exchange
from deputize.http.messages import Body, BodyBroken, BodyTooLarge, Headers, Response
from deputize.kernel import strict_json
from deputize.mcp.context import McpContext
from deputize.mcp.errors import CONTENT_TYPE, Rejection, bad_gateway
from deputize.mcp.frames import FrameKind, read_request_id


def error_response(exchange: Exchange, rejection: Rejection) -> Response:
    """The answer that `rejection` is. A body that was not read completely has no id to give."""
    if rejection.id is None:
        mcp = exchange.find(McpContext)
        if mcp is None:
            rejection = rejection.answering(read_request_id(exchange.request.body.buffered or b""))
        elif mcp.message.frame is not None and mcp.message.frame.kind is FrameKind.REQUEST:
            rejection = rejection.answering(mcp.message.frame.id)
    headers = Headers([(b"Content-Type", CONTENT_TYPE.encode())])
    if rejection.allow is not None:
        headers.add("Allow", rejection.allow)
    return Response(rejection.status, headers, Body(rejection.body()))


def failure_response(exchange: Exchange, status: int, reason: str) -> Response:
    """The answer where a server gave none that could be passed on.

    A JSON-RPC error for MCP clients, without a body for others.
    """
    if exchange.find(McpContext) is None:
        return Response(status)
    return error_response(exchange, bad_gateway(reason, status=status))


async def refuse_unread(
    exchange: Exchange, rejection: Rejection, limit: int = strict_json.MAX_SIZE
) -> Response:
    """As `error_response`, for a request that nobody has read.

    Its body, of at most `limit` bytes, is read for the id alone.
    """
    with contextlib.suppress(BodyTooLarge, BodyBroken):
        await exchange.request.body.read(limit)
    return error_response(exchange, rejection)
