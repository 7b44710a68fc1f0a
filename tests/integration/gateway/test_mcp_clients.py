"""The official SDK's client and server on both sides of the gateway.

Whatever they say to each other passes the validation.
"""

import json

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import Context, MCPServer

from support.asgi import serving
from support.gateway import write_json
from support.wire import Server, answer_json

MODES = [("legacy", "2025-11-25"), ("auto", "2026-07-28"), ("2026-07-28", "2026-07-28")]


def everything():
    """A server that has one of each."""
    server = MCPServer("everything")

    @server.tool()
    def add(left: int, right: int) -> int:
        return left + right

    @server.tool(name="grüße")
    async def greet(name: str, context: Context) -> str:
        await context.report_progress(1, 2)
        return f"Hello {name}"

    @server.resource("test://static/{name}")
    def resource(name: str) -> str:
        return f"resource {name}"

    @server.prompt()
    def ask(question: str) -> str:
        return f"Answer: {question}"

    return server.streamable_http_app(streamable_http_path="/")


def route_to(url):
    audit = {"class": "org.forgerock.audit.handlers.json.JsonAuditEventHandler"}
    audit["config"] = {"name": "json", "logDirectory": "audit", "topics": ["mcp"]}
    filters = [
        {"type": "McpAuditFilter", "config": {"auditService": "AuditService"}},
        {"type": "UriPathRewriteFilter", "config": {"mappings": {"/mcp": "/"}}},
        {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}},
    ]
    return {
        "baseURI": url,
        "heap": [{"name": "AuditService", "type": "AuditService", "config": {"eventHandlers": [audit]}}],
        "handler": {"type": "Chain", "config": {"filters": filters, "handler": "ReverseProxyHandler"}},
    }


@pytest.fixture
async def guarded(instance, started):
    """The server's URL through the gateway, and what reads the records after the gateway has stopped."""
    async with serving(everything()) as url:
        write_json(instance / "config" / "routes" / "mcp.json", route_to(url))
        gateway = await started(instance)

        async def records():
            await gateway.stop()
            return [
                json.loads(line) for line in (instance / "audit" / "mcp.audit.json").read_text().splitlines()
            ]

        yield f"http://127.0.0.1:{gateway.ports[0]}/mcp", records


@pytest.mark.parametrize(("mode", "version"), MODES)
async def test_clients_of_every_era_get_everything_through(guarded, mode, version):
    url, records = guarded
    async with Client(url, mode=mode) as client:
        assert client.protocol_version == version
        assert len((await client.list_tools()).tools) == 2
        assert (await client.call_tool("add", {"left": 2, "right": 3})).structured_content == {"result": 5}
        assert (await client.call_tool("grüße", {"name": "s3cret"})).content[0].text == "Hello s3cret"
        assert (await client.read_resource("test://static/a")).contents[0].text == "resource a"
        assert (await client.get_prompt("ask", {"question": "s3cret"})).messages
        assert (await client.call_tool("nothing", {})).is_error
    written = await records()
    assert [record for record in written if record["decision"] == "DENY"] == []
    acted_on = {(record["client"]["method"], record["client"]["param"]) for record in written}
    expected = {
        ("tools/call", "add"),
        ("tools/call", "grüße"),
        ("resources/read", "test://static/a"),
        ("prompts/get", "ask"),
    }
    assert expected <= acted_on
    assert "s3cret" not in json.dumps(written)


async def test_a_legacy_session_leaves_who_both_sides_say_they_are(guarded):
    url, records = guarded
    async with Client(url, mode="legacy") as client:
        await client.list_tools()
    written = await records()
    decision, outcome = (
        record for record in written if record["client"]["method"] == "initialize"
    )  # the answer is a stream
    assert [each["eventName"] for each in (decision, outcome)] == [
        "PING-GATEWAY-MCP",
        "PING-GATEWAY-MCP-OUTCOME",
    ]
    assert decision["client"]["info"].startswith("mcp ")
    assert outcome["server"]["info"].startswith("everything")
    sessions = {record["sessionId"] for record in written if record["client"]["method"] == "tools/list"}
    assert len(sessions) == 1
    assert None not in sessions


@pytest.mark.parametrize(("mode", "version"), MODES)
async def test_clients_of_every_era_keep_their_sessions_behind_a_token(instance, started, mode, version):
    """The client carries a sealed id, the server hears its own, and the end of the session arrives."""
    claims = {
        "active": True,
        "sub": "demouser",
        "client_id": "agent-1",
        "aud": "https://weather.example/mcp",
        "scope": "test",
    }
    resolver = {"type": "TokenIntrospectionAccessTokenResolver"}
    protection = {
        "type": "McpProtectionFilter",
        "config": {
            "resourceId": claims["aud"],
            "authorizationServerUri": "https://as.example",
            "resourceServerFilter": {
                "type": "OAuth2ResourceServerFilter",
                "config": {"requireHttps": False, "scopes": "test", "accessTokenResolver": resolver},
            },
        },
    }
    async with serving(everything()) as url, Server(lambda request: answer_json(claims)) as authority:
        resolver["config"] = {"endpoint": f"{authority.url}/introspect"}
        route = route_to(url)
        route["handler"]["config"]["filters"].insert(2, protection)
        write_json(instance / "config" / "routes" / "mcp.json", route)
        gateway = await started(instance)
        url = f"http://127.0.0.1:{gateway.ports[0]}/mcp"
        async with (
            httpx2.AsyncClient(headers={"Authorization": "Bearer t"}) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode) as client,
        ):
            assert client.protocol_version == version
            assert (await client.call_tool("add", {"left": 2**53, "right": 3})).structured_content == {
                "result": 2**53 + 3
            }
        await gateway.stop()
    written = [json.loads(line) for line in (instance / "audit" / "mcp.audit.json").read_text().splitlines()]
    assert [record for record in written if record["decision"] == "DENY"] == []
    sessions = {record["sessionId"] for record in written if record["client"]["method"] == "tools/call"}
    ended = [record for record in written if record["client"]["messageType"] == "MCP_SESSION_TERMINATION"]
    assert (len(ended) > 0, None not in sessions) == ((True, True) if mode == "legacy" else (False, False))
    assert {record["sessionId"] for record in ended} <= sessions
