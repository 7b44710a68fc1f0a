from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from deputize.gateway.policies.limits import Budget, LimitError, LimitPolicies, parse_amount, parse_limit
from deputize.gateway.policies.request import Effect
from support.policies import decided, request

LISTS = {"payees": ["alice", "bob"], "sizes": [1, 2.50], "none": []}


def allows(text, **arguments):
    return parse_limit(text, LISTS).allows(arguments)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("transfer.amount <= 100", Decimal("1E+2")),
        ("transfer.amount<100", Decimal("99.99")),
        ("transfer.amount >= -1", Decimal("-0.5")),
        ("transfer.amount > 0.1", Decimal("0.2")),
        ("transfer.amount == 0.3", Decimal("0.30")),
        ('transfer.amount == "EUR"', "EUR"),
        ("transfer.amount == true", True),
        ("transfer.amount in payees", "bob"),
        ("transfer.amount in sizes", Decimal("2.5")),
        ('transfer.amount in ["a", 1]', "a"),
        ("transfer.amount in payees", ["bob", "alice", "bob"]),
        ("transfer.amount in none", []),
        ("  transfer.amount   <=   100  ", Decimal(1)),
    ],
)
def test_what_a_limit_allows(text, value):
    assert allows(text, amount=value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("transfer.amount <= 100", Decimal("100.000000000000001")),
        ("transfer.amount < 100", Decimal(100)),
        ("transfer.amount <= 100", "1"),
        ("transfer.amount <= 100", True),
        ("transfer.amount <= 100", None),
        ("transfer.amount <= 100", [Decimal(1)]),
        ("transfer.amount == true", Decimal(1)),
        ("transfer.amount == 1", True),
        ("transfer.amount == null", None),
        ('transfer.amount == "EUR"', "eur"),
        ("transfer.amount in payees", "Bob"),
        ("transfer.amount in payees", ["bob", "mallory"]),
        ("transfer.amount in payees", ["bob", ["alice"]]),
        ("transfer.amount in none", "alice"),
        ("transfer.amount in [null]", None),
        ("transfer.amount in [[1]]", [[Decimal(1)]]),
    ],
)
def test_what_a_limit_does_not_allow(text, value):
    assert not allows(text, amount=value)


def test_what_is_missing_is_not_allowed():
    for text in ("transfer.amount <= 100", "transfer.amount in payees", 'transfer.amount == "a"'):
        assert not allows(text)
        assert not allows(text, Amount=Decimal(1))
    assert not allows("transfer.payee.name in payees", payee="bob")


def test_a_path_leads_into_objects_and_a_tool_may_be_quoted():
    limit = parse_limit('"bank.transfer".payee.name in payees', LISTS, "known payees")
    assert (limit.name, limit.tool, limit.path) == ("known payees", "bank.transfer", ("payee", "name"))
    assert limit.allows({"payee": {"name": "alice"}})
    assert parse_limit(" transfer.amount <= 1 ", LISTS).name == "transfer.amount <= 1"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no limit"),
        ("transfer", "is no limit"),
        ("transfer <= 3", "is no limit"),
        ("transfer.amount != 3", "is no limit"),
        ("transfer.amount <= ", "is no limit"),
        ("transfer.amount <= EUR", "neither JSON"),
        ("transfer.amount in friends", "no list 'friends'; there are none, payees, sizes"),
        ("transfer.amount in 3", "needs a list"),
        ('transfer.amount <= "3"', "needs a number"),
        ("transfer.amount > true", "needs a number"),
        ("transfer.amount <= 9007199254740993", "differently"),
        ("transfer..x <= 3", "no path"),
        ("transfer.amount <= 1 && true", "neither JSON"),
    ],
)
def test_what_is_no_limit_is_told_so(text, why):
    with pytest.raises(LimitError, match=why):
        parse_limit(text, LISTS)


def test_all_broken_limits_are_named_and_other_tools_are_not_concerned():
    texts = ["transfer.amount <= 10", "transfer.to in payees", 'transfer.to == "bob"']
    policies = LimitPolicies([parse_limit(text, LISTS) for text in texts])
    decision = decided(policies, request())
    assert (decision.effect, decision.rules) == (Effect.DENY, (texts[0], texts[2]))
    decision = decided(policies, request(arguments={"amount": Decimal(10), "to": "bob"}))
    assert (decision.effect, decision.rules) == (Effect.PERMIT, tuple(texts))
    for other in ({"tool": "read_balance"}, {"method": "prompts/get"}):
        assert decided(policies, request(**other)).rules == ()


@pytest.mark.parametrize("twin", ["Transfer", "TRANSFER", "trans\u200bfer", "\uff54ransfer", " transfer"])
def test_a_tool_that_a_lax_server_takes_for_a_limited_one_is_denied(twin):
    limits = LimitPolicies([parse_limit("transfer.amount <= 100", LISTS)])
    budgets = LimitPolicies([], [budget()])
    for policies in (limits, budgets):
        decision = decided(policies, request(tool=twin))
        assert (decision.effect, decision.rules) == (Effect.DENY, ())
        assert decided(policies, request(tool="transfer2")).is_permitted
        assert decided(policies, request()).is_permitted


@pytest.mark.parametrize(
    ("text", "tool", "path"),
    [
        ("transfer", "transfer", ()),
        ("transfer.amount", "transfer", ("amount",)),
        ('"a.b".c.d', "a.b", ("c", "d")),
    ],
)
def test_what_a_budget_counts(text, tool, path):
    assert parse_amount(text) == (tool, path)


@pytest.mark.parametrize("text", ["", "a b", "a..b", "a."])
def test_what_a_budget_cannot_count(text):
    with pytest.raises(LimitError):
        parse_amount(text)


def budget(*, user=True, agent=True, path=("amount",), zone="Europe/Berlin"):
    return Budget("daily", "transfer", path, Decimal(100), user, agent, ZoneInfo(zone))


def test_a_budget_is_of_the_user_the_agent_or_the_pair():
    holders = {
        budget(user=user, agent=agent).account(request(user=name, agent=other)).holder
        for user, agent in ((True, True), (True, False), (False, True), (False, False))
        for name, other in (("a", "b"), ("b", "a"))
    }
    assert len(holders) == 7
    assert budget().account(request(user='a","b', agent="c")) != budget().account(
        request(user="a", agent='b","c')
    )


def test_a_day_begins_where_the_zone_says():
    late = 1_800_054_000.0  # 2027-01-15T23:00:00Z
    assert budget().account(request(now=late - 0.001)).day == date(2027, 1, 15)
    assert budget().account(request(now=late)).day == date(2027, 1, 16)
    assert budget(zone="UTC").account(request(now=late)).day == date(2027, 1, 15)


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (Decimal("12.50"), Decimal("12.50")),
        (Decimal("-0.0"), Decimal(0)),
        (Decimal(-1), None),
        (Decimal("1E-19"), None),
        (Decimal("1E+18"), None),
        (Decimal("1E+300"), None),
        ("12", None),
        (True, None),
        (None, None),
    ],
)
def test_an_amount_is_a_number_that_can_be_counted(value, amount):
    assert budget().amount_of(request(arguments={"amount": value})) == amount


def test_calls_are_counted_where_no_amount_is_named():
    assert budget(path=()).amount_of(request(arguments={})) == 1
    assert budget().amount_of(request(tool="other", arguments={})) == 0
