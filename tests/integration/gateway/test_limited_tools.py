"""Tools by scope, from end to end: authority, gateway, banking server, and the sample agent with its user."""

import asyncio
import json

import pytest
from demo import agent_run
from demo.client import Agent
from demo.person import Person

from banking_mcp_server import application
from support.asgi import serving
from support.pair import running_pair

BALANCE = "What is the balance of my savings account?"
TRANSFER = "Transfer 50 EUR from checking to savings"
RULES = [
    {"name": "transfers", "tools": "transfer", "scopes": "banking:transfer", "onUse": True},
    {"name": "accounts", "tools": "list_accounts", "scopes": "banking:accounts"},
    {"name": "reading", "tools": ["read_balance", "list_*"], "scopes": "test"},
]


def with_banking_scopes(document):
    document["resources"][0]["scopes"] += [
        {"name": "banking:accounts", "description": "See your accounts"},
        {"name": "banking:transfer", "description": "Transfer your money", "consent": "on_use"},
    ]
    document["agents"][0]["scopes"]["test"] += ["banking:accounts", "banking:transfer"]


def with_rules(route):
    tools = {"type": "McpToolAuthorizationFilter", "config": {"rules": RULES}}
    route["handler"]["config"]["filters"].append(tools)


@pytest.mark.slow
async def test_the_agent_asks_its_user_for_what_a_tool_needs_and_calls_it_then(tmp_path):
    async with serving(application()) as banking, running_pair(tmp_path / "stage", banking) as pair:
        await pair.apply(with_banking_scopes)
        await pair.edit_route(with_rules)
        known = pair.credentials("agent", "MCP Tutorial")
        redirect_uri = f"http://localhost:{pair.stage.ports.callback}/callback"
        agent = Agent(known.id, known.secret, pair.issuer, redirect_uri)
        person = Person("demouser", pair.stage.password)

        async def ask(prompt):
            follow = agent_run.followed_by(person, agent)
            return await asyncio.to_thread(agent_run.run, pair.stage, agent, prompt, follow)

        read = await ask(BALANCE)
        assert read.tools == ["read_balance", "list_transactions", "transfer"]
        assert read.answer == "savings: 18400.00 EUR"
        assert (read.tokens["mcp"]["scope"], len(read.authorize_urls)) == ("test", 1)

        moved = await ask(TRANSFER)
        assert "50.00 EUR from checking to savings (number 1)" in moved.answer
        assert moved.tokens["mcp"]["scope"].split() == ["test", "banking:transfer"]
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
