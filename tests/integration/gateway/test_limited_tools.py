"""The banking example as its files stand: authority, gateway, server, and the sample agent with its user."""

import asyncio
import json
import shutil

import pytest
import yaml
from demo import agent_run
from demo.client import Agent
from demo.person import Person
from demo.stage import ROOT, prepare

from banking_mcp_server import application
from support.asgi import serving
from support.pair import Pair

EXAMPLE = ROOT / "examples" / "banking"
BALANCE = "What is the balance of my savings account?"
TRANSFER = "Transfer 50 EUR from checking to savings"


@pytest.fixture
async def pair(tmp_path):
    def replace(document):
        document.clear()
        document.update(yaml.safe_load((EXAMPLE / "environment.yaml").read_text("utf-8")))

    async with serving(application()) as banking:
        running = Pair(prepare(tmp_path / "stage"), banking)
        shutil.copytree(EXAMPLE / "gateway", running.stage.instance, dirs_exist_ok=True)
        await running.start_authority()
        await running.apply(replace)
        running.ids["resource", "test"] = running.ids["resource", "banking"]
        await running.start_gateway()
        try:
            yield running
        finally:
            await running.stop_gateway()
            await running.stop_authority()


@pytest.mark.slow
async def test_the_agent_asks_its_user_for_what_a_tool_needs_and_calls_it_then(pair):
    assert pair.gateway.problems()[0] == ()
    known = pair.credentials("agent", "Banking Assistant")
    redirect_uri = f"http://localhost:{pair.stage.ports.callback}/callback"
    agent = Agent(known.id, known.secret, pair.issuer, redirect_uri)
    person = Person("demouser", pair.stage.password)

    async def ask(prompt):
        follow = agent_run.followed_by(person, agent)
        return await asyncio.to_thread(agent_run.run, pair.stage, agent, prompt, follow)

    read = await ask(BALANCE)
    assert read.tools == ["list_accounts", "read_balance", "transfer"]
    assert read.answer == "savings: 18400.00 EUR"
    assert (read.tokens["mcp"]["scope"], len(read.authorize_urls)) == ("banking", 1)

    moved = await ask(TRANSFER)
    assert "50.00 EUR from checking to savings (number 1)" in moved.answer
    assert moved.tokens["mcp"]["scope"].split() == ["banking", "banking:transfer"]
    assert len(moved.authorize_urls) == 2
    assert "agent+banking%3Atransfer" in moved.authorize_urls[1]

    again = await ask(TRANSFER)
    assert "(number 2)" in again.answer
    records = (pair.stage.instance / "audit" / "mcp.audit.json").read_text().splitlines()
    calls = [each for each in map(json.loads, records) if each["tool"] == "transfer"]
    refused = "insufficient_scope: transfers: the token lacks the scope banking:transfer"
    assert [(each["decision"], each["reason"]) for each in calls] == [
        ("DENY", refused),
        ("PERMIT", None),
        ("DENY", refused),
        ("PERMIT", None),
    ]
