"""Requests that policies decide about, and one way to ask them."""

from decimal import Decimal

from deputize.gateway.policies.request import Decision, PolicyRequest

SERVER = "https://bank.example/mcp"
TRANSFER = {
    "type": "object",
    "properties": {
        "amount": {"type": "number"},
        "to": {"type": "string"},
        "currency": {"enum": ["EUR", "USD"], "default": "EUR"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
    },
    "required": ["amount", "to"],
}
BALANCE = {"type": "object", "properties": {}}


def request(**members) -> PolicyRequest:
    """A transfer of 12.50 to alice, with the members that a test is about."""
    ordinary = {
        "user": "demouser",
        "agent": "assistant",
        "actors": ("assistant",),
        "scopes": frozenset({"banking:transfer"}),
        "server": SERVER,
        "tool": "transfer",
        "arguments": {"amount": Decimal("12.50"), "to": "alice"},
        "address": "192.0.2.7",
        "now": 1_800_000_000.0,
        "claims": {"sub": "demouser", "client_id": "assistant"},
    }
    return PolicyRequest(**(ordinary | members))


def decided(policy, asked: PolicyRequest) -> Decision:
    """What a policy says that has nothing to wait for."""
    try:
        policy.decide(asked).send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("the policy waits for something")
