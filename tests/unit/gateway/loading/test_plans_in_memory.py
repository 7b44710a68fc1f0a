"""What the plans of a gateway take of memory, as a real route makes them."""

import asyncio
import gc
import json
import tracemalloc

import pytest

from support.mcp_messages import modern_call
from support.twin_gateways import MemoryLoop, twin_gateways

TOKENS = 200
BODY = json.dumps(modern_call()).encode()
CLIENT = ("192.0.2.1", 5001, False)
HEAP = [
    {"name": "AuditService", "type": "MemoryAudit"},
    {
        "name": "rsFilter",
        "type": "OAuth2ResourceServerFilter",
        "config": {
            "requireHttps": False,
            "scopes": ["test"],
            "accessTokenResolver": {"type": "Tokens"},
            "cache": {"enabled": True},
        },
    },
]
ROUTE = {
    "condition": "${find(request.uri.path, '^/mcp(/|$)')}",
    "baseURI": "http://up:8000",
    "handler": {
        "type": "Chain",
        "config": {
            "filters": [
                {"type": "McpAuditFilter", "config": {"auditService": "AuditService"}},
                {"type": "UriPathRewriteFilter", "config": {"mappings": {"/mcp": "/"}}},
                {
                    "type": "McpProtectionFilter",
                    "config": {
                        "resourceId": "https://a/mcp",
                        "authorizationServerUri": "https://as/as",
                        "resourceServerFilter": "rsFilter",
                        "resourceIdPointer": "/aud/0",
                        "requireActor": True,
                    },
                },
                {"type": "McpValidationFilter", "config": {"acceptedOrigins": "https://a"}},
            ],
            "handler": {"type": "ReverseProxyHandler", "config": {"commentInterval": "unlimited"}},
        },
    },
}


def calling(number, more=b""):
    return (
        b"POST /mcp HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer token-%d\r\n"
        b"Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
        b"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: forecast_daily\r\n"
        b"traceparent: 00-%032x-01\r\nUser-Agent: python-httpx/0.28\r\n%bContent-Length: %d\r\n\r\n%b"
        % (number, number, more, len(BODY), BODY)
    )


def in_gateway(drive, **limits):
    """Have `drive` use a gateway whose tokens are all valid."""

    async def run():
        claims = {"sub": "user", "act": {"sub": "agent"}, "aud": ["https://a/mcp"], "scope": "test"}
        known = {f"token-{number}": claims for number in range(TOKENS)}
        async with twin_gateways({"mcp": ROUTE}, known, heap=HEAP, **limits) as twins:
            twins.loop.twin = twin = twins.mindful

            async def send(data):
                connection, transport = twin.connection(CLIENT)
                connection.data_received(data)
                await twins.loop.settle()
                twin.take()
                answer, transport.written = transport.written, b""
                return answer

            await drive(send, twin.listeners[False])

    with asyncio.Runner(loop_factory=MemoryLoop) as runner:
        runner.run(run())


@pytest.mark.parametrize(
    "more",
    [b"", b"X-Long: " + b"x" * 1000 + b"\r\n", b"".join(b"X-%d: abcdefgh\r\n" % each for each in range(60))],
    ids=["usual", "long", "many fields"],
)
def test_a_plan_takes_no_more_memory_than_it_counts_for(more):
    async def measure(send, listener):
        for _ in range(2):  # first, each token is asked about
            for number in range(TOKENS):
                await send(calling(number, more))
        listener.handler = listener.handler  # forgets every plan
        gc.collect()
        tracemalloc.start()
        try:
            for number in range(TOKENS):
                await send(calling(number, more))
            gc.collect()
            taken = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        counted = sum(known.size for known in listener.plans._young.values())
        assert len(listener.plans._young) == TOKENS
        assert counted / 2 < taken < counted

    in_gateway(measure, plans=1000)


@pytest.mark.parametrize("count", [600, pytest.param(100_000, marks=pytest.mark.slow)])
def test_heads_that_never_come_again_are_forgotten_and_the_hot_plan_stays(count):
    async def flood(send, listener):
        for _ in range(2):
            assert await send(calling(0))
        plans, lost = listener.plans, 0
        (key,) = plans._young
        for number in range(count):
            await send(calling(1, b"X-Number: %d\r\n" % number))
            if number % 20 == 0:
                lost += plans.recall(key, listener.clock.now()) is None
                kept = [*plans._young.values(), *plans._old.values()]
                assert len(kept) <= 200
                assert plans._bytes <= sum(known.size for known in kept) <= 200 * 20 * 1024
        assert len(kept) > 100
        assert lost == 0

    in_gateway(flood, plans=200)
