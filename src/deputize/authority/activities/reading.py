"""What an event of the authority is as an activity: who had a part in it, and what it belongs to."""

from collections.abc import Iterator
from itertools import count
from typing import Final

from deputize.authority.audit import Event
from deputize.authority.storage.activities import Activity
from deputize.kernel.ids import new_id
from deputize.kernel.uris import UriError
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.lineage import Lineage, parse_jti
from deputize.oauth.records.directory import Environment, Resource

MAX_TOOL: Final = 256
"""Characters of what an MCP message names that are kept beside its record."""
MAX_METHOD: Final = 64
_PROCESS: Final = new_id()[-12:]
_numbers = count()


def activity_of(event: Event, environment: Environment) -> Activity:
    """Return what is searched of an event of the environment."""
    members = event.members
    jti = text_of(members.get("jti")) or text_of(members.get("subject_jti"))
    lineage = parse_jti(jti)
    grant_id = text_of(members.get("grant_id")) or (lineage.grant_id if lineage else None)
    resource = find_resource(environment, members.get("resource", members.get("requested_resource")))
    method = text_of(members.get("grant_type"))
    return Activity(
        id=f"{in_order(event.timestamp)}-{next(_numbers):08x}-{_PROCESS}",
        environment_id=environment.id,
        happened_at=event.timestamp,
        source="authority",
        event=event.name,
        outcome="permitted" if event.reason is None else "refused",
        user_id=text_of(members.get("user_id")),
        agent_ids=tuple(dict.fromkeys(_agents(members, lineage, environment))),
        resource_id=resource.id if resource else None,
        method=method[:MAX_METHOD] if method else None,
        tool=None,
        session_id=text_of(members.get("session_id")),
        grant_id=grant_id,
        jti=jti if lineage else grant_id,
        transaction_id=event.source.correlation_id,
        caller_transaction_id=event.source.caller_transaction_id,
        record=event.json(),
    )


def in_order(seconds: float) -> str:
    """Return what the id of an activity of that instant begins with: ids in order are quicker to index."""
    return f"{round(seconds * 1000):012x}"


def _agents(members: JsonObject, lineage: Lineage | None, environment: Environment) -> Iterator[str]:
    """Yield the ids of the agents that had a part: the one that acts first, the one it began with last."""
    for name in ("client_id", "subject_client_id"):
        client_id = text_of(members.get(name))
        if client_id:
            yield client_id
    if lineage is not None:
        yield from agents_of(lineage, environment)


def agents_of(lineage: Lineage, environment: Environment) -> Iterator[str]:
    """Yield the ids of the agents that a token came through, the last first, but those of an ended term."""
    for term in reversed(lineage.terms):
        agent = environment.live_terms.get(term)
        if agent is not None:
            yield agent.id


def find_resource(environment: Environment, audience: JsonValue) -> Resource | None:
    """Find the resource that a token with this `aud`, or a request for this audience, is for."""
    first = audience[0] if isinstance(audience, list | tuple) and audience else audience
    try:
        return environment.resource_of_audience(first) if isinstance(first, str) else None
    except UriError:
        return None


def text_of(value: JsonValue) -> str | None:
    """Return a member that is a text; `None` for whatever else it is."""
    return value if isinstance(value, str) and value else None
