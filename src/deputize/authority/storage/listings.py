"""Lists of what an environment has, a page at a time: what administrators read, however much there is."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Column, bindparam, func, or_, select
from sqlalchemy.sql import ColumnElement, Select

from deputize.authority.storage.directory_rows import Kind, ObjectRow, SecretRow
from deputize.authority.storage.engine import Database
from deputize.authority.storage.people import USER_COLUMNS
from deputize.authority.storage.tables import DIRECTORY_OBJECTS, GRANTS, REFRESH_TOKENS, SECRETS, USERS
from deputize.oauth.records.store import User
from deputize.oauth.usernames import comparison_form

_OBJECT = DIRECTORY_OBJECTS.c
_OBJECT_COLUMNS = tuple(_OBJECT[each.name] for each in fields(ObjectRow))
_USER = USERS.c


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
        statement: Select[Any] = (
            select(*(columns[each.name] for each in fields(SecretRow)))
            .where((columns.environment_id == environment_id) & columns.owner_id.in_(_values(owners)))
            .order_by(columns.created_at.desc())
        )
        return [SecretRow(*row) for row in await self._database.rows(statement, {})]

    async def last_uses(self, environment_id: str, agents: Collection[str]) -> Mapping[str, float]:
        """When a user last signed on to each of these agents, or its refresh token was last used."""
        if not agents:
            return {}
        statement: Select[*tuple[Any, ...]] = (
            select(GRANTS.c.client_id, func.max(GRANTS.c.created_at), func.max(REFRESH_TOKENS.c.rotated_at))
            .select_from(GRANTS.outerjoin(REFRESH_TOKENS, REFRESH_TOKENS.c.grant_id == GRANTS.c.id))
            .where((GRANTS.c.environment_id == environment_id) & GRANTS.c.client_id.in_(_values(agents)))
            .group_by(GRANTS.c.client_id)
        )
        rows = await self._database.rows(statement, {})
        return {agent: max(began, rotated or 0.0) for agent, began, rotated in rows}


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
