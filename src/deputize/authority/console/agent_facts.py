"""What an agent can do, for whom, since when and when last, collected for its page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from deputize.authority.administration import ListQuery, ObjectView
from deputize.authority.administration.views import MAX_LIMIT
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.change_words import CHANGED
from deputize.authority.storage.activities import ActivityQuery, ActivityTotal

CLIENT_CREDENTIALS: Final = "client_credentials"
_PAGES: Final = 10
"""Of records that are looked through for tokens, or for who stopped an agent."""


@dataclass(frozen=True, slots=True)
class Reach:
    """A resource that an agent may reach, and what it did there."""

    name: str
    id: str
    scopes: Sequence[tuple[str, str]]
    """Each with what it allows, in words."""
    tools: Sequence[ActivityTotal]
    """What it called there, by tool; empty where no gateway delivers its records."""
    permitted: int
    """Calls; tokens and introspections where no gateway delivers its records."""
    refused: int
    """Calls, tokens and introspections."""
    last_at: float | None
    """When anything was last permitted."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A version of an agreement that people accepted for an agent."""

    agreement: str
    version: int
    people: int


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """What is known of an agent beside its settings."""

    reaches: Sequence[Reach]
    grounds: Sequence[Ground]
    consents: Sequence[ObjectView]
    """Those in force, the newest last use first, then those that are over; empty for somebody who may not
    read them."""
    people: int
    """For how many it may act."""
    former_people: int
    """How many agreed once, and do no longer."""
    has_more: bool
    """Whether there are more people than were counted."""
    last_used: float | None
    refused_elsewhere: int
    """What was refused, as long as it is kept, that is about none of `reaches`, such as a wrong secret."""
    refused_lately: int
    """What was refused in the last 24 hours, as far as `MAX_LIMIT` tells."""
    lately: float
    """When these 24 hours began, in seconds since the epoch."""
    is_delivered: bool
    """Whether a gateway delivers what agents call; otherwise only tokens and introspections are known."""


async def count_own_tokens(call: ConsoleCall, agent_id: str) -> int:
    """Count the tokens of an agent about itself alone (client credentials) that are in time.

    They are stored nowhere, so their records are counted: `MAX_LIMIT` at most.
    """
    environment, now = call.environment, call.services.clock.now()
    lifetimes = {each.id: each.settings.token_lifetime for each in environment.resources.values()}
    since = now - max(lifetimes.values(), default=0)
    query = ActivityQuery(agent_id=agent_id, event="token issued", since=since, limit=MAX_LIMIT)
    count = 0
    for _ in range(_PAGES):
        page = await call.services.activities.find(environment.id, query)
        count += sum(
            each.method == CLIENT_CREDENTIALS
            and each.agent_ids[0] == agent_id
            and now < each.happened_at + lifetimes.get(each.resource_id or "", 0)
            for each in page.items
        )
        if page.next_cursor is None or count >= MAX_LIMIT:
            break
        query = replace(query, cursor=page.next_cursor)
    return min(count, MAX_LIMIT)


async def find_last_stop(call: ConsoleCall, agent_id: str) -> tuple[str, float] | None:
    """Find who stopped an agent last, and when, as far as it is on record.

    `None` where the newest changes have no stop, or a later start: then it was stopped by what leaves no such
    record, as commands on the machine do.
    """
    query = ActivityQuery(event=CHANGED, outcome="permitted", limit=MAX_LIMIT)
    for _ in range(_PAGES):
        page = await call.services.activities.find(call.environment.id, query)
        for each in page.items:
            record = each.read_record()
            changes, operator = record.get("changes"), record.get("operator")
            for change in changes if isinstance(changes, list) else ():
                if not isinstance(change, Mapping) or change.get("id") != agent_id:
                    continue
                after = change.get("after")
                if isinstance(after, Mapping) and "enabled" in after:
                    who = operator.get("name") if isinstance(operator, Mapping) else None
                    return (str(who or ""), each.happened_at) if after["enabled"] is False else None
        if page.next_cursor is None:
            break
        query = replace(query, cursor=page.next_cursor)
    return None


async def collect(call: ConsoleCall, agent: ObjectView) -> AgentFacts:
    """Collect what is known of an agent."""
    environment, activities = call.environment, call.services.activities
    lately = call.services.clock.now() - 86400
    refusals = ActivityQuery(agent_id=agent.id, outcome="refused", since=lately, limit=MAX_LIMIT)
    refused = await activities.find(environment.id, refusals)
    totals = await activities.totals(environment.id, [agent.id])
    reaches: list[Reach] = []
    for resource_id, granted in environment.agents[agent.id].scopes.items():
        resource = environment.resources.get(resource_id)
        if resource is None:
            continue
        mine = [each for each in totals if each.resource_id == resource_id]
        calls = [each for each in mine if each.tool]
        reaches.append(
            Reach(
                resource.name,
                resource.id,
                [
                    (name, resource.scopes[name].description)
                    for name in sorted(granted)
                    if name in resource.scopes
                ],
                calls,
                sum(each.permitted for each in calls or mine),
                sum(each.refused for each in mine),
                max((each.last_at for each in mine if each.permitted), default=None),
            )
        )
    consents: tuple[ObjectView, ...] = ()
    has_more = False
    if call.operator.reads_all:
        page = await call.administration.consents.list(
            call.operator, environment.id, ListQuery(limit=MAX_LIMIT), agent_id=agent.id
        )
        consents = page.items
        has_more = page.next_cursor is not None
    live = [each for each in consents if each.facts["in_force"]]
    people = {each.name for each in live}
    counted: dict[tuple[str, int], set[str]] = {}
    for each in live:
        ground = str(each.facts["agreement"] or each.facts["agreement_id"]), int(str(each.facts["version"]))
        counted.setdefault(ground, set()).add(each.name)
    return AgentFacts(
        reaches,
        [Ground(name, version, len(names)) for (name, version), names in sorted(counted.items())],
        sorted(
            consents,
            key=lambda each: (bool(each.facts["in_force"]), str(each.facts["last_used_at"] or "")),
            reverse=True,
        ),
        len(people),
        len({each.name for each in consents} - people),
        has_more,
        max((each.last_at for each in totals if each.permitted), default=None),
        sum(each.refused for each in totals) - sum(each.refused for each in reaches),
        len(refused.items),
        lately,
        await activities.last_delivery(environment.id) is not None,
    )
