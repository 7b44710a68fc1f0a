"""Policies decide on what a server of the official SDK reads, and are loaded again when files change."""

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from mcp.server.mcpserver import MCPServer

from banking.ledger import Ledger
from banking_mcp_server import banking_server
from support.asgi import serving
from support.gateway import write_json
from support.patience import PATIENCE
from support.wire import Server, answer_json, ask

HEADERS = [
    ("Accept", "application/json, text/event-stream"),
    ("Content-Type", "application/json"),
    ("MCP-Protocol-Version", "2025-11-25"),
    ("Authorization", "Bearer good"),
]
CLAIMS = {
    "active": True,
    "sub": "demouser",
    "client_id": "assistant",
    "act": {"sub": "assistant"},
    "scope": "test",
    "aud": "https://bank.example/mcp",
}
ARGUMENTS = [
    '{"amount": 100, "to": "alice"}',
    '{"amount": 1e2, "to": "alice"}',
    '{"amount": 100.0, "to": "alice"}',
    '{"amount": -0, "to": "alice"}',
    '{"amount": 100.00000000000000001, "to": "alice"}',
    '{"amount": 100.00000000000001, "to": "alice"}',
    '{"amount": 1e-400, "to": "alice"}',
    '{"amount": 1E400, "to": "alice"}',
    '{"amount": 1e308, "to": "alice"}',
    '{"amount": "100", "to": "alice"}',
    '{"amount": "1e9", "to": "alice"}',
    '{"amount": true, "to": "alice"}',
    '{"amount": null, "to": "alice"}',
    '{"amount": [5], "to": "alice"}',
    '{"amount": 5, "amount": 500, "to": "alice"}',
    '{"amount": 500, "Amount": 5, "to": "alice"}',
    '{"Amount": 5, "to": "alice"}',
    '{"am\\u006funt": 500, "to": "alice"}',
    '{"am\\u006funt": 50, "to": "alice"}',
    '{"amount": 5, "to": "Alice"}',
    '{"amount": 5, "to": "alice "}',
    '{"amount": 5, "to": "al\\u0069ce"}',
    '{"amount": 5, "to": "\\uff41lice"}',
    '{"amount": 9007199254740993, "to": "alice"}',
    '{"amount": 5, "to": "alice", "note": ' + "[" * 80 + "]" * 80 + "}",
]


def write_route(instance, upstream, authority, **policies):
    resolver = {
        "type": "TokenIntrospectionAccessTokenResolver",
        "config": {"endpoint": f"{authority.url}/introspect"},
    }
    filters = [
        {
            "type": "OAuth2ResourceServerFilter",
            "config": {"requireHttps": False, "scopes": "test", "accessTokenResolver": resolver},
        },
        {"type": "McpValidationFilter", "config": {"acceptedOrigins": "https://a.example"}},
        {
            "type": "McpToolAuthorizationFilter",
            "config": {
                "rules": [{"tools": "*", "scopes": "test"}],
                "policies": {
                    "type": "McpToolPolicies",
                    "config": {"server": "https://bank.example/mcp", **policies},
                },
            },
        },
    ]
    handler = {"type": "Chain", "config": {"filters": filters, "handler": "ReverseProxyHandler"}}
    write_json(instance / "config" / "routes" / "mcp.json", {"baseURI": upstream, "handler": handler})


async def call(port, arguments, tool="transfer"):
    params = f'{{"name": "{tool}", "arguments": {arguments}}}'
    body = f'{{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {params}}}'
    return await ask(port, "POST", "/", HEADERS, body.encode())


@pytest.fixture
async def authority():
    async with Server(lambda _: answer_json(CLAIMS)) as server:
        yield server


async def test_what_passes_is_within_the_limits_as_the_official_server_reads_it(instance, started, authority):
    read = []

    def transfer(amount: float, to: str, note: object = None) -> str:
        read.append((amount, to))
        return "done"

    server = MCPServer("bank", log_level="ERROR")
    server.add_tool(transfer)
    app = server.streamable_http_app(streamable_http_path="/", stateless_http=True)
    async with serving(app) as upstream:
        write_route(
            instance,
            upstream,
            authority,
            limits=["transfer.amount <= 100", "transfer.amount >= 0", "transfer.to in payees"],
            lists={"payees": ["alice"]},
        )
        port = (await started(instance)).ports[0]
        passed = [text for text in ARGUMENTS if (await call(port, text)).status == 200]
    assert passed == [ARGUMENTS[at] for at in (0, 1, 2, 3, 18, 21)]
    assert read == [(100, "alice"), (100, "alice"), (100, "alice"), (0, "alice"), (50, "alice"), (5, "alice")]


async def test_rules_for_the_banking_sample_are_loaded_again_when_they_change(fast, started, authority):
    ledger = Ledger(lambda: datetime.now(UTC))
    server = banking_server(ledger)
    tools = [tool.model_dump(by_alias=True, exclude_none=True) for tool in await server.list_tools()]
    write_json(fast / "tools.json", {"tools": tools})
    rules = fast / "bank.cedar"
    rule = """permit(principal == Agent::"assistant", action == Action::"transfer", resource)
        when { context.arguments.amount.lessThanOrEqual(decimal("LIMIT")) };
        permit(principal, action == Action::"read_balance", resource);"""

    def write(text):
        """Write as editors do: a new file in place of the old one."""
        new = rules.with_suffix(".new")
        new.write_text(text)
        new.replace(rules)

    write(rule.replace("LIMIT", "10.0"))
    names = [each.name for each in ledger.accounts()]
    app = server.streamable_http_app(streamable_http_path="/", stateless_http=True)

    async def transfers(amount):
        arguments = {"from_account": names[0], "to_account": names[1], "amount": amount}
        return (await call(port, json.dumps(arguments))).status == 200

    async def until(condition):
        async with asyncio.timeout(PATIENCE):
            while not await condition():
                await asyncio.sleep(0.005)

    async with serving(app) as upstream:
        write_route(fast, upstream, authority, tools="tools.json", cedar="bank.cedar")
        gateway = await started(fast)
        port = gateway.ports[0]
        assert (await transfers(10), await transfers(10.5), await transfers("1")) == (True, False, False)
        assert (await call(port, json.dumps({"account": names[0]}), "read_balance")).status == 200
        assert (await call(port, "{}", "list_accounts")).status == 403
        write(rule.replace("LIMIT", "20.0"))
        await until(lambda: transfers(10.5))
        write("permit(principal, action, resource) when { context.nothing };")
        await asyncio.sleep(0.1)
        assert (await transfers(10.5), await transfers(21)) == (True, False)
        write(rule.replace("LIMIT", "5.0"))

        async def is_stricter():
            return not await transfers(10)

        await until(is_stricter)


async def test_a_budget_is_shared_by_two_gateways_of_the_machine(instance, started, authority):
    async with Server(lambda _: answer_json({"jsonrpc": "2.0", "id": 1, "result": {}})) as upstream:
        budget = {"name": "daily", "of": "transfer.amount", "limit": "10"}
        write_route(instance, upstream.url, authority, budgets=[budget])
        ports = [(await started(instance)).ports[0] for _ in range(2)]
        answers = await asyncio.gather(
            *(call(ports[at % 2], f'{{"amount": {Decimal("0.7")}}}') for at in range(40))
        )
        assert sum(each.status == 200 for each in answers) == 14
        assert len(upstream.received) == 14
