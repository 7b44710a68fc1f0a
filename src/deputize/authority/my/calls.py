"""What agents did for a person: calls that gateways report, and elsewhere the access that was obtained.

Every search is for this person's activities in this environment, whatever else it is narrowed by.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from deputize.authority.activities.search import MAX_LIMIT, MCP_MESSAGE, ActivityQuery
from deputize.authority.my.section import Visit
from deputize.authority.signon.disclosure import agent_title
from deputize.authority.storage.activities import Activity

ACCESS: Final = "token issued"
_EVENTS: Final = (MCP_MESSAGE, ACCESS)


@dataclass(frozen=True, slots=True)
class CallLine:
    """One thing that an agent did for the person."""

    tool: str
    """What was called: a tool, a prompt or a document; the message's method where it names none of these."""
    is_access: bool
    """Whether the agent obtained access, and no more is known."""
    resource: str
    """The resource's name; empty when it is gone."""
    outcome: str
    """As `Activity.outcome`."""
    at: str
    """When, in UTC (ISO 8601, to the second)."""
    by: str
    """The agent that did it in the end, where this one passed on what it may; else empty."""


@dataclass(frozen=True, slots=True)
class CallPage:
    """A part of what agents did for the person, the newest first."""

    by_agent: Mapping[str, Sequence[CallLine]]
    """By the id of each agent that had a part in it."""
    unreported: Mapping[str, Sequence[str]]
    """By the id of an agent, the names of resources at which its single calls are not known."""
    next_cursor: str | None


async def find_calls(visit: Visit, agent_id: str | None = None, cursor: str | None = None) -> CallPage:
    """Find what agents, or one agent, did for the person. Raises `CursorInvalid`.

    What only keeps a connection up is left out; what was refused never is.
    """
    call, user = visit.call, visit.signed_on.user
    search, environment = call.services.activities, call.environment
    found: list[Activity] = []
    next_cursor = None
    # With an agent, one walk through all that it did, so that it can be gone on with; else the last of each.
    for event in (None,) if agent_id else _EVENTS:
        query = ActivityQuery(user_id=user.id, agent_id=agent_id, event=event, limit=MAX_LIMIT, cursor=cursor)
        page = await search.find(environment.id, query)
        next_cursor = page.next_cursor
        found += (each for each in page.items if each.event in _EVENTS)
    reporting = {
        resource_id: await search.last_delivery(environment.id, resource_id) is not None
        for resource_id in {each.resource_id for each in found if each.event == ACCESS}
        if resource_id is not None
    }
    by_agent: dict[str, list[CallLine]] = defaultdict(list)
    unreported: dict[str, dict[str, None]] = defaultdict(dict)
    for each in sorted(found, key=lambda each: each.happened_at, reverse=True):
        is_access = each.event == ACCESS
        if (
            reporting.get(each.resource_id or "")
            if is_access
            else not each.tool and each.outcome != "refused"
        ):
            continue
        resource = environment.resources.get(each.resource_id or "")
        for acting_for in each.agent_ids:
            acting = environment.agents.get(each.agent_ids[0])
            by = agent_title(acting, visit.languages) if acting and acting_for != acting.id else ""
            line = CallLine(
                tool=each.tool or each.method or "",
                is_access=is_access,
                resource=resource.name if resource else "",
                outcome=each.outcome,
                at=format_second(each.happened_at),
                by=by,
            )
            by_agent[acting_for].append(line)
            if is_access and resource:
                unreported[acting_for][resource.name] = None
    return CallPage(by_agent, {agent: tuple(names) for agent, names in unreported.items()}, next_cursor)


def format_second(instant: float) -> str:
    """Write the instant in UTC as ISO 8601, to the second."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
