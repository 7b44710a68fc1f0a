"""What administrators read of an environment's objects, and what of that each of them may see."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from deputize.authority.administration.operators import NotPermitted, Operator
from deputize.authority.administration.views import (
    MAX_LIMIT,
    ListPage,
    ListQuery,
    NoSuchObject,
    ObjectKind,
    ObjectView,
    cursor_of,
    references_of,
    view_of_object,
    view_of_user,
)
from deputize.authority.directory.objects import AgentObject, EnvironmentObject
from deputize.authority.directory.objects.introduction import is_introduced
from deputize.authority.environment_file.outcome import read_object
from deputize.authority.storage import AgentFilter, DirectoryRows, EnvironmentRow, ObjectRow, Slice, Store
from deputize.kernel.clock import Clock
from deputize.kernel.values import JsonValue
from deputize.oauth.records.store import User

MAX_OWNED: Final = 10_000
"""How many agents of one owner are looked at."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What is stored of an object, and of the environment it is in."""

    rows: DirectoryRows
    environment: EnvironmentRow
    stored: ObjectRow | User | None
    view: ObjectView | None

    @property
    def agent(self) -> AgentObject | None:
        """The object, where it is an agent that an administrator set up."""
        if not isinstance(self.stored, ObjectRow) or is_introduced(self.stored):
            return None
        found = read_object(self.stored)
        return found if isinstance(found, AgentObject) else None


class ObjectReader:
    """Reads objects of environments."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def find(
        self, operator: Operator, environment_id: str, kind: ObjectKind, object_id: str
    ) -> ObjectView | None:
        """The object with this id, if there is one that the operator may see."""
        operator.require_any_role()
        visible = await self.visible(operator, environment_id, kind)
        if visible is not None and object_id not in visible:
            return None
        if kind == "user":
            user = await self._store.users.find_user_by_id(environment_id, object_id)
            return view_of_user(user) if user else None
        row = await self._store.directory_rows.find_object(environment_id, kind, object_id)
        return (await self.views(environment_id, [row]))[0] if row else None

    async def page(
        self, operator: Operator, environment_id: str, kind: ObjectKind, query: ListQuery
    ) -> ListPage[ObjectView]:
        """A page of the objects of a kind that the operator may see, by name. Raises `CursorInvalid`."""
        operator.require_any_role()
        visible = await self.visible(operator, environment_id, kind)
        after = query.after()
        limit = max(1, min(query.limit, MAX_LIMIT))
        part = Slice(limit + 1, after[0] if after else None, query.search, query.enabled)
        if kind == "user":
            users = await self._store.listings.users(environment_id, part, query.role)
            views = [view_of_user(user) for user in users[:limit]]
            return _page(views, more=len(users) > limit)
        agents = AgentFilter(query.owner, query.introduced, query.waiting) if kind == "agent" else None
        rows = await self._store.listings.objects(environment_id, kind, part, agents, visible)
        return _page(await self.views(environment_id, rows[:limit]), more=len(rows) > limit)

    async def visible(
        self, operator: Operator, environment_id: str, kind: ObjectKind
    ) -> frozenset[str] | None:
        """The ids of the objects of a kind that the operator may see; `None`: all of them."""
        if operator.reads_all:
            return None
        if kind == "user":
            raise NotPermitted("only an administrator or an auditor may see users")
        own = await self._store.listings.objects(
            environment_id, "agent", Slice(MAX_OWNED), AgentFilter(owner=operator.name)
        )
        agents = [(row.id, agent) for row in own if isinstance(agent := read_object(row), AgentObject)]
        match kind:
            case "agent":
                return frozenset(agent_id for agent_id, agent in agents if operator.owns(agent))
            case "resource":
                signed_on_for = (agent.delegation_resource for _, agent in agents)
                granted = (resource for _, agent in agents for resource in agent.scopes)
                return frozenset({*granted, *filter(None, signed_on_for)})
            case _:
                return await self._visible_policies(environment_id, kind, agents)

    async def _visible_policies(
        self, environment_id: str, kind: ObjectKind, agents: Sequence[tuple[str, AgentObject]]
    ) -> frozenset[str]:
        """The policies that agents sign users on by, or the agreements that these ask for."""
        rows, environment = await self.read(environment_id)
        default = EnvironmentObject.read(environment.name, environment.document).default_policy
        names = {name for _, agent in agents for name in agent.policies or (default,)}
        policies = [
            row
            for row in rows.objects
            if row.environment_id == environment_id and row.kind == "policy" and row.name in names
        ]
        if kind == "policy":
            return frozenset(row.id for row in policies)
        return frozenset(agreement for row in policies for agreement in references_of(row))

    async def views(self, environment_id: str, rows: Sequence[ObjectRow]) -> list[ObjectView]:
        """The objects of these rows of one environment."""
        listings = self._store.listings
        ids = {row.id for row in rows}
        names = await listings.names(environment_id, {each for row in rows for each in references_of(row)})
        secrets = await listings.secrets(environment_id, ids)
        agents = {row.id for row in rows if row.kind == "agent"}
        uses, now = await listings.last_uses(environment_id, agents), self._clock.now()
        return [
            view_of_object(
                row, names, [each for each in secrets if each.owner_id == row.id], uses.get(row.id), now
            )
            for row in rows
        ]

    async def read(self, environment_id: str) -> tuple[DirectoryRows, EnvironmentRow]:
        """Everything configured, and the environment with this id. Raises `NoSuchObject`."""
        rows = await self._store.directory_rows.load()
        found = next((row for row in rows.environments if row.id == environment_id), None)
        if found is None:
            raise NoSuchObject(f"there is no environment {environment_id!r}")
        return rows, found

    async def find_stored(
        self, environment_id: str, kind: ObjectKind, object_id: JsonValue, name: JsonValue
    ) -> StoredObject:
        """What is stored of the object with this id, or where none is given, with this name."""
        rows, environment = await self.read(environment_id)
        if kind == "user":
            users = self._store.users
            user = (
                await users.find_user_by_id(environment_id, str(object_id))
                if object_id
                else await users.find_user(environment_id, str(name))
            )
            return StoredObject(rows, environment, user, view_of_user(user) if user else None)
        mine = (row for row in rows.objects if row.environment_id == environment_id and row.kind == kind)
        row = next((row for row in mine if (row.id == object_id if object_id else row.name == name)), None)
        view = (await self.views(environment_id, [row]))[0] if row else None
        return StoredObject(rows, environment, row, view)


def _page(views: Sequence[ObjectView], *, more: bool) -> ListPage[ObjectView]:
    return ListPage(tuple(views), cursor_of(views[-1].name) if more else None)
