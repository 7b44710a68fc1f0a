"""What the handler that sends requests on tells the listener and the client; the rest is in tests/integration/gateway."""

import pytest

from deputize.http.exchange import Handler
from deputize.mcp.context import McpContext
from deputize.mcp.headers import read_fields
from deputize.mcp.validation import check_opening
from support.gateway import built, exchange_for

NOBODY = "http://127.0.0.1:1"


@pytest.mark.parametrize(("config", "seconds"), [({}, 15.0), ({"commentInterval": "3 s"}, 3.0), ({"commentInterval": "unlimited"}, None)])
@pytest.mark.parametrize("mcp", [True, False])
async def test_streams_are_commented_where_mcp_messages_are_validated(config, seconds, mcp):
    exchange = exchange_for(origin=NOBODY)
    if mcp:
        exchange.put(McpContext(check_opening("GET", read_fields([(b"MCP-Protocol-Version", b"2025-11-25")])), None))
    response = await built(Handler, {"type": "ReverseProxyHandler", "config": config}).handle(exchange)
    assert exchange.comment_seconds == (seconds if mcp else None)
    assert (response.status, response.body.buffered != b"") == (502, mcp)
