"""A server reads the name that was decided on, however a call is written: the official SDK as the server."""

import base64
import json

import pytest
from mcp.server.mcpserver import MCPServer

from support.asgi import serving
from support.gateway import write_json
from support.mcp_messages import MODERN_META
from support.wire import ask

RULES = [
    {
        "name": "never",
        "tools": "transfer",
        "resources": "bank://secret/{x}",
        "prompts": "secret",
        "scopes": "pay",
    },
    {"name": "rest", "tools": "*", "resources": "*", "prompts": "*", "scopes": []},
]
COMMON = [("Accept", "application/json, text/event-stream"), ("Content-Type", "application/json")]
NAMES = [
    "transfer", "Transfer", "TRANSFER", " transfer", "transfer ", "transfer\\u0000", "\\u0074ransfer",
    "tran\\u017ffer", "\\uff54ransfer", "trans\\u200bfer", "transfer\\n", "\\ttransfer",
]  # fmt: skip
"""As they stand in JSON."""
URIS = [
    "bank://secret/1", "BANK://secret/1", "bank://SECRET/1", "bank://secret/%31", "bank://public/../secret/1",
    "bank://public/%2e%2e/secret/1", "bank://public/%2E%2E%2Fsecret%2F1", "bank://%73ecret/1", "bank://secret//1",
    "bank://secret\\\\1", "bank://secret/./1", "bank:///secret/1", "bank://secret:80/1", "bank://\\u0073ecret/1",
]  # fmt: skip
TWICE = [
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","name":"transfer","arguments":{}}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"transfer","name":"read","arguments":{}}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"transfer","arguments":{}}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read"},"params":{"name":"transfer"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","Name":"transfer","arguments":{}}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"na\\u006de":"transfer","name":"read"}}',
    '[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"transfer","arguments":{}}}]',
]


def call(method, member, written):
    return f'{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"{member}":"{written}"}}}}'


BODIES = [
    *(call("tools/call", "name", name) for name in NAMES),
    *(
        call("prompts/get", "name", name.replace("transfer", "secret").replace("ransfer", "ecret"))
        for name in NAMES
    ),
    *(call("resources/read", "uri", uri) for uri in URIS),
    *(call("resources/subscribe", "uri", uri) for uri in URIS),
    *TWICE,
]


@pytest.fixture
def read():
    """What the server was asked for, as it read it."""
    return []


@pytest.fixture
async def port(read, instance, started):
    server = MCPServer("bank", log_level="CRITICAL")
    for name in ("transfer", "read"):
        server.add_tool(lambda name=name: read.append(name) or "done", name=name)
    server.resource("bank://secret/{key}", name="secret")(lambda key: read.append("secret") or "x")
    server.resource("bank://public/{key}", name="public")(lambda key: read.append("public") or "x")
    server.prompt("secret")(lambda: read.append("secret") or "x")
    app = server.streamable_http_app(streamable_http_path="/", stateless_http=True)
    async with serving(app) as url:
        filters = [
            {"type": "McpValidationFilter", "config": {"acceptedOrigins": "https://a.example"}},
            {"type": "McpToolAuthorizationFilter", "config": {"rules": RULES}},
        ]
        handler = {"type": "Chain", "config": {"filters": filters, "handler": "ReverseProxyHandler"}}
        write_json(instance / "config" / "routes" / "mcp.json", {"baseURI": url, "handler": handler})
        yield (await started(instance)).ports[0]


FORBIDDEN = {"transfer", "secret"}


@pytest.mark.parametrize("version", ["2025-11-25", "2025-03-26"])
async def test_nothing_forbidden_is_reached_by_any_spelling(port, read, version):
    for body in BODIES:
        headers = [*COMMON, ("MCP-Protocol-Version", version)]
        await ask(port, "POST", "/", headers, body.encode())
        assert FORBIDDEN.isdisjoint(read), body
    await ask(port, "POST", "/", headers, call("tools/call", "name", "read").encode())
    assert read[-1] == "read"  # the server does answer


def modern(name, header):
    params = {"name": name, "arguments": {}, "_meta": MODERN_META}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    fields = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), *header]
    return [*COMMON, *fields], body.encode()


def wrapped(name):
    return f"=?base64?{base64.b64encode(name.encode()).decode()}?="


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("transfer", [("Mcp-Name", "read")]),
        ("transfer", [("Mcp-Name", wrapped("read"))]),
        ("read", [("Mcp-Name", "transfer")]),
        ("read", [("Mcp-Name", wrapped("transfer"))]),
        ("transfer", [("Mcp-Name", "read"), ("Mcp-Name", "transfer")]),
        ("transfer", [("Mcp-Name", wrapped("transfer"))]),
        ("transfer", [("mcp_name", "transfer"), ("Mcp-Name", "read")]),
        ("Transfer", [("Mcp-Name", "Transfer")]),
    ],
)
async def test_head_and_body_cannot_name_two_tools(port, read, name, header):
    await ask(port, "POST", "/", *modern(name, header))
    assert read == []


async def test_a_call_whose_head_and_body_agree_arrives(port, read):
    answer = await ask(port, "POST", "/", *modern("read", [("Mcp-Name", wrapped("read"))]))
    assert (answer.status, read) == (200, ["read"])
