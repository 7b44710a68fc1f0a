"""What agents, users and administrators did, as authority and gateways recorded it, for people to search.

The record of proof is the audit file; this is a copy that can be searched, that nothing waits for, and that
is forgotten after a while. Every search walks an index in the order of time, the newest first, and looks at
a bounded number of entries, so that it takes as long with a million activities as with a thousand.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import Connection, case, delete, select

from deputize.authority.storage import activity_statements as statements
from deputize.authority.storage.engine import Database, insert_all_if_absent, insert_for
from deputize.authority.storage.tables import (
    ACTIVITIES,
    ACTIVITY_AGENTS,
    ACTIVITY_TOTALS,
    ENVIRONMENTS,
    USERS,
)
from deputize.kernel.strict_json import loads
from deputize.kernel.values import JsonObject

ActivitySource: TypeAlias = Literal["authority", "gateway"]
Outcome: TypeAlias = Literal["permitted", "refused", "unknown"]
"""`unknown`: the client left before it was decided."""
MAX_RECORD_SIZE: Final = 1024 * 1024
"""Bytes of a record, which may list very many changes."""
MAX_FOLLOWED: Final = 200
"""Activities of one transaction."""
MIN_BEGINNING_OF_ID: Final = 8
"""Characters of a transaction's id, below which too many begin so."""
_DRIVERS: Final = ("transaction_id", "jti", "user_id", "agent_id", "tool", "resource_id", "event", "outcome")
"""What has an index, by how much it leaves, as a rule."""
_BOUNDS: Final = frozenset({"since", "before", "cursor_at", "cursor_id"})
_SEARCHED_BY_BEGINNING: Final = ("tool", "event", "transaction_id")
_LAST: Final = "\U0010ffff"
_CURSOR: Final = re.compile(r"(-?0x[01]\.[0-9a-f]{1,16}p[+-][0-9]{1,4})_([0-9A-Za-z-]{1,36})")
_WILDCARD: Final = re.compile("[!%_]")
_PURGED_AT_ONCE: Final = 2_000
Place: TypeAlias = tuple[float, str]
"""An activity's place in the order of time: when it happened, and its id."""


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that happened, and who had a part in it."""

    id: str
    environment_id: str
    happened_at: float
    """Seconds since the epoch."""
    source: ActivitySource
    event: str
    """In a few words, such as `token issued`; `mcp message` where a gateway recorded it."""
    outcome: Outcome
    user_id: str | None
    """Whom it was for."""
    agent_ids: tuple[str, ...]
    """The agents that had a part in it: the one that acts first, the one that signed the user on last."""
    resource_id: str | None
    method: str | None
    """The MCP method, or the grant type."""
    tool: str | None
    """The tool, prompt, resource or task that an MCP message names."""
    session_id: str | None
    grant_id: str | None
    jti: str | None
    """Of the token that it is about; the grant's id where a grant is."""
    transaction_id: str
    """Under which authority or gateway logged it."""
    caller_transaction_id: str | None
    """The transaction at a gateway in which the authority was asked, without the number that the gateway
    counts its requests by; the gateway's word.
    """
    record: str
    """The record, a JSON object."""

    def read_record(self) -> JsonObject:
        """Return the members of the record."""
        record = loads(self.record.encode(), max_size=MAX_RECORD_SIZE)
        return record if isinstance(record, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityQuery:
    """What to look for in an environment, the newest first; what is `None` does not matter."""

    since: float | None = None
    """Seconds since the epoch."""
    before: float | None = None
    source: ActivitySource | None = None
    event: str | None = None
    outcome: Outcome | None = None
    user_id: str | None = None
    agent_id: str | None = None
    """An agent that had any part in it."""
    resource_id: str | None = None
    tool: str | None = None
    transaction_id: str | None = None
    jti: str | None = None
    text: str | None = None
    """How the name of the tool, the event's name or the transaction's id begins."""
    record_says: tuple[str, ...] = ()
    """Pieces of the record's JSON that it has every one of, in capitals or not. Ask for an event as well: of
    what is left by the other conditions each record is read.
    """
    limit: int = 50
    cursor: str | None = None
    """`ActivityPage.next_cursor` of the page before."""


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """A part of what was found."""

    items: tuple[Activity, ...]
    next_cursor: str | None
    """Where to go on; `None` at the end. There may be more although a page is not full, or even empty."""


@dataclass(frozen=True, slots=True)
class ActivityTotal:
    """How often an agent did what, whoever it was for, as far back as activities are kept."""

    agent_id: str
    resource_id: str | None
    event: str
    method: str | None
    tool: str | None
    permitted: int
    refused: int
    first_at: float
    last_at: float
    """When it was last permitted; where it never was, when it was last refused."""


class CursorInvalid(ValueError):
    """A cursor was made up."""


class SqlActivities:
    """Activities in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, activities: Sequence[Activity]) -> int:
        """Remember those that are new, and count them; how many were.

        What is about a user or an environment that is gone is not remembered.
        """
        return (
            await self._database.write(lambda connection: _add(connection, activities)) if activities else 0
        )

    async def find(self, environment_id: str, query: ActivityQuery, *others: ActivityQuery) -> ActivityPage:
        """Find a page of what fulfils any of the queries, the newest first. Raises `CursorInvalid`.

        The others have the first one's limit and cursor.
        """
        found: list[Activity] = []
        looked_until: list[Place] = []
        for each in (query, *others):
            values = {"environment": environment_id, **_values_of(each)}
            for driver, value in await self._ways(values, each.text):
                activities, end = await self._search({**values, driver: value}, driver, query.limit + 1)
                found += activities
                looked_until += [] if end is None else [end]
        limit = max(looked_until, default=None)
        whole = {(each.happened_at, each.id): each for each in found}
        newest = sorted((place for place in whole if limit is None or place >= limit), reverse=True)
        items = tuple(whole[place] for place in newest[: query.limit])
        if len(newest) > query.limit:
            return ActivityPage(items, _cursor((items[-1].happened_at, items[-1].id)))
        return ActivityPage(items, None if limit is None else _cursor(limit))

    async def find_one(self, environment_id: str, activity_id: str) -> Activity | None:
        """Find the activity with this id."""
        rows = await self._database.rows(statements.ONE, {"environment": environment_id, "id": activity_id})
        return activity_of(rows[0]) if rows else None

    async def follow(
        self, environment_id: str, transaction_ids: Collection[str], jtis: Collection[str]
    ) -> tuple[Activity, ...]:
        """Find what belongs to these transactions, at either program, or is about these tokens.

        The oldest first, `MAX_FOLLOWED` at most of each transaction and token, the newest ones.
        """
        found: dict[str, Activity] = {}
        for name, values in (
            ("transaction_id", transaction_ids),
            ("caller_transaction_id", transaction_ids),
            ("jti", jtis),
        ):
            for value in values:
                parameters = {"environment": environment_id, name: value}
                activities, _ = await self._search(parameters, name, MAX_FOLLOWED)
                found |= {each.id: each for each in activities}
        return tuple(sorted(found.values(), key=lambda each: (each.happened_at, each.id)))

    async def totals(self, environment_id: str, agent_ids: Collection[str]) -> tuple[ActivityTotal, ...]:
        """What agents did, and how often, whoever it was for; the last use first."""
        if not agent_ids:
            return ()
        parameters: dict[str, object] = {"environment": environment_id}
        parameters |= {f"agent_{place}": each for place, each in enumerate(agent_ids)}
        rows = await self._database.rows(statements.totals(len(agent_ids)), parameters)
        return tuple(_total_of(row) for row in rows)

    async def totals_of_user(
        self, environment_id: str, user_id: str, since: float
    ) -> tuple[ActivityTotal, ...]:
        """What agents did for a user, and how often since then; the last use first.

        It counts the newest `MAX_LOOKED_AT` activities.
        """
        parameters = {"environment": environment_id, "user_id": user_id, "since": since}
        rows = await self._database.rows(statements.TOTALS_OF_USER, parameters)
        return tuple(_total_of(row) for row in rows)

    async def purge(self, environment_id: str, before: float) -> int:
        """Forget what happened before then, and what was last done before; how many activities went."""
        old = (ACTIVITIES.c.environment_id == environment_id) & (ACTIVITIES.c.happened_at < before)
        some = select(ACTIVITIES.c.id).where(old).order_by(*statements.PLACE).limit(_PURGED_AT_ONCE)
        totals = ACTIVITY_TOTALS.c
        unused = (totals.environment_id == environment_id) & (totals.last_at < before)

        def work(connection: Connection) -> int:
            connection.execute(delete(ACTIVITY_TOTALS).where(unused))
            return connection.execute(delete(ACTIVITIES).where(ACTIVITIES.c.id.in_(some))).rowcount

        gone = went = await self._database.write(work)
        while went == _PURGED_AT_ONCE:  # each a write of its own, so that others can write in between
            went = await self._database.write(work)
            gone += went
        return gone

    async def _ways(self, values: Mapping[str, object], beginning: str | None) -> list[tuple[str, object]]:
        """The ways to what is asked for: an index, and the value at which to begin.

        One way by the index that leaves the least to look at; or one for each text that begins as asked.
        """
        if beginning is not None:
            ways: list[tuple[str, object]] = []
            for name in _SEARCHED_BY_BEGINNING:
                if name == "transaction_id" and len(beginning) < MIN_BEGINNING_OF_ID:
                    continue
                range_ = {"first": beginning, "last": beginning + _LAST}
                rows = await self._database.rows(
                    statements.beginning(name), {"environment": values["environment"], **range_}
                )
                ways += [(name, row[0]) for row in rows if values.get(name, row[0]) == row[0]]
            return ways
        candidates = [name for name in _DRIVERS if name in values]
        if not candidates:
            return [("environment", values["environment"])]
        bounds = frozenset(values) & _BOUNDS
        leave: dict[str, int] = {}
        for name in candidates if len(candidates) > 1 else ():
            leave[name] = (await self._database.rows(statements.count(name, bounds), values))[0][0]
        best = min(candidates, key=lambda name: leave.get(name, 0))
        return [(best, values[best])]

    async def _search(
        self, values: Mapping[str, object], driver: str, most: int
    ) -> tuple[list[Activity], Place | None]:
        """Find the newest activities by the index of `driver`; and where it stopped looking, if it did."""
        others = frozenset(values) - {driver, "environment"} - _BOUNDS
        bounds = frozenset(values) & _BOUNDS
        statement = statements.find(driver, others, bounds)
        rows = await self._database.rows(statement, {**values, "most": most})
        found = [activity_of(row) for row in rows]
        if len(found) == most or not others:
            return found, None
        last = await self._database.rows(statements.last_looked_at(driver, bounds), values)
        return found, (last[0][0], last[0][1]) if last else None


def activity_of(columns: Sequence[Any]) -> Activity:
    """The activity in columns as `Activity` orders them."""
    values = list(columns)
    values[_AGENT_IDS] = tuple(values[_AGENT_IDS])
    return Activity(*values)


_AGENT_IDS: Final = [each.name for each in fields(Activity)].index("agent_ids")


def _total_of(row: Sequence[Any]) -> ActivityTotal:
    agent_id, resource_id, event, method, tool, *figures = row
    return ActivityTotal(agent_id, resource_id or None, event, method or None, tool or None, *figures)


def _add(connection: Connection, activities: Sequence[Activity]) -> int:
    """Remember the new ones of `activities` about users that there are, inside one transaction."""
    ids = {each.id: each for each in activities}
    asked = {each.user_id for each in activities if each.user_id is not None}
    known = set(connection.scalars(select(ACTIVITIES.c.id).where(ACTIVITIES.c.id.in_(ids))))
    there = select(USERS.c.id, USERS.c.environment_id).where(USERS.c.id.in_(asked))
    users = {tuple(row) for row in connection.execute(there.with_for_update(read=True, key_share=True))}
    named = select(ENVIRONMENTS.c.id).where(
        ENVIRONMENTS.c.id.in_({each.environment_id for each in activities})
    )
    environments = set(connection.scalars(named.with_for_update(read=True, key_share=True)))
    new = [
        each
        for each in ids.values()
        if each.id not in known
        and each.environment_id in environments
        and (each.user_id is None or (each.user_id, each.environment_id) in users)
    ]
    rows = [
        {column.name: getattr(each, column.name) for column in statements.COLUMNS}
        | {"acting_id": each.agent_ids[0] if each.agent_ids else None}
        for each in new
    ]
    parts = [
        {
            "environment_id": each.environment_id,
            "agent_id": agent_id,
            "happened_at": each.happened_at,
            "activity_id": each.id,
        }
        for each in new
        for agent_id in dict.fromkeys(each.agent_ids)
    ]
    insert_all_if_absent(connection, ACTIVITIES, rows)
    insert_all_if_absent(connection, ACTIVITY_AGENTS, parts)
    _count_in(connection, new)
    return len(new)


def _count_in(connection: Connection, activities: Iterable[Activity]) -> None:
    """Add to the totals, always in the same order, so that no two servers wait for each other."""
    done: dict[tuple[str, ...], list[Activity]] = defaultdict(list)
    for each in activities:
        if each.agent_ids:
            key = (each.environment_id, each.agent_ids[0], each.resource_id or "", each.event)
            done[*key, each.method or "", each.tool or ""].append(each)
    names = [column.name for column in ACTIVITY_TOTALS.primary_key]
    for key in sorted(done):
        times = [each.happened_at for each in done[key]]
        uses = [each.happened_at for each in done[key] if each.outcome == "permitted"]
        outcomes = Counter(each.outcome for each in done[key])
        row: dict[str, Any] = dict(zip(names, key, strict=True))
        row |= {"permitted": outcomes["permitted"], "refused": outcomes["refused"]}
        row |= {"first_at": min(times), "last_at": max(uses or times)}
        statement = insert_for(connection, ACTIVITY_TOTALS).values(row)
        there, new = ACTIVITY_TOTALS.c, statement.excluded
        adding = statement.on_conflict_do_update(
            index_elements=[*ACTIVITY_TOTALS.primary_key],
            set_={
                "permitted": there.permitted + new.permitted,
                "refused": there.refused + new.refused,
                "first_at": case((there.first_at < new.first_at, there.first_at), else_=new.first_at),
                "last_at": case(
                    ((new.permitted == 0) & (there.permitted > 0), there.last_at),
                    ((there.permitted == 0) & (new.permitted > 0), new.last_at),
                    (there.last_at > new.last_at, there.last_at),
                    else_=new.last_at,
                ),
            },
        )
        connection.execute(adding)


def _values_of(query: ActivityQuery) -> dict[str, object]:
    """What is compared with, by the names of the statements' parameters."""
    names = (*_DRIVERS, "source", "since", "before")
    values: dict[str, object] = {name: value for name in names if (value := getattr(query, name)) is not None}
    for number, piece in enumerate(query.record_says):
        values[f"{statements.RECORD}{number}"] = "%" + _WILDCARD.sub(r"!\g<0>", piece) + "%"
    if query.cursor is not None:
        values["cursor_at"], values["cursor_id"] = _read_cursor(query.cursor)
    return values


def _cursor(place: Place) -> str:
    return f"{place[0].hex()}_{place[1]}"


def _read_cursor(text: str) -> Place:
    place = _CURSOR.fullmatch(text)
    try:
        if place is not None:
            return float.fromhex(place[1]), place[2]
    except OverflowError:
        pass
    raise CursorInvalid("the cursor is none that a page before ended with")
