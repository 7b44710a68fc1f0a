"""Who administers, and what each role may do: the only place with such rules.

An administrator does everything, an auditor reads everything. An agent owner reads what his own agents rest
on, and may change of these only what gives nobody anything: describe them, stop them, give them new secrets
or keys, unless these agents may administer what he may not. He does not start again what was stopped, for
whoever stopped it had a reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, get_args

from deputize.authority.directory.objects import ADMINISTRATORS, AgentObject, Role
from deputize.authority.environment_file.plan import Difference, NewSecret
from deputize.kernel.errors import DeputizeError
from deputize.kernel.values import JsonObject

OWNER_MEMBERS: Final = frozenset({"description", "enabled", "jwks"})
"""What an agent owner may set of his agents; of `enabled` only false."""


class NotPermitted(DeputizeError):
    """No role of the operator allows this."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Whoever administers."""

    kind: Literal["user", "agent", "command"]
    """A user of the administrators' environment, an agent with a token of its own, or whoever runs a command
    on the machine."""
    id: str
    name: str
    """Of a user the username, which is compared with the `owner` of agents."""
    roles: frozenset[Role]
    actor: str | None = None
    """The agent that acts for the user."""

    @property
    def reads_all(self) -> bool:
        """Whether every environment is open to it for reading."""
        return not self.roles.isdisjoint({"administrator", "auditor"})

    @property
    def is_administrator(self) -> bool:
        """Whether it may do everything."""
        return "administrator" in self.roles

    @property
    def owns_agents(self) -> bool:
        """Whether there may be agents that are its own: users have names that owners are told by."""
        return self.kind == "user" and "agent_owner" in self.roles

    def owns(self, agent: AgentObject) -> bool:
        """Whether the agent is its own."""
        return self.owns_agents and bool(agent.owner) and agent.owner == self.name

    def require_administrator(self) -> None:
        """Raise `NotPermitted` unless it may do everything."""
        if not self.is_administrator:
            raise NotPermitted("only an administrator may do that")

    def require_reader(self) -> None:
        """Raise `NotPermitted` unless it may read everything."""
        if not self.reads_all:
            raise NotPermitted("only an administrator or an auditor may see that")

    def require_any_role(self) -> None:
        """Raise `NotPermitted` unless there may be anything that it may see."""
        if not self.reads_all and not self.owns_agents:
            raise NotPermitted("no role that administers anything")

    def require_change(self, agent: AgentObject | None, members: JsonObject) -> None:
        """Raise `NotPermitted` unless it may set `members` of what exists; `agent` where that is an agent."""
        if self.is_administrator:
            return
        if agent is None or not self.owns(agent):
            raise NotPermitted("only an administrator may change that")
        named = {name for name in members if name not in {"id", "name"} or members[name] != _own(agent, name)}
        if not named <= OWNER_MEMBERS or members.get("enabled", False) is not False:
            raise NotPermitted(
                "an agent's owner may describe it, stop it, and give it other keys or secrets; "
                "all else takes an administrator"
            )

    def require_credentials(self, agent: AgentObject | None, environment: str) -> None:
        """Raise `NotPermitted` unless it may give the agent of that environment other secrets or keys.

        Whoever has these is the agent, so nobody gets by them a role that he does not have.
        """
        if self.is_administrator or agent is None or environment != ADMINISTRATORS:
            return
        granted = {scope for scopes in agent.scopes.values() for scope in scopes}
        if not granted.intersection(get_args(Role)) <= self.roles:
            raise NotPermitted(
                "the agent may administer more than you: only an administrator gives it other secrets or keys"
            )

    def require_effect(
        self,
        agent_id: str,
        agent: AgentObject | None,
        environment: str,
        differences: Iterable[Difference | NewSecret],
    ) -> None:
        """Raise `NotPermitted` unless it may bring about what a change of the agent of that environment would
        come to, whoever asked how.
        """
        if self.is_administrator:
            return
        for each in differences:
            if not (
                isinstance(each, Difference)
                and (each.kind, each.id) == ("agent", agent_id)
                and each.before is not None
                and each.after is not None
                and OWNER_MEMBERS.issuperset({*each.before, *each.after})
                and each.after.get("enabled", False) is False
            ):
                raise NotPermitted("only an administrator may change that")
            if "jwks" in {*each.before, *each.after}:
                self.require_credentials(agent, environment)

    def record(self) -> JsonObject:
        """What the audit keeps of it."""
        actor: JsonObject = {"actor": self.actor} if self.actor else {}
        return {"kind": self.kind, "id": self.id, "name": self.name, **actor}


def _own(agent: AgentObject, name: str) -> str | None:
    return agent.name if name == "name" else agent.id
