"""Comparing and joining what consents cover: scopes by resource by agent."""

from dataclasses import dataclass, field

from deputize.oauth.records.directory import Environment
from deputize.oauth.records.store import Covers


@dataclass(frozen=True, slots=True)
class Collected:
    """Covers being collected, each scope once, without empty entries."""

    agents: dict[str, dict[str, dict[str, None]]] = field(
        default_factory=dict[str, dict[str, dict[str, None]]]
    )

    def add(self, agent_id: str, resource_id: str, scopes: tuple[str, ...]) -> None:
        """Put these in, if there are any."""
        if scopes:
            self.agents.setdefault(agent_id, {}).setdefault(resource_id, {}).update(dict.fromkeys(scopes))

    def add_all(self, covers: Covers) -> None:
        """Put all of this in."""
        for agent_id, resources in covers.items():
            for resource_id, scopes in resources.items():
                self.add(agent_id, resource_id, scopes)

    def covers(self) -> Covers:
        """What was put in, in that order."""
        return {
            agent: {each: tuple(scopes) for each, scopes in resources.items()}
            for agent, resources in self.agents.items()
        }


def covers_all(covers: Covers, wanted: Covers) -> bool:
    """Whether everything in `wanted` is in `covers`."""
    return all(
        set(scopes) <= set(covers.get(agent_id, {}).get(resource_id, ()))
        for agent_id, resources in wanted.items()
        for resource_id, scopes in resources.items()
    )


def joined(first: Covers, second: Covers) -> Covers:
    """Everything in either, in the order of the first and then the second."""
    collected = Collected()
    collected.add_all(first)
    collected.add_all(second)
    return collected.covers()


def without(covers: Covers, others: Covers) -> Covers:
    """What is in `covers` and not in `others`."""
    collected = Collected()
    for agent_id, resources in covers.items():
        for resource_id, scopes in resources.items():
            known = others.get(agent_id, {}).get(resource_id, ())
            collected.add(agent_id, resource_id, tuple(name for name in scopes if name not in known))
    return collected.covers()


def still_granted(environment: Environment, covers: Covers) -> Covers:
    """What of `covers` the administrator still grants.

    Agents, resources and scopes that are gone could not be shown to anybody.
    """
    collected = Collected()
    for agent in (environment.agents[each] for each in covers if each in environment.agents):
        for resource_id, scopes in covers[agent.id].items():
            resource, granted = (
                environment.resources.get(resource_id),
                agent.scopes.get(resource_id, frozenset[str]()),
            )
            kept = (
                scopes
                if not resource_id
                else (name for name in scopes if resource and name in granted & resource.scopes.keys())
            )
            collected.add(agent.id, resource_id, tuple(kept))
    return collected.covers()
