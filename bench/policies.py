"""Measures what policies add to a call: Cedar with few and many rules, limits, and reading the arguments."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from bench.measure import Findings, Plan, Result
from deputize.gateway.policies.arguments import read_arguments
from deputize.gateway.policies.cedar import CedarPolicies, PolicyFile
from deputize.gateway.policies.limits import LimitPolicies, parse_limit
from deputize.gateway.policies.request import PolicyEngine, PolicyRequest
from deputize.kernel.values import JsonObject

FEW, MANY = 1, 50
DECISIONS: Final = 500
"""In a turn, of which the quickest of several counts: others use the machine as well."""
TURNS: Final = 9
SERVER: Final = "https://bank.example/mcp"
TRANSFER: Final[JsonObject] = {
    "type": "object",
    "properties": {"amount": {"type": "number"}, "to": {"type": "string"}, "note": {"type": "string"}},
    "required": ["amount", "to"],
}
MESSAGE: Final = (
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"transfer",'
    b'"arguments":{"amount":12.50,"to":"alice","note":"for the rent of May"}}}'
)
RULE: Final = """@id("rule {at}") permit(principal, action == Action::"transfer", resource)
    when {{ context.arguments.to == "alice" && context.arguments.amount.lessThan(decimal("{at}.5")) }};"""
REQUEST: Final = PolicyRequest(
    user="demouser",
    agent="assistant",
    actors=("assistant",),
    scopes=frozenset({"banking:transfer"}),
    server=SERVER,
    tool="transfer",
    arguments=read_arguments(MESSAGE),
    address="192.0.2.7",
    now=1_800_000_000.0,
)


def name_rules(number: int) -> str:
    """Return the name of the result of so many rules."""
    return f"Cedar, {number} rule{'s' if number > 1 else ''} about the tool"


def policies(plan: Plan) -> Findings:
    """Measure one decision of each engine that decides in this process."""
    measured = {
        "reading the arguments": lambda: read_arguments(MESSAGE),
        "two limits": _decision(
            LimitPolicies(
                [
                    parse_limit("transfer.amount <= 100", {}),
                    parse_limit("transfer.to in payees", {"payees": ["alice", "bob"]}),
                ]
            )
        ),
        **{name_rules(number): _decision(_cedar(number)) for number in (FEW, MANY)},
    }
    rounds: dict[str, list[Mapping[str, float]]] = {name: [] for name in measured}
    for _ in range(plan.rounds):
        for name, act in measured.items():
            rounds[name].append({"cpu_us": _cost(act)})
    findings = Findings()
    findings.add([Result(name, tuple(each)) for name, each in rounds.items()])
    return findings


def _cedar(number: int) -> CedarPolicies:
    text = "\n".join(RULE.format(at=at) for at in range(number))
    return CedarPolicies.load([PolicyFile("bench.cedar", text)], SERVER, {"transfer": TRANSFER})


def _decision(engine: PolicyEngine) -> Callable[[], object]:
    def decide() -> object:
        try:
            engine.decide(REQUEST).send(None)
        except StopIteration as end:
            return end.value
        raise RuntimeError("the engine waits for something")

    return decide


def _cost(act: Callable[[], object]) -> float:
    """Return the microseconds of processor time of one `act`."""
    costs: list[float] = []
    for _ in range(TURNS):
        began = time.process_time()
        for _ in range(DECISIONS):
            act()
        costs.append((time.process_time() - began) / DECISIONS * 1_000_000)
    return min(costs)
