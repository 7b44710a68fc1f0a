"""What a policy decides about, and what it says: immutable, and the same for every engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Final, Protocol

from deputize.gateway.policies.arguments import ExactObject, ExactValue
from deputize.kernel.values import JsonObject, JsonValue

TOOL_CALL: Final = "tools/call"
"""The MCP method that calls a tool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRequest:
    """One operation that an agent asks for on behalf of a user."""

    user: str
    """Whom the token is about: its `sub`."""
    acr: str | None = None
    """How the user signed on."""
    auth_time: float | None = None
    """When the user signed on, in seconds since the epoch."""
    agent: str
    """The client that the token was issued to."""
    actors: tuple[str, ...] = ()
    """Who acts: the `sub` of each `act`, that of the caller first (RFC 8693 section 4.1)."""
    scopes: frozenset[str] = frozenset()
    method: str = TOOL_CALL
    """The MCP method."""
    server: str
    """The resource: the identifier of the MCP server that the token is for."""
    tool: str
    """What is acted on; empty where the method names nothing."""
    arguments: ExactObject = field(default_factory=dict[str, ExactValue], repr=False)
    """The arguments as every server reads them, see `read_arguments`."""
    address: str
    """The client's IP address."""
    now: float
    """Seconds since the epoch."""
    spent: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    """What was spent of each budget today, by the budget's name."""
    claims: JsonObject = field(default_factory=dict[str, JsonValue], repr=False)
    """All claims of the token, for a decision point elsewhere."""

    @property
    def depth(self) -> int:
        """How many act in a chain."""
        return len(self.actors)


class Effect(Enum):
    """What becomes of a request."""

    PERMIT = "permit"
    DENY = "deny"
    ASK = "ask"
    """The user has to be asked first."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided, and by what. The caller is told the effect alone."""

    effect: Effect
    rules: tuple[str, ...] = ()
    """The names of the rules that decided, for audit and trace; none where no rule permits."""
    reason: str = ""
    """Why, where no rule says so: a clause for the log."""
    question: str = ""
    """What the user is asked, with `ASK`."""

    @property
    def is_permitted(self) -> bool:
        """Whether the request may go on."""
        return self.effect is Effect.PERMIT


class PolicyEngine(Protocol):
    """Decides about requests, without changing anything."""

    @property
    def reads_spending(self) -> bool:
        """Whether it looks at `PolicyRequest.spent`."""
        ...

    async def decide(self, request: PolicyRequest) -> Decision:
        """Decide. Whatever keeps the engine from deciding is a denial."""
        ...


def permit(*rules: str) -> Decision:
    """Permit by `rules`."""
    return Decision(Effect.PERMIT, rules)


def deny(*rules: str, reason: str = "") -> Decision:
    """Deny by `rules`, or for a `reason`."""
    return Decision(Effect.DENY, rules, reason)
