"""What of an environment needs an administrator's eye, for its first page."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from deputize.authority.administration import ListQuery
from deputize.authority.administration.views import MAX_LIMIT
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.change_words import CHANGED
from deputize.authority.console.owners import list_administrators
from deputize.authority.directory.objects import AgentObject
from deputize.authority.storage.activities import ActivityQuery
from deputize.oauth.consents import AgreementMissing, effective_agreements
from deputize.oauth.records.directory import Agent, Environment

DAY: Final = 86_400.0
SOON: Final = 14 * DAY
"""Seconds before an agent's end in which it is told."""
MOST_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that somebody should look at."""

    name: str
    """Of its text, `overview.attention_NAME`."""
    count: int
    is_more: bool = False
    """Whether there are more than were counted."""
    path: str = ""
    """Where all of it is; empty where `named` leads there."""
    named: Sequence[tuple[str, str]] = ()
    """The first of those that it is about: name and path."""


async def list_concerns(call: ConsoleCall) -> Sequence[Concern]:
    """List what there is, the most urgent first; empty when nobody has to do anything."""
    now = call.services.clock.now()
    query = ListQuery(waiting=True, limit=MAX_LIMIT)
    waiting = await call.administration.list(call.operator, call.environment.id, "agent", query)
    yesterday = ActivityQuery(outcome="refused", since=now - DAY, limit=MAX_LIMIT)
    refused = await call.services.activities.find(call.environment.id, yesterday)
    refused_to_agents = [each for each in refused.items if each.event != CHANGED]
    resources = call.environment.resources.values()
    impersonating = [each for each in resources if each.settings.impersonation_allowed]
    usernames = {user.name for user in await list_administrators(call)}
    concerns = [
        Concern(
            "waiting",
            len(waiting.items),
            waiting.next_cursor is not None,
            call.path("registration"),
        ),
        Concern(
            "refused",
            len(refused_to_agents),
            refused.next_cursor is not None,
            call.path("audit", outcome="refused", since=call.moments.local_input(now - DAY)),
        ),
        Concern(
            "impersonation",
            len(impersonating),
            named=[(each.name, call.path("resources", each.id)) for each in impersonating[:MOST_NAMED]],
        ),
        *(
            Concern(
                name,
                len(agents),
                named=[(agent.title, call.path("agents", agent.id, *tab)) for agent in agents[:MOST_NAMED]],
            )
            for name, agents, tab in _agents(call.environment, now, usernames)
        ),
    ]
    return [each for each in concerns if each.count]


def _agents(
    environment: Environment, now: float, usernames: Collection[str]
) -> Iterator[tuple[str, Sequence[Agent], Sequence[str]]]:
    """What is to be said of agents, of which ones, and the tab of their pages that mends it.

    `usernames` are those of administrators.
    """
    found: Mapping[str, list[Agent]] = {
        "over": [],
        "ending": [],
        "unasked": [],
        "ownerless": [],
        "unknown_owner": [],
        "two_secrets": [],
    }
    for agent in environment.agents.values():
        if agent.is_over:
            found["over"].append(agent)
        if not agent.enabled:
            continue
        if agent.ends_at is not None and agent.ends_at <= now + SOON:
            found["ending"].append(agent)
        if agent.redirect_uris and not is_asked_about(agent, environment):
            found["unasked"].append(agent)
        if isinstance(agent.settings, AgentObject) and agent.settings.owner not in usernames:
            found["unknown_owner" if agent.settings.owner else "ownerless"].append(agent)
        if len(agent.secret_digests) > 1:
            found["two_secrets"].append(agent)
    tabs = {"unasked": ["policies"], "two_secrets": ["secrets"]}
    for name, agents in found.items():
        yield name, agents, tabs.get(name, ["configuration"])


def is_asked_about(agent: Agent, environment: Environment) -> bool:
    """Whether each policy that users of the agent sign on by asks them to agree to something."""
    names = agent.policies or (environment.settings.default_policy,)
    policies = (environment.policies.get(name) for name in names)
    try:
        return all(policy and effective_agreements(policy, environment.agreements) for policy in policies)
    except AgreementMissing:
        return False
