"""Exchanges of a whole route leave nothing for the garbage collector, whatever becomes of them."""

import asyncio
import gc
import json
from collections import Counter

import pytest

from deputize.http.messages import Body, Headers, Response
from support.gateway import write_json
from support.mcp_messages import legacy_call
from support.patience import PATIENCE
from support.wire import Client, Server, answer_json, answer_text

CLAIMS = {
    "active": True,
    "sub": "demouser",
    "aud": "https://weather.example/mcp",
    "scope": "test",
    "exp": 4_000_000_000,
}
CALL = json.dumps(legacy_call()).encode()
HEADERS = [
    ("Accept", "application/json, text/event-stream"),
    ("Content-Type", "application/json"),
    ("MCP-Protocol-Version", "2025-11-25"),
    ("Authorization", "Bearer good"),
]


async def events():
    yield b"data: {}\n\n"
    await asyncio.sleep(60)


def answer(request):
    if request.target.endswith("/introspect"):
        return answer_json(CLAIMS)
    if request.method == "GET":
        return Response(200, Headers([(b"Content-Type", b"text/event-stream")]), Body(None, events()))
    return (
        answer_json({"jsonrpc": "2.0", "id": 1, "result": {}})
        if b"Basel" not in request.body
        else answer_text("", 503)
    )


def route(url):
    audit = {"class": "org.forgerock.audit.handlers.json.JsonAuditEventHandler"}
    audit["config"] = {"name": "json", "logDirectory": "audit", "topics": ["access", "mcp"]}
    resolver = {"type": "TokenIntrospectionAccessTokenResolver", "config": {"endpoint": f"{url}/introspect"}}
    resource_server = {"requireHttps": False, "scopes": "test", "accessTokenResolver": resolver}
    protection = {
        "resourceId": CLAIMS["aud"],
        "authorizationServerUri": "https://as.example",
        "resourceServerFilter": {"type": "OAuth2ResourceServerFilter", "config": resource_server},
    }
    filters = [
        {"type": "McpAuditFilter", "config": {"auditService": "AuditService"}},
        {"type": "UriPathRewriteFilter", "config": {"mappings": {"/mcp": "/"}}},
        {"type": "McpProtectionFilter", "config": protection},
        {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}},
    ]
    return {
        "baseURI": url,
        "heap": [{"name": "AuditService", "type": "AuditService", "config": {"eventHandlers": [audit]}}],
        "handler": {"type": "Chain", "config": {"filters": filters, "handler": "ReverseProxyHandler"}},
    }


async def call(client):
    assert (await client.ask("POST", "/mcp", HEADERS, CALL)).status == 200


async def fail(client):
    assert (await client.ask("POST", "/mcp", HEADERS, CALL.replace(b"Tokyo", b"Basel"))).status == 503


async def refuse(client):
    assert (await client.ask("POST", "/mcp", HEADERS[:-1], CALL)).status == 401


async def hang_up(client):
    await client.send("GET", "/mcp", HEADERS)
    assert (await client.head())[0] == 200
    await client.chunk()


@pytest.mark.parametrize("way", [call, fail, refuse, hang_up])
async def test_nothing_is_left_for_the_collector(instance, started, way):
    async with Server(answer) as backend:
        write_json(instance / "config" / "routes" / "mcp.json", route(backend.url))
        gateway = await started(instance)

        async def once():
            async with Client(gateway.ports[0]) as client:
                await way(client)

        await once()
        await asyncio.sleep(0.05)
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for _ in range(5):
                await once()
            async with asyncio.timeout(PATIENCE):
                while gateway._gate.connections:
                    await asyncio.sleep(0.01)
            gc.collect()
            left = Counter(
                type(each).__name__ for each in gc.garbage if type(each).__module__.startswith("deputize")
            )
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
        assert not left
