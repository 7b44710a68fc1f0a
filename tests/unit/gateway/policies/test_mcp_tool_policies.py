import json
from dataclasses import replace

import pytest
import structlog

from deputize.gateway.exchange.contexts import PolicyContext, RefusalContext
from deputize.gateway.filters.mcp_audit import _judge
from deputize.gateway.filters.mcp_protection import McpProtectionFilter
from deputize.gateway.filters.mcp_tool_authorization import McpToolAuthorizationFilter
from deputize.gateway.filters.mcp_validation import McpValidationFilter
from deputize.gateway.handlers.chain import Chain
from deputize.gateway.policies.mcp_tool_policies import McpToolPolicies
from deputize.http.plans import as_filter, as_handler
from deputize.kernel.errors import ConfigurationError
from support.gateway import Answering, ask, built, instance_for
from support.mcp_messages import LEGACY_VERSION
from support.oauth_filters import CLAIMS, oauth_heap, posting, protection, resource_server
from support.policies import BALANCE, SERVER, TRANSFER
from support.wire import Server, answer_json

DAILY = {"name": "daily", "of": "transfer.amount", "limit": "30.00"}
CEDAR = """
@id("small") permit(principal == Agent::"agent-1", action == Action::"transfer", resource)
  when { context.arguments.amount.lessThanOrEqual(decimal("20.0")) && context.actors.contains("agent-1") };
@id("far") @ask("Send it abroad?") forbid(principal, action == Action::"transfer", resource)
  when { context.arguments.currency == "USD" };
"""
TOOLS = {
    "tools": [{"name": "transfer", "inputSchema": TRANSFER}, {"name": "read_balance", "inputSchema": BALANCE}]
}


class Gateway:
    """A route whose tool filter asks policies, below an instance folder."""

    def __init__(self, folder, upstream=None, **config):
        (folder / "tools.json").write_text(json.dumps(TOOLS))
        (folder / "bank.cedar").write_text(CEDAR)
        self.upstream = upstream or Answering(headers=[("Content-Type", "application/json")], body=b"{}")
        policies = {"type": "McpToolPolicies", "config": {"server": SERVER, **config}}
        self.heap = oauth_heap(
            resource_server(), tokens={"good": CLAIMS}, instance=replace(instance_for(), directory=folder)
        )
        members = {
            "type": "McpToolAuthorizationFilter",
            "config": {"rules": [{"tools": "*", "scopes": []}], "policies": policies},
        }
        filters = [
            built(McpProtectionFilter, protection(), self.heap),
            built(McpValidationFilter, {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}}),
            built(McpToolAuthorizationFilter, members, self.heap),
        ]
        self.route = Chain([as_filter(each) for each in filters], as_handler(self.upstream))

    async def call(self, arguments, tool="transfer", method="tools/call"):
        """The answer's status, and the exchange."""
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        params = f'{{"name": "{tool}", "arguments": {text}}}'
        body = f'{{"jsonrpc": "2.0", "id": 1, "method": "{method}", "params": {params}}}'
        exchange = posting(body.encode(), LEGACY_VERSION, ("Authorization", "Bearer good"))
        response = await ask(self.route, exchange)
        return response, exchange

    async def transfers(self, *amounts):
        return [(await self.call({"amount": each, "to": "alice"}))[0].status for each in amounts]

    async def close(self):
        for each in self.heap.deployment.closers:
            await each()


@pytest.fixture
async def gateway(tmp_path):
    opened = []

    def open_one(upstream=None, **config):
        opened.append(Gateway(tmp_path, upstream, **config))
        return opened[-1]

    yield open_one
    for each in opened:
        await each.close()


async def test_limits_decide_by_arguments_and_name_themselves_to_the_operator_alone(gateway):
    route = gateway(limits=["transfer.amount <= 100", "transfer.to in payees"], lists={"payees": ["alice"]})
    assert await route.transfers(100, 100.5) == [200, 403]
    response, exchange = await route.call({"amount": 101, "to": "bob"})
    assert b"transfer" not in response.body.buffered
    assert exchange.find(RefusalContext) == RefusalContext(
        "policy_denied", "transfer.amount <= 100, transfer.to in payees"
    )
    assert exchange.find(PolicyContext).as_binding() == {
        "effect": "deny",
        "rules": ["transfer.amount <= 100", "transfer.to in payees"],
        "dryRun": False,
    }
    assert _judge(exchange, 403)[1] == "policy_denied: transfer.amount <= 100, transfer.to in payees"
    assert (await route.call({}, tool="read_balance"))[0].status == 200
    assert len(route.upstream.asked) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        '{"amount": 1, "to": "alice", "Amount": 1000}',
        '{"amount": 100.00000000000000001, "to": "alice"}',
        '{"amount": 1e-400, "to": "alice"}',
        '{"amount": "1", "to": "alice"}',
        '{"amount": 1, "amount": 1000, "to": "alice"}',
        '{"to": "alice"}',
        '{"Amount": 1, "to": "alice"}',
    ],
)
async def test_what_a_server_may_read_otherwise_does_not_pass(gateway, arguments):
    route = gateway(limits=["transfer.amount <= 100"])
    assert (await route.call(arguments))[0].status in {400, 403}
    assert route.upstream.asked == []


async def test_a_prompt_of_the_same_name_is_not_a_call(gateway):
    route = gateway(limits=["transfer.amount <= 100"])
    response, exchange = await route.call({}, method="prompts/get")
    assert exchange.find(PolicyContext) is None
    assert response.status == 403  # by the rules, which have no prompts


async def test_a_budget_holds_over_calls_and_objects_that_share_the_folder(gateway):
    assert await gateway(budgets=[DAILY]).transfers(20, 11, 10.0) == [200, 403, 200]
    route = gateway(budgets=[DAILY])
    assert await route.transfers(0.01, 0) == [403, 200]
    _, exchange = await route.call({"amount": 1, "to": "alice"})
    assert exchange.find(RefusalContext).reason == "daily: the budget of the day is used up"


@pytest.mark.parametrize(
    ("status", "is_spent"), [(200, True), (400, False), (404, False), (408, True), (409, True), (500, True)]
)
async def test_what_the_server_refuses_is_not_spent(gateway, status, is_spent):
    refusing = Answering(status, [("Content-Type", "application/json")], b"{}")
    await gateway(refusing, budgets=[DAILY]).transfers(30)
    assert await gateway(budgets=[DAILY]).transfers(30) == ([403] if is_spent else [200])


async def test_cedar_decides_and_a_question_is_a_refusal_until_it_can_be_asked(gateway):
    route = gateway(tools="tools.json", cedar="bank.cedar", budgets=[DAILY])
    assert await route.transfers(20, 21) == [200, 403]
    response, exchange = await route.call({"amount": 1, "to": "alice", "currency": "USD"})
    assert response.status == 403
    assert exchange.find(RefusalContext) == RefusalContext("approval_needed", "far: Send it abroad?")
    assert await route.transfers(10, 1) == [200, 403]


async def test_a_dry_run_lets_pass_and_tells_what_it_would_have_denied(gateway):
    route = gateway(limits=["transfer.amount <= 20"], budgets=[DAILY], dryRun=True)
    with structlog.testing.capture_logs() as logs:
        assert await route.transfers(20, 21, 11) == [200, 200, 200]
    told = [each["reason"] for each in logs if each["event"] == "a policy would deny a call"]
    assert told == ["transfer.amount <= 20", "daily: the budget of the day is used up"]
    _, exchange = await route.call({"amount": 21, "to": "alice"})
    assert _judge(exchange, 200) == (True, "dry run, would deny: transfer.amount <= 20")
    enforcing = gateway(limits=["transfer.amount <= 20"], budgets=[DAILY])
    _, exchange = await enforcing.call({"amount": 10, "to": "alice"})
    assert _judge(exchange, 200) == (True, "permit: transfer.amount <= 20, daily")
    assert await enforcing.transfers(20, 0.01) == [200, 403]


async def test_a_decision_point_is_asked_over_http(gateway):
    async with Server(lambda asked: answer_json({"decision": b'"alice"' in asked.body})) as point:
        declared = TRANSFER | {
            "x-authzen-mapping": {
                "evaluation": {
                    "action": {"name": "pay"},
                    "resource": {"type": "payee", "id": "$params.arguments.to"},
                }
            }
        }
        TOOLS["tools"][0]["inputSchema"], plain = declared, TRANSFER
        try:
            route = gateway(
                tools="tools.json",
                decisionPoint={"url": point.url + "/", "handler": {"type": "ClientHandler"}},
            )
        finally:
            TOOLS["tools"][0]["inputSchema"] = plain
        assert (await route.call({"amount": 1, "to": "alice"}))[0].status == 200
        assert (await route.call({"amount": 1, "to": "bob"}))[0].status == 403
        asked = json.loads(point.received[0].body)
    assert point.received[0].target == "/access/v1/evaluation"
    assert asked == {
        "subject": {"type": "identity", "id": "demouser"},
        "action": {"name": "pay"},
        "resource": {"type": "payee", "id": "alice"},
        "context": {"agent": "agent-1"},
    }


async def test_everything_wrong_is_told_at_once(tmp_path):
    (tmp_path / "wrong.cedar").write_text("permit(principal, action, resource)\n")
    with pytest.raises(ConfigurationError) as caught:
        Gateway(
            tmp_path,
            tools="tools.json",
            limits=["transfer.amount", "transfer.to in friends"],
            budgets=[
                {**DAILY, "name": "a", "of": ""},
                {**DAILY, "name": "b", "limit": "much"},
                {**DAILY, "name": "c", "limit": -1},
                {**DAILY, "name": "d", "timeZone": "Mars/Olympus"},
            ],
            cedar=["wrong.cedar"],
            decisionPoint={"url": "http://pdp.example.com"},
        )
    told = [str(each) for each in caught.value.errors]
    for words in ("budgets/0/of", "budgets/1/limit", "budgets/2/limit", "budgets/3/timeZone", "limits/0",
                  "limits/1", "wrong.cedar:1", "decisionPoint/url"):  # fmt: skip
        assert any(words in each for each in told), words
    assert len(told) == 8


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({}, "decides nothing"),
        ({"cedar": "bank.cedar"}, "need the tools' schemas"),
        ({"cedar": "none.cedar", "tools": "tools.json"}, "none.cedar cannot be read"),
        ({"limits": "a.b <= 1", "tools": "none.json"}, "none.json cannot be read"),
        ({"limits": "a.b <= 1", "tools": "list.json"}, "no input schema"),
        ({"decisionPoint": {"url": "https://p.example", "timeout": "unlimited"}}, "without end"),
        ({"budgets": [DAILY, {**DAILY, "of": "transfer"}]}, "another budget is called 'daily'"),
        ({"budgets": [DAILY], "stateDirectory": "list.json"}, "cannot be used"),
    ],
)
async def test_what_is_missing_is_named(tmp_path, config, why):
    (tmp_path / "list.json").write_text('{"tools": [{"name": "a"}]}')
    with pytest.raises(ConfigurationError, match=why):
        Gateway(tmp_path, **config)


async def test_what_policies_cannot_see_is_warned_about(tmp_path):
    odd = {"name": "odd", "inputSchema": {"type": "object", "properties": {"x": {}}}}
    TOOLS["tools"].append(odd)
    try:
        route = Gateway(tmp_path, tools="tools.json", cedar="bank.cedar")
    finally:
        TOOLS["tools"].remove(odd)
    (warning,) = [each for each in route.heap.deployment.warnings if "rules do not see" in str(each)]
    assert "odd/x" in str(warning)
    assert (await route.call({"x": 1}, tool="odd"))[0].status == 403


def test_the_types_name():
    assert McpToolPolicies.contexts == (PolicyContext,)
