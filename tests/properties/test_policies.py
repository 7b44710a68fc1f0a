"""Policies decide as what they say, read naively, decides."""

import asyncio
from collections import Counter
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.gateway.policies.cedar import CedarPolicies, PolicyFile
from deputize.gateway.policies.enforcement import PolicyEnforcement
from deputize.gateway.policies.limits import Budget, LimitPolicies, parse_limit
from deputize.gateway.policies.request import Effect
from deputize.gateway.state.sqlite_budgets import SqliteBudgets
from support.examples import examples
from support.policies import BALANCE, SERVER, TRANSFER, decided, request

NAMES = st.sampled_from(["alice", "bob", "Ällice", 'a"b\\', ""])
AMOUNTS = st.decimals("-20", "20", places=2)


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


CONDITIONS = st.one_of(
    AMOUNTS.map(
        lambda at: (
            f'context.arguments.amount.lessThanOrEqual(decimal("{at:.2f}"))',
            lambda asked: asked.arguments["amount"] <= at,
        )
    ),
    NAMES.map(
        lambda to: (f"context.arguments.to == {quoted(to)}", lambda asked: asked.arguments["to"] == to)
    ),
    NAMES.map(
        lambda scope: (f"context.scopes.contains({quoted(scope)})", lambda asked: scope in asked.scopes)
    ),
    st.integers(0, 3).map(lambda depth: (f"context.depth > {depth}", lambda asked: asked.depth > depth)),
)
RULES = st.lists(
    st.tuples(
        st.sampled_from(["permit", "forbid", "ask"]),
        st.none() | NAMES,
        st.lists(st.tuples(st.booleans(), CONDITIONS), max_size=3),
    ),
    max_size=6,
)
REQUESTS = st.builds(
    lambda amount, to, agent, scopes, actors: request(
        arguments={"amount": amount, "to": to}, agent=agent, scopes=scopes, actors=tuple(actors)
    ),
    AMOUNTS,
    NAMES,
    NAMES,
    st.frozensets(NAMES),
    st.lists(NAMES, max_size=4),
)


def written(at, rule):
    kind, agent, conditions = rule
    scope = "principal" if agent is None else f"principal == Agent::{quoted(agent)}"
    clauses = "".join(f" {'when' if holds else 'unless'} {{ {text} }}" for holds, (text, _) in conditions)
    question = '@ask("Really?") ' if kind == "ask" else ""
    effect = "permit" if kind == "permit" else "forbid"
    return f'@id("{at}") {question}{effect}({scope}, action == Action::"transfer", resource){clauses};'


def matches(rule, asked):
    _, agent, conditions = rule
    return agent in {None, asked.agent} and all(
        condition(asked) is holds for holds, (_, condition) in conditions
    )


def oracle(rules, asked):
    found = {kind: {str(at) for at, rule in enumerate(rules) if rule[0] == kind and matches(rule, asked)}
             for kind in ("permit", "forbid", "ask")}  # fmt: skip
    if found["forbid"]:
        return Effect.DENY, found["forbid"] | found["ask"]
    if not found["permit"]:
        return Effect.DENY, set()
    return (Effect.ASK, found["ask"]) if found["ask"] else (Effect.PERMIT, found["permit"])


@settings(max_examples=examples(600), deadline=None)
@given(RULES, st.lists(REQUESTS, min_size=1, max_size=5))
def test_cedar_decides_as_a_naive_reading_of_its_rules(rules, asked):
    text = "\n".join(written(at, rule) for at, rule in enumerate(rules))
    policies = CedarPolicies.load(
        [PolicyFile("random.cedar", text)], SERVER, {"transfer": TRANSFER, "read_balance": BALANCE}
    )
    for each in asked:
        decision = decided(policies, each)
        assert (decision.effect, set(decision.rules)) == oracle(rules, each)
        assert decided(policies, request(tool="read_balance", arguments={})).effect is Effect.DENY


@given(AMOUNTS)
def test_equal_numbers_are_equal_however_they_are_written(amount):
    policies = CedarPolicies.load(
        [PolicyFile("a.cedar", f'permit(principal, action, resource == Tool::"transfer") when '
                               f'{{ context.arguments.amount == decimal("{amount:.4f}") }};')],
        SERVER,
        {"transfer": TRANSFER},
    )  # fmt: skip
    for form in (amount, amount.normalize(), Decimal(f"{amount:E}"), amount + Decimal("0.000")):
        assert decided(policies, request(arguments={"amount": form, "to": "a"})).is_permitted


SPENDINGS = st.lists(
    st.tuples(
        st.integers(0, 1),  # which process
        st.sampled_from(["alice", "bob"]),
        st.decimals("0", "8", places=2),
        st.booleans(),  # whether it turns out not to have happened
    ),
    max_size=25,
)


def budgets_of(user, agent):
    return [
        Budget("daily", "transfer", ("amount",), Decimal(20), user, agent, ZoneInfo("UTC")),
        Budget("calls", "transfer", (), Decimal(6), agent, user, ZoneInfo("UTC")),
    ]


@settings(max_examples=examples(100), deadline=None)
@given(SPENDINGS, st.booleans(), st.booleans(), st.booleans())
def test_no_budget_is_exceeded_and_a_dry_run_says_what_enforcement_does(spendings, user, agent, together):
    limits = LimitPolicies([parse_limit("transfer.amount <= 6", {})])

    async def run(folder):
        opened = [SqliteBudgets(folder / "b") for _ in range(2)]
        budgets = budgets_of(user, agent)
        enforced = [PolicyEnforcement([limits], budgets, each) for each in opened]
        dry = [PolicyEnforcement([limits], budgets, each, is_dry_run=True) for each in opened]
        happened = Counter()

        async def call(at, name, amount, fails):
            asked = request(user=name, arguments={"amount": amount, "to": "a"})
            verdict = await enforced[at].decide(asked)
            if not together:
                predicted = await dry[at].decide(asked)
                assert predicted.decision == verdict.decision
                if fails and predicted.reservation:
                    await dry[at].release(predicted.reservation)
            assert (amount <= 6) or not verdict.decision.is_permitted
            if verdict.reservation is None:
                return
            if fails:
                await enforced[at].release(verdict.reservation)
                return
            for budget in budgets:
                happened[budget.name, budget.account(asked).holder] += budget.amount_of(asked)

        calls = (call(*each) for each in spendings)
        if together:
            await asyncio.gather(*calls)
        else:
            for each in calls:
                await each
        for budget in budgets:
            for name in ("alice", "bob"):
                account = budget.account(request(user=name))
                (spent,) = await opened[0].spent([account])
                assert spent == happened[budget.name, account.holder] <= budget.limit
        for each in opened:
            await each.close()

    with TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))
