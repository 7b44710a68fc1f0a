"""What an event of the authority is as an activity: who had a part in it, and what it belongs to."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Final

from deputize.authority.audit import Event
from deputize.authority.storage.activities import MAX_RECORD_SIZE, Activity
from deputize.kernel.ids import new_id
from deputize.kernel.strict_json import dumps, loads
from deputize.kernel.uris import UriError
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.grants import GRANTS
from deputize.oauth.lineage import Lineage, parse_jti
from deputize.oauth.records.directory import Environment, Resource

MAX_TOOL: Final = 256
"""Characters of what an MCP message names that are kept beside its record."""
MAX_METHOD: Final = 64
_COUNTED: Final = re.compile(r"/[0-9]+$")
"""What a gateway puts behind its transaction: the number of the request that it sent on in it."""
_PROCESS: Final = new_id()[-12:]
_numbers = count()


def activity_of(event: Event, environment: Environment) -> Activity:
    """Return what is searched of an event of the environment."""
    members = event.members
    jti = text_of(members.get("jti")) or text_of(members.get("subject_jti"))
    lineage = parse_jti(jti)
    grant_id = text_of(members.get("grant_id")) or (lineage.grant_id if lineage else None)
    resource = find_resource(environment, members.get("resource", members.get("requested_resource")))
    grant = GRANTS.by_name.get(text_of(members.get("grant_type")) or "")  # else anybody could make up totals
    user_id, record = text_of(members.get("user_id")), event.json()
    caller, changes = event.source.caller_transaction_id, members.get("changes")
    if isinstance(changes, list) and changes:
        user_id, record = _about_whom(changes, record)
    return Activity(
        id=f"{in_order(event.timestamp)}-{next(_numbers):08x}-{_PROCESS}",
        environment_id=environment.id,
        happened_at=event.timestamp,
        source="authority",
        event=event.name,
        outcome="permitted" if event.reason is None else "refused",
        user_id=user_id,
        agent_ids=tuple(dict.fromkeys(_agents(members, lineage, environment))),
        resource_id=resource.id if resource else None,
        method=grant.grant_type if grant else None,
        tool=None,
        session_id=text_of(members.get("session_id")),
        grant_id=grant_id,
        jti=lineage.id if lineage else grant_id,
        transaction_id=event.source.correlation_id,
        caller_transaction_id=caller and _COUNTED.sub("", caller),
        record=record,
    )


def _about_whom(changes: Sequence[JsonValue], record: str) -> tuple[str | None, str]:
    """Return whom an administrator's changes are about, and the record as it is kept to be searched.

    What is about one person is theirs, and goes with them. Of a removal, and of changes of several people at
    once, only is kept whom they are about: what is removed must not live on here.
    """
    people = [_person_of(each) for each in changes]
    one = people[0] if len(set(people)) == 1 else None
    is_gone = any(isinstance(each, Mapping) and _is_removal(each) for each in changes)
    if one is not None and not is_gone and len(record.encode()) <= MAX_RECORD_SIZE:
        return one, record
    kept = [
        {"kind": each["kind"], "id": person, **({"removed": True} if _is_removal(each) else {})}
        if person is not None and isinstance(each, Mapping)
        else each
        for each, person in zip(changes, people, strict=True)
    ]
    return None, _replace_changes(record, kept)


def _replace_changes(record: str, kept: Sequence[JsonValue]) -> str:
    """Return a record of the authority's own with other changes: of very many only what they are about, or
    how many there were. The audit file has them all.
    """
    encoded = record.encode()
    members = loads(encoded, max_size=len(encoded))
    if not isinstance(members, Mapping):
        return "{}"
    about = [
        {name: each[name] for name in ("kind", "id") if name in each}
        for each in kept
        if isinstance(each, Mapping)
    ]
    for changes in (kept, about):
        text = dumps({**members, "changes": changes})
        if len(text) <= MAX_RECORD_SIZE:
            return text.decode()
    return dumps({**members, "changes": [], "changes_left_out": len(kept)}).decode()


def _is_removal(change: JsonObject) -> bool:
    return change.get("kind") == "user" and change.get("after") is None


def _person_of(change: JsonValue) -> str | None:
    """Return the id of the user that a change is about; `None` where it is about none."""
    if not isinstance(change, Mapping):
        return None
    before = change.get("before")
    if change.get("kind") == "user":
        return text_of(change.get("id"))
    if change.get("kind") in {"session", "consent"} and isinstance(before, Mapping):
        return text_of(before.get("user_id"))
    return None


def in_order(seconds: float) -> str:
    """Return what the id of an activity of that instant begins with: ids in order are quicker to index."""
    return f"{round(seconds * 1000):012x}"


def _agents(members: JsonObject, lineage: Lineage | None, environment: Environment) -> Iterator[str]:
    """Yield the ids of the agents that had a part: the one that acts first, the one it began with last.

    Who did not prove to be an agent is refused as the one that they claim to be: its page tells of that.
    """
    for name in ("client_id", "subject_client_id"):
        client_id = text_of(members.get(name))
        if client_id:
            yield client_id
    if lineage is not None:
        yield from agents_of(lineage, environment)
    claimed = text_of(members.get("claimed_client_id"))
    if claimed is not None and claimed in environment.agents:
        yield claimed


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
