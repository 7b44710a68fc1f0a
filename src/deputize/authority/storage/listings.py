"""Lists of what an environment has, a page at a time: what administrators read, however much there is."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Column, Table, bindparam, exists, func, or_, select, tuple_
from sqlalchemy.sql import ColumnElement, Select

from deputize.authority.storage.directory_rows import Kind, ObjectRow, SecretRow
from deputize.authority.storage.engine import Database
from deputize.authority.storage.people import USER_COLUMNS, consent_of
from deputize.authority.storage.tables import (
    CONSENTS,
    DIRECTORY_OBJECTS,
    GRANTS,
    REFRESH_TOKENS,
    SECRETS,
    SESSIONS,
    USERS,
)
from deputize.oauth.records.store import Consent, Session, User
from deputize.oauth.usernames import comparison_form

_CHUNK = 500
"""How many agents one statement asks about: databases take thousands of values."""
_OBJECT = DIRECTORY_OBJECTS.c
_OBJECT_COLUMNS = tuple(_OBJECT[each.name] for each in fields(ObjectRow))
_USER = USERS.c
_SESSION_COLUMNS = tuple(SESSIONS.c[each.name] for each in fields(Session))


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of a list, and what of it."""

    limit: int
    after: str | None = None
    """The name that the page before ended with."""
    search: str = ""
    """A part of a name, however it is capitalised."""
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class AgentFilter:
    """Which agents."""

    owner: str | None = None
    introduced: bool | None = None
    waiting: bool | None = None


class SqlListings:
    """Pages of lists in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def objects(
        self,
        environment_id: str,
        kind: Kind,
        part: Slice,
        agents: AgentFilter | None = None,
        ids: Collection[str] | None = None,
    ) -> list[ObjectRow]:
        """Objects of a kind by name; of those with one of `ids`, where these are given."""
        chosen = [_OBJECT.environment_id == environment_id, _OBJECT.kind == kind]
        if part.after is not None:
            chosen.append(_OBJECT.name > part.after)
        if part.search:
            chosen.append(_has_part(_OBJECT.name, part.search.lower()))
        if part.enabled is not None:
            chosen.append(_OBJECT.document["enabled"].as_boolean().is_(part.enabled))
        if agents is not None:
            chosen += _agent_filters(agents)
        if ids is not None:
            chosen.append(_OBJECT.id.in_([bindparam(None, each) for each in ids]))
        statement = select(*_OBJECT_COLUMNS).where(*chosen).order_by(_OBJECT.name).limit(part.limit)
        return [ObjectRow(*row) for row in await self._database.rows(statement, {})]

    async def users(self, environment_id: str, part: Slice, role: str | None = None) -> list[User]:
        """Users by username; `search` also looks at their other names and their email address."""
        chosen: list[ColumnElement[bool]] = [_USER.environment_id == environment_id]
        if part.after is not None:
            chosen.append(_USER.username > part.after)
        if part.search:
            others = (_USER.email, _USER.given_name, _USER.family_name)
            found = [_has_part(each, part.search.lower()) for each in others]
            chosen.append(or_(_has_part(_USER.username_form, comparison_form(part.search)), *found))
        if part.enabled is not None:
            chosen.append(_USER.enabled.is_(part.enabled))
        if role is not None:
            chosen.append((" " + _USER.roles + " ").contains(f" {role} "))
        statement = select(*USER_COLUMNS).where(*chosen).order_by(_USER.username).limit(part.limit)
        return [User(*row) for row in await self._database.rows(statement, {})]

    async def names(self, environment_id: str, ids: Collection[str]) -> Mapping[str, str]:
        """The names of an environment's objects with these ids, by id."""
        if not ids:
            return {}
        mine = (_OBJECT.environment_id == environment_id) & _OBJECT.id.in_(_values(ids))
        statement: Select[*tuple[Any, ...]] = select(_OBJECT.id, _OBJECT.name).where(mine)
        rows = await self._database.rows(statement, {})
        return {row[0]: row[1] for row in rows}

    async def secrets(self, environment_id: str, owners: Collection[str]) -> Sequence[SecretRow]:
        """The secrets of resources and agents with these ids, the newest first."""
        if not owners:
            return ()
        columns = SECRETS.c
        statement: Select[Any] = select(*(columns[each.name] for each in fields(SecretRow))).where(
            (columns.environment_id == environment_id) & columns.owner_id.in_(_values(owners))
        )
        found = [SecretRow(*row) for row in await self._database.rows(statement, {})]
        return sorted(found, key=lambda each: each.age, reverse=True)

    async def last_uses(self, environment_id: str, agents: Collection[str]) -> Mapping[str, float]:
        """When a user last signed on to each of these agents, or its refresh token was last used.

        Agents of which no grant is kept are missing.
        """
        # The end of an index for each agent: together they would be read from its beginning.
        latest = [
            select(func.max(column))
            .where(
                column.table.c.environment_id == _OBJECT.environment_id,
                column.table.c.client_id == _OBJECT.id,
            )
            .scalar_subquery()
            for column in (GRANTS.c.created_at, REFRESH_TOKENS.c.rotated_at)
        ]
        mine = (_OBJECT.environment_id == environment_id) & (_OBJECT.kind == "agent")
        ordered, uses = sorted(agents), dict[str, float]()
        for start in range(0, len(ordered), _CHUNK):
            chosen = mine & _OBJECT.id.in_(_values(ordered[start : start + _CHUNK]))
            statement: Select[*tuple[Any, ...]] = select(_OBJECT.id, *latest).where(chosen)
            rows = await self._database.rows(statement, {})
            uses |= {agent: max(began, rotated or 0.0) for agent, began, rotated in rows if began is not None}
        return uses

    async def sessions(
        self, environment_id: str, user_id: str | None, after: tuple[float, str] | None, limit: int
    ) -> list[Session]:
        """Sessions that were not ended, the newest first: those that began before `after`."""
        columns = SESSIONS.c
        chosen: list[ColumnElement[bool]] = [columns.ended_at.is_(None)]
        if user_id is None:
            chosen.append(columns.environment_id == environment_id)
        else:  # with the environment's own index beside it, SQLite would walk through everybody's sessions
            mine = (_USER.id == user_id) & (_USER.environment_id == environment_id)
            chosen += [columns.user_id == user_id, exists().where(mine)]
        if after is not None:
            chosen.append(tuple_(columns.created_at, columns.id) < tuple_(*after))
        newest_first = (columns.created_at.desc(), columns.id.desc())
        statement = select(*_SESSION_COLUMNS).where(*chosen).order_by(*newest_first).limit(limit)
        return [Session(*row) for row in await self._database.rows(statement, {})]

    async def find_session(self, environment_id: str, session_id: str) -> Session | None:
        """The session with this id, unless it was ended."""
        columns = SESSIONS.c
        mine = (columns.environment_id == environment_id) & (columns.id == session_id)
        statement = select(*_SESSION_COLUMNS).where(mine & columns.ended_at.is_(None))
        rows = await self._database.rows(statement, {})
        return Session(*rows[0]) if rows else None

    async def consents(
        self,
        environment_id: str,
        user_id: str | None,
        agent_id: str | None,
        after: tuple[str, ...],
        limit: int,
    ) -> list[Consent]:
        """Consents by user, agent and agreement: those behind the ids in `after`."""
        columns = CONSENTS.c
        key = (columns.user_id, columns.client_id, columns.agreement_id)
        chosen = [columns.environment_id == environment_id]
        if user_id is not None:
            chosen.append(columns.user_id == user_id)
        if agent_id is not None:
            chosen.append(columns.client_id == agent_id)
        if after:
            chosen.append(tuple_(*key) > tuple_(*after))
        statement = select(CONSENTS).where(*chosen).order_by(*key).limit(limit)
        return [consent_of(row) for row in await self._database.rows(statement, {})]

    async def usernames(self, ids: Collection[str]) -> dict[str, str]:
        """The names of the users with these ids, by id."""
        if not ids:
            return {}
        statement: Select[*tuple[Any, ...]] = select(_USER.id, _USER.username).where(
            _USER.id.in_(_values(ids))
        )
        return {row[0]: row[1] for row in await self._database.rows(statement, {})}

    async def content_of(self, environment_id: str, now: float) -> dict[str, int]:
        """How much there is in an environment, of what goes with it."""
        live = (GRANTS.c.expires_at > now) & GRANTS.c.ended_at.is_(None)
        counts = {
            "users": _count(USERS, environment_id),
            "sessions": _count(SESSIONS, environment_id).where(SESSIONS.c.ended_at.is_(None)),
            "consents": _count(CONSENTS, environment_id).where(CONSENTS.c.withdrawn_at.is_(None)),
            "grants": _count(GRANTS, environment_id).where(live),
        }
        found = {name: (await self._database.rows(each, {}))[0][0] for name, each in counts.items()}
        by_kind: Select[*tuple[Any, ...]] = (
            select(_OBJECT.kind, func.count())
            .where(_OBJECT.environment_id == environment_id)
            .group_by(_OBJECT.kind)
            .order_by(_OBJECT.kind)
        )
        objects = {row[0]: row[1] for row in await self._database.rows(by_kind, {})}
        return {**objects, **found}

    async def ends_with(self, environment_id: str, kind: str, object_id: str, now: float) -> dict[str, int]:
        """How much that is in force rests on an object, and ends when it goes or is disabled."""
        grants, consents = GRANTS.c, CONSENTS.c
        of_grants = {
            "agent": grants.client_id == object_id,
            "user": grants.user_id == object_id,
            "resource": (grants.resource_id == object_id) | (grants.delegated_resource_id == object_id),
        }
        of_consents = {
            "agent": consents.client_id == object_id,
            "user": consents.user_id == object_id,
            "agreement": consents.agreement_id == object_id,
        }
        counts: dict[str, Select[Any]] = {}
        if kind in of_grants:
            live = (grants.expires_at > now) & grants.ended_at.is_(None)
            counts["grants"] = _count(GRANTS, environment_id).where(of_grants[kind] & live)
        if kind in of_consents:
            in_force = consents.withdrawn_at.is_(None) & (
                consents.expires_at.is_(None) | (consents.expires_at > now)
            )
            counts["consents"] = _count(CONSENTS, environment_id).where(of_consents[kind] & in_force)
        if kind == "user":
            live = (SESSIONS.c.user_id == object_id) & SESSIONS.c.ended_at.is_(None)
            counts["sessions"] = _count(SESSIONS, environment_id).where(live)
        return {name: (await self._database.rows(each, {}))[0][0] for name, each in counts.items()}


def _count(table: Table, environment_id: str) -> Select[Any]:
    return select(func.count()).select_from(table).where(table.c.environment_id == environment_id)


def _values(values: Collection[str]) -> list[Any]:
    return [bindparam(None, each) for each in sorted(values)]


def _agent_filters(wanted: AgentFilter) -> list[ColumnElement[bool]]:
    means = _OBJECT.history[("introduction", "means")].as_string()
    waits = _OBJECT.document["waiting"].as_boolean()
    filters: list[ColumnElement[bool]] = []
    if wanted.owner is not None:
        filters.append(_OBJECT.document["owner"].as_string() == wanted.owner)
    if wanted.introduced is not None:
        filters.append(means.is_not(None) if wanted.introduced else means.is_(None))
    if wanted.waiting is not None:
        filters.append(waits.is_(True) if wanted.waiting else waits.is_not(True))
    return filters


def _has_part(column: Column[Any], part: str) -> ColumnElement[bool]:
    """Whether the text has this part, which is in lower case."""
    for each in "!%_":
        part = part.replace(each, f"!{each}")
    return func.lower(column).like(f"%{part}%", escape="!")
