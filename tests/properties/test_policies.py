"""Policies decide as what they say, read naively, decides."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.gateway.policies.cedar import CedarPolicies, PolicyFile
from deputize.gateway.policies.request import Effect
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
