from decimal import Decimal

import pytest

from deputize.gateway.policies.cedar import CedarPolicies, PolicyFile, split_policies
from deputize.gateway.policies.request import Effect
from deputize.kernel.errors import ConfigurationError
from support.policies import BALANCE, SERVER, TRANSFER, decided, request

TOOLS = {"transfer": TRANSFER, "read_balance": BALANCE}
ALL = "permit(principal, action, resource);"


def loaded(text, tools=TOOLS, budgets=()):
    return CedarPolicies.load([PolicyFile("bank.cedar", text)], SERVER, tools, budgets)


def faults(text, tools=TOOLS):
    with pytest.raises(ConfigurationError) as caught:
        loaded(text, tools)
    return [str(each) for each in caught.value.errors]


@pytest.mark.parametrize(
    "condition",
    [
        'context.arguments.amount.lessThanOrEqual(decimal("12.5"))',
        'context.arguments.to == "alice"',
        'context.arguments.currency == "EUR"',
        "!(context.arguments has note)",
        'context.user == "demouser"',
        'context.scopes.contains("banking:transfer")',
        'context.actors.contains("assistant") && context.depth == 1',
        'context has acr && context.acr == "Login"',
        'context has authTime && context.now.durationSince(context.authTime) < duration("5m")',
        'context.now.toTime() >= duration("8h")',
        'context.address.isInRange(ip("192.0.2.0/24"))',
        'context.spent.daily.lessThan(decimal("40.0"))',
        'principal == Agent::"assistant"',
        'action in Action::"tools/call" && action == Action::"transfer"',
        f'resource == Tool::"transfer" && resource in Server::"{SERVER}"',
    ],
)  # fmt: skip
def test_a_rule_reads_everything_that_a_request_says(condition):
    rule = f'@id("it") permit(principal, action == Action::"transfer", resource) when {{ {condition} }};'
    asked = request(acr="Login", auth_time=1_799_999_900.5, spent={"daily": Decimal("39.9999")})
    decision = decided(loaded(rule, budgets=["daily"]), asked)
    assert (decision.effect, decision.rules) == (Effect.PERMIT, ("it",))
    other = request(
        tool="read_balance", arguments={}, user="x", agent="y", actors=(), scopes=frozenset(), address="::1"
    )
    assert decided(loaded(rule, budgets=["daily"]), other).effect is Effect.DENY


def test_without_a_rule_that_permits_the_answer_is_no():
    decision = decided(loaded(""), request())
    assert (decision.effect, decision.rules, decision.reason) == (Effect.DENY, (), "no rule permits it")


def test_a_rule_that_forbids_wins_and_a_rule_without_an_id_is_named_by_its_place():
    rule = "forbid(principal, action, resource)\n  when { context.depth < 2 };"
    decision = decided(loaded(f"{ALL}\n\n{rule}"), request())
    assert (decision.effect, decision.rules) == (Effect.DENY, ("bank.cedar:3",))


ASK = """@id("big") @ask("Transfer so much?") forbid(principal, action == Action::"transfer", resource)
    when { context.arguments.amount.greaterThan(decimal("10.0")) };"""


def test_a_rule_that_asks_is_lifted_by_the_user():
    decision = decided(loaded(ALL + ASK), request())
    assert (decision.effect, decision.rules, decision.question) == (
        Effect.ASK,
        ("big",),
        "Transfer so much?",
    )
    assert decided(loaded(ALL + ASK), request(arguments={"amount": Decimal(10), "to": "a"})).is_permitted


def test_nobody_is_asked_for_what_stays_forbidden():
    forbidden = '@id("never") forbid(principal, action, resource) when { context.user == "demouser" };'
    assert decided(loaded(ALL + ASK + forbidden), request()).rules == ("big", "never")
    assert decided(loaded(ALL + ASK + forbidden), request()).effect is Effect.DENY
    assert decided(loaded(ASK), request()).effect is Effect.DENY


def test_a_rule_that_fails_denies_even_where_another_permits():
    failing = (
        '@id("sum") forbid(principal, action, resource) when { context.depth + 9223372036854775807 < 0 };'
    )
    decision = decided(loaded(ALL + failing), request())
    assert (decision.effect, decision.rules) == (Effect.DENY, ("sum",))
    assert decided(loaded(ALL + failing), request(actors=())).is_permitted


@pytest.mark.parametrize(
    "members",
    [
        {"tool": "unknown"},
        {"method": "resources/read"},
        {"server": "https://other.example"},
        {"address": "nowhere"},
        {"now": 1e18},
        {"now": float("nan")},
        {"auth_time": -1e18},
        {"user": "\ud800"},
        {"arguments": {"amount": None, "to": "alice"}},
        {"arguments": {"amount": Decimal("0.00001"), "to": "alice"}},
        {"arguments": {"amount": Decimal(1), "to": "alice", "Amount": Decimal(1)}},
        {"arguments": {"amount": Decimal(1)}},
        {"spent": {"daily": Decimal("1E+20")}},
    ],
)
def test_what_cannot_be_said_is_denied_with_a_reason(members):
    decision = decided(loaded(ALL, budgets=["daily"]), request(**members))
    assert decision.effect is Effect.DENY
    assert decision.reason


def test_a_tool_that_cannot_be_mapped_is_denied_and_says_why_when_loaded():
    tools = {"transfer": TRANSFER, "odd": {"type": "object", "properties": {"x": {}}, "required": ["x"]}}
    policies = loaded(ALL, tools | {"tools/call": BALANCE})
    assert policies.unmapped == {
        "odd": "/x: no one type is named",
        "tools/call": "its name is that of the group of all tools",
    }
    assert decided(policies, request()).is_permitted
    for tool in policies.unmapped:
        assert decided(policies, request(tool=tool, arguments={})).effect is Effect.DENY


def test_everything_wrong_is_told_at_once_with_its_line():
    text = """// one; "two
permit(principal, action == Action::"nope", resource);

permit(principal, action, resource) when { context.arguments.x == };
@id("a") permit(principal, action == Action::"transfer", resource) when { context.acr == "x" };
@id("a") permit(principal, action == Action::"transfer", resource)
  when { context.arguments.to == "a" && false };
permit(principal, action, resource == ?resource);
@ask("Why?") permit(principal, action, resource);
permit(principal, action, resource)"""
    found = faults(text)
    assert [each.partition(":1:")[0] for each in found] == [
        f"bank.cedar:{line}" for line in (4, 8, 9, 10, 2, 2, 5, 6, 6)
    ]
    words = [
        "token",
        "?resource",
        "@ask",
        "end of input",
        "nope",
        "scope",
        "acr",
        "another rule",
        "never match",
    ]
    assert [word for word, each in zip(words, found, strict=True) if word not in each] == []


@pytest.mark.parametrize(
    "condition",
    [
        "false",
        'context.depth == 1 && false && context.user == "a"',
        "resource is Agent",
        "!(context has user)",
        "!(context.arguments has to)",
        'resource in Agent::"a"',
        "if true then false else true",
    ],
)
def test_a_rule_that_can_never_match_is_an_error(condition):
    rule = f'permit(principal, action == Action::"transfer", resource) when {{ {condition} }};'
    assert any("never match" in each for each in faults(rule))


@pytest.mark.parametrize(
    "condition",
    [
        'context.arguments.currency == "GBP"',
        '"EURO" != context.arguments.currency',
        '["EUR", "EURO"].contains(context.arguments.currency)',
    ],
)
def test_a_text_outside_the_enumeration_is_an_error(condition):
    rule = f'forbid(principal, action == Action::"transfer", resource) when {{ {condition} }};'
    assert any("currency is never" in each for each in faults(rule))
    loaded(rule.replace("GBP", "USD").replace("EURO", "USD"))


def test_an_error_about_what_policies_do_not_see_says_why():
    tools = {"transfer": {"type": "object", "properties": {"memo": {"allOf": []}}}}
    (found,) = faults("permit(principal, action, resource) when { context.arguments.memo == 1 };", tools)
    assert "transfer/memo: it uses allOf" in found


def test_policies_are_split_at_their_semicolons():
    text = ' // a; b\n@id("x;\\";//") permit (principal,\naction,resource); // c\n\nforbid (a/b) ;\n\n"open'
    assert list(split_policies(text)) == [
        (2, '@id("x;\\";//") permit (principal,\naction,resource);'),
        (5, "forbid (a/b) ;"),
        (7, '"open'),
    ]
