import asyncio
from collections.abc import AsyncIterator

import pytest
from mcp import Client

from agent import cli
from banking_mcp_server import application


@pytest.fixture
async def banking_url(serving) -> AsyncIterator[str]:
    async with serving(application()) as url:
        yield f"{url}/"


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_tells_reading_from_moving_money(banking_url: str, mode: str):
    async with Client(banking_url, mode=mode) as client:
        hints = {tool.name: tool.annotations.read_only_hint for tool in (await client.list_tools()).tools}
        assert hints == {
            "list_accounts": True,
            "read_balance": True,
            "list_transactions": True,
            "transfer": False,
        }
        before = await client.call_tool("read_balance", {"account": "savings"})
        done = await client.call_tool(
            "transfer", {"from_account": "checking", "to_account": "savings", "amount": "50"}
        )
        after = await client.call_tool("list_transactions", {"account": "savings"})
    assert before.content[0].text == "savings: 18400.00 EUR"
    assert done.structured_content["amount"] == "50.00"
    assert [each["number"] for each in after.structured_content["transactions"]] == [1]


@pytest.mark.parametrize("amount", [0, -5, "1e9", 10_000, "1.005", "NaN"])
async def test_refuses_amounts_that_cannot_be(banking_url: str, amount: object):
    async with Client(banking_url) as client:
        answer = await client.call_tool(
            "transfer", {"from_account": "checking", "to_account": "savings", "amount": amount}
        )
    assert answer.is_error


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("What is the balance of my savings account?", "savings: 18400.00 EUR"),
        ("List my accounts", "checking: 2350.40 EUR"),
        ("Transfer 50 EUR from checking to savings", "50.00 EUR from checking to savings (number 1)"),
    ],
)
async def test_the_agent_banks_without_having_seen_it_before(
    banking_url: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    prompt: str,
    answer: str,
):
    monkeypatch.delenv("AGENT_MODEL_URL", raising=False)
    assert await asyncio.to_thread(cli.main, ["--mcp-server-url", banking_url, "--once", prompt]) == 0
    assert answer in capfd.readouterr().out
