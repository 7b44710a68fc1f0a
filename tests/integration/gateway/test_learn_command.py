"""`deputize gateway learn` against servers of the official SDK."""

import asyncio
import json

import pytest
from click.testing import CliRunner
from mcp.server.mcpserver import MCPServer

from banking_mcp_server import application
from deputize.cli.learn import learn
from support.asgi import serving
from support.wire import Server, answer_json


async def run(*arguments):
    return await asyncio.to_thread(CliRunner().invoke, learn, arguments)


async def test_rules_are_proposed_for_a_running_server():
    async with serving(application()) as url:
        found = await run(f"{url}/")
    rules = json.loads(found.stdout)["config"]["rules"]
    assert [(each["tools"], each["scopes"]) for each in rules] == [
        ("transfer", "banking:transfer"),
        (["list_accounts", "read_balance", "list_transactions"], "banking:read"),
    ]


async def test_all_pages_and_kinds_are_read():
    server = MCPServer("shop")
    server.resource("item://{key}", name="item")(lambda key: key)
    server.resource("list://all", name="all")(lambda: "x")
    server.prompt("greet")(lambda: "hello")
    async with serving(server.streamable_http_app(streamable_http_path="/")) as url:
        found = await run(f"{url}/", "--prefix", "s")
    [reading] = json.loads(found.stdout)["config"]["rules"]
    assert (reading["prompts"], reading["resources"], reading["scopes"]) == (
        ["greet"],
        ["list://all", "item://{key}"],
        "s:read",
    )


def pages(request):
    message = json.loads(request.body)
    identity, method = message.get("id"), message["method"]
    if method == "tools/list":
        at = int(message["params"].get("cursor", "0"))
        result = {"tools": [{"name": f"t{at}"}], **({"nextCursor": str(at + 1)} if at < 3 else {})}
    elif method == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "p"}}
    else:
        return answer_json({"jsonrpc": "2.0", "id": identity, "error": {"code": -32601, "message": "no"}})
    return answer_json({"jsonrpc": "2.0", "id": identity, "result": result})


async def test_pages_are_followed():
    async with Server(pages) as server:
        found = await run(server.url)
    assert [each["tools"] for each in json.loads(found.stdout)["config"]["rules"]] == ["t0", "t1", "t2", "t3"]


@pytest.mark.parametrize(
    ("status", "words"), [(401, "give --token-file"), (404, "answers 404, and not as an MCP server")]
)
async def test_what_lets_nobody_in_or_is_no_server_is_told(status, words):
    async with Server(lambda request: answer_json({}, status)) as server:
        found = await run(server.url)
    assert (found.exit_code, words in found.stderr) == (1, True)


async def test_where_nobody_listens_is_told():
    found = await run("http://127.0.0.1:9/")
    assert (found.exit_code, "cannot be asked: no connection" in found.stderr) == (1, True)


async def test_a_token_does_not_travel_in_clear_text(tmp_path):
    file = tmp_path / "token"
    file.write_text("secret")
    found = await run("http://mcp.example.com/", "--token-file", str(file))
    assert (found.exit_code, "is not https" in found.stderr) == (1, True)
