from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from deputize.gateway.policies.cedar import CedarPolicies, PolicyFile
from deputize.gateway.policies.enforcement import PolicyEnforcement
from deputize.gateway.policies.limits import Budget, LimitPolicies, parse_limit
from deputize.gateway.policies.request import Effect
from deputize.gateway.state.sqlite_budgets import SqliteBudgets
from support.policies import BALANCE, SERVER, TRANSFER, request

DAILY = Budget("daily", "transfer", ("amount",), Decimal(30), True, True, ZoneInfo("UTC"))
CALLS = Budget("calls", "transfer", (), Decimal(5), False, True, ZoneInfo("UTC"))
LIMITS = LimitPolicies([parse_limit("transfer.amount <= 20", {})])


@pytest.fixture
async def kept(tmp_path):
    opened = SqliteBudgets(tmp_path / "budgets.sqlite")
    yield opened
    await opened.close()


def cedar(text, budgets=("daily",)):
    tools = {"transfer": TRANSFER, "read_balance": BALANCE}
    return CedarPolicies.load([PolicyFile("p.cedar", text)], SERVER, tools, budgets)


def amount(value):
    return request(arguments={"amount": Decimal(value), "to": "alice"})


async def spent(kept):
    return await kept.spent([DAILY.account(request())])


async def test_all_engines_have_to_permit_and_all_of_them_are_named():
    permit = cedar('@id("all") permit(principal, action, resource);')
    verdict = await PolicyEnforcement([LIMITS, permit]).decide(amount(20))
    assert (verdict.decision.effect, verdict.decision.rules) == (
        Effect.PERMIT,
        ("transfer.amount <= 20", "all"),
    )
    assert verdict.reservation is None
    verdict = await PolicyEnforcement([permit, LIMITS]).decide(amount(21))
    assert (verdict.decision.effect, verdict.decision.rules) == (Effect.DENY, ("transfer.amount <= 20",))
    assert (await PolicyEnforcement([]).decide(amount(1))).decision.is_permitted


async def test_what_is_permitted_is_counted_until_the_budget_is_used_up(kept):
    enforcement = PolicyEnforcement([LIMITS], [DAILY, CALLS], kept)
    first = await enforcement.decide(amount(20))
    assert first.decision.rules == ("transfer.amount <= 20", "daily", "calls")
    second = await enforcement.decide(amount(11))
    assert (second.decision.effect, second.decision.rules) == (Effect.DENY, ("daily",))
    assert second.decision.reason == "the budget of the day is used up"
    await enforcement.release(first.reservation)
    assert (await enforcement.decide(amount(11))).decision.is_permitted


async def test_what_is_denied_asked_or_about_another_tool_counts_nothing(kept):
    ask = '@ask("So much?") forbid(principal, action, resource) when {context.user == "demouser"};'
    everything = "permit(principal, action, resource);"
    asking = PolicyEnforcement([cedar(everything + ask)], [DAILY], kept)
    assert (await asking.decide(amount(1))).decision.effect is Effect.ASK
    enforcement = PolicyEnforcement([LIMITS], [DAILY], kept)
    assert not (await enforcement.decide(amount(21))).decision.is_permitted
    assert not (await enforcement.decide(amount(-1))).decision.is_permitted
    assert not (await enforcement.decide(request(now=1e18))).decision.is_permitted
    assert (await enforcement.decide(request(tool="read_balance", arguments={}))).decision.is_permitted
    assert await spent(kept) == [0]


async def test_a_denial_wins_over_a_question():
    ask = '@ask("So?") forbid(principal, action, resource); permit(principal, action, resource);'
    for engines in ([cedar(ask), LIMITS], [LIMITS, cedar(ask)]):
        verdict = await PolicyEnforcement(engines).decide(amount(21))
        assert verdict.decision.effect is Effect.DENY
    assert (await PolicyEnforcement([cedar(ask), LIMITS]).decide(amount(1))).decision.question == "So?"


async def test_cedar_reads_what_was_spent_also_for_other_tools(kept):
    rule = 'permit(principal, action, resource) when { context.spent.daily.lessThan(decimal("20.0")) };'
    enforcement = PolicyEnforcement([cedar(rule)], [DAILY], kept)
    assert (await enforcement.decide(amount(19))).decision.is_permitted
    balance = request(tool="read_balance", arguments={})
    assert (await enforcement.decide(balance)).decision.is_permitted
    assert (await enforcement.decide(amount(1))).decision.is_permitted
    assert not (await enforcement.decide(balance)).decision.is_permitted
    assert (
        await enforcement.decide(request(user="other", tool="read_balance", arguments={}))
    ).decision.is_permitted


async def test_where_nobody_can_count_nothing_is_permitted(tmp_path):
    closed = SqliteBudgets(tmp_path / "budgets.sqlite")
    await closed.close()
    verdict = await PolicyEnforcement([LIMITS], [DAILY], closed).decide(amount(1))
    assert verdict.decision.effect is Effect.DENY
    assert "budgets.sqlite" in verdict.decision.reason
