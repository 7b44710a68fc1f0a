"""What the handler that sends requests on tells the listener and the client.

The rest is in tests/integration/gateway.
"""

import pytest
from structlog.testing import capture_logs

from deputize.http.messages import Response
from deputize.http.plans import Handler
from deputize.http.upstream.errors import UpstreamError
from deputize.mcp.context import McpContext, McpRoute
from deputize.mcp.headers import read_fields
from deputize.mcp.validation import check_opening
from support.gateway import ask, built, exchange_for

NOBODY = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("config", "seconds"),
    [({}, 15.0), ({"commentInterval": "3 s"}, 3.0), ({"commentInterval": "unlimited"}, None)],
)
@pytest.mark.parametrize("mcp", [True, False])
async def test_streams_are_commented_where_mcp_messages_are_validated(config, seconds, mcp):
    exchange = exchange_for(origin=NOBODY)
    if mcp:
        exchange.put(
            McpContext(check_opening("GET", read_fields([(b"MCP-Protocol-Version", b"2025-11-25")])), None)
        )
        exchange.put(McpRoute())
    response = await ask(built(Handler, {"type": "ReverseProxyHandler", "config": config}), exchange)
    assert exchange.comment_seconds == (seconds if mcp else None)
    assert (response.status, response.body.buffered != b"") == (502, mcp)


@pytest.mark.parametrize(
    ("mcp", "status", "session", "told"),
    [(True, 404, None, 1), (True, 404, "s", 0), (True, 200, None, 0), (False, 404, None, 0)],
)
async def test_a_path_that_the_mcp_server_does_not_know_is_told(mcp, status, session, told):
    """A rewrite that does not strip the route's prefix.

    With a session the server may mean that one (it is gone).
    """
    exchange = exchange_for("/mcp", origin=NOBODY)
    if session:
        exchange.request.headers.add("Mcp-Session-Id", session)
    if mcp:
        exchange.put(
            McpContext(check_opening("GET", read_fields([(b"MCP-Protocol-Version", b"2025-11-25")])), None)
        )
        exchange.put(McpRoute())
    handler = built(Handler, {"type": "ReverseProxyHandler", "config": {}})

    async def answer(request):
        return Response(status)

    handler._send = answer
    with capture_logs() as lines:
        assert (await ask(handler, exchange)).status == status
    assert [(line["path"], "UriPathRewriteFilter" in line["fix"]) for line in lines] == [
        ("/mcp", True)
    ] * told


def every_upstream_error(kind=UpstreamError):
    return {kind}.union(*map(every_upstream_error, kind.__subclasses__()))


@pytest.mark.parametrize("kind", sorted(every_upstream_error(), key=lambda kind: kind.__name__))
async def test_every_failure_of_an_upstream_is_logged_with_what_to_do(kind):
    handler = built(Handler, {"type": "ReverseProxyHandler", "config": {}})

    async def fail(request):
        raise kind("as it happens")

    handler._send = fail
    with capture_logs() as lines:
        assert (await ask(handler, exchange_for(origin=NOBODY))).status in {502, 503, 504}
    [line] = lines
    assert (line["event"], line["reason"]) == ("the upstream failed", "as it happens")
    assert len(line["fix"].split()) > 5


async def test_a_refused_connection_points_at_the_server_and_the_base_uri():
    handler = built(Handler, {"type": "ReverseProxyHandler", "config": {}})
    with capture_logs() as lines:
        assert (await ask(handler, exchange_for(origin=NOBODY))).status == 502
    assert [line["fix"].partition(";")[0] for line in lines] == [
        "start the upstream, or correct scheme, host and port of the baseURI"
    ]
