"""What agents do to an MCP server's connections, and the authority to those it keeps."""

import asyncio
import json
from contextlib import AsyncExitStack, suppress

import pytest
from structlog.testing import capture_logs

from deputize.gateway.authorities.endpoint import AuthorityEndpoint
from deputize.gateway.exchange.contexts import OAuth2Context
from deputize.gateway.handlers.client import ClientHandler
from deputize.gateway.resolvers.introspection import TokenIntrospectionAccessTokenResolver
from deputize.http.messages import Body, Headers, Response
from deputize.http.plans import as_handler
from deputize.http.upstream import Upstream
from support.gateway import FixedClock, exchange_for, write_json
from support.wire import Client, Server, answer_text, ask

ACTIVE = json.dumps({"active": True, "sub": "demouser", "scope": "test"}).encode()


@pytest.fixture
async def mcp_server():
    """Answers GET with an event stream that never ends, anything else at once."""
    for_ever = asyncio.Event()

    async def events():
        yield b": open\n\n"
        await for_ever.wait()

    async def answer(request):
        if request.method == "GET":
            return Response(200, Headers([(b"Content-Type", b"text/event-stream")]), Body(None, events()))
        return answer_text("called")

    async with Server(answer) as server:
        yield server


def proxied(instance, server, **config):
    handler = {"type": "ReverseProxyHandler", "config": config}
    write_json(
        instance / "config" / "routes" / "mcp.json",
        {"name": "mcp", "baseURI": server.url, "handler": handler},
    )


async def open_streams(stack, port, count):
    """The statuses of so many requests for an event stream, which stay open with `stack`."""
    clients = [await stack.enter_async_context(Client(port)) for _ in range(count)]
    for client in clients:
        await client.send("GET", "/mcp", [("Authorization", "Bearer the-same")])
    return [(await client.head())[0] for client in clients]


async def test_the_streams_of_one_agent_do_not_keep_the_calls_of_others_waiting(
    instance, started, mcp_server
):
    proxied(instance, mcp_server)
    port = (await started(instance)).ports[0]
    async with AsyncExitStack() as stack:
        assert await open_streams(stack, port, 200) == [200] * 200
        async with asyncio.timeout(0.5):
            assert (await ask(port, "POST", "/mcp", body=b"{}")).body == b"called"


async def test_a_stream_too_many_is_503_and_the_log_says_what_to_do(instance, started, mcp_server):
    proxied(instance, mcp_server, connections=1, streams=2)
    port = (await started(instance)).ports[0]
    with capture_logs() as logs:
        async with AsyncExitStack() as stack:
            assert await open_streams(stack, port, 2) == [200, 200]
            assert (await ask(port, target="/mcp")).status == 503
            assert (await ask(port, "POST", "/mcp", body=b"{}")).status == 200
    [told] = [entry for entry in logs if entry["event"] == "the upstream failed"]
    assert "2 event streams" in told["reason"]
    assert "ThrottlingFilter" in told["fix"]


async def test_introspection_survives_an_authority_that_closes_kept_connections():
    asked, talks = [], []

    async def talk(reader, writer):
        """Answers once a connection, and closes it when asked again."""
        talks.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError):
            for answer in (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(ACTIVE), ACTIVE), b""):
                head = await reader.readuntil(b"\r\n\r\n")
                asked.append(
                    await reader.readexactly(
                        int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                    )
                )
                writer.write(answer)
        writer.close()
        await writer.wait_closed()

    upstream = Upstream()
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/introspect"
    endpoint = AuthorityEndpoint(url, as_handler(ClientHandler(upstream)))
    resolver = TokenIntrospectionAccessTokenResolver(endpoint, FixedClock())
    for _ in range(2):
        assert isinstance(await resolver.resolve("good", exchange_for()), OAuth2Context)
    assert len(asked) == 3
    await upstream.aclose()
    server.close()
    await asyncio.gather(*talks, return_exceptions=True)
