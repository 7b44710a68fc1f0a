"""What commands that read need of an authority, whether its data is here or it runs elsewhere."""

from typing import Protocol

import click

from deputize.authority.administration import ListPage, ListQuery, ObjectKind, ObjectView, Operator
from deputize.authority.environment_file import Application, Applied
from deputize.kernel.values import JsonValue


class ReadEnvironments(Protocol):
    """The part of `Administration.environments` that commands need of authorities anywhere."""

    async def list(self, operator: Operator, /) -> ListPage[ObjectView]:
        """All environments by name."""
        ...

    async def find(self, operator: Operator, environment_id: str, /) -> ObjectView | None:
        """The environment with this id."""
        ...

    async def export(
        self, operator: Operator, environment_id: str, /, *, ids: bool, password_hashes: bool
    ) -> str:
        """The environment as the file that makes it."""
        ...

    async def apply(self, operator: Operator, application: Application, /) -> Applied:
        """Apply a whole file."""
        ...


class ReadSessions(Protocol):
    """The same of `Administration.sessions`."""

    async def list(
        self, operator: Operator, environment_id: str, query: ListQuery | None, /, *, user_id: str | None
    ) -> ListPage[ObjectView]:
        """A page of the sessions that were not ended."""
        ...


class ReadConsents(Protocol):
    """The same of `Administration.consents`."""

    async def list(
        self,
        operator: Operator,
        environment_id: str,
        query: ListQuery | None,
        /,
        *,
        user_id: str | None,
        agent_id: str | None,
    ) -> ListPage[ObjectView]:
        """A page of the latest consents."""
        ...


class ReadKeys(Protocol):
    """The same of `Administration.keys`."""

    async def list(self, operator: Operator, environment_id: str, /) -> ListPage[ObjectView]:
        """All keys."""
        ...


class ReadAdministration(Protocol):
    """The part of `Administration` that commands need of authorities anywhere."""

    @property
    def environments(self) -> ReadEnvironments:
        """The environments."""
        ...

    @property
    def sessions(self) -> ReadSessions:
        """The sessions."""
        ...

    @property
    def consents(self) -> ReadConsents:
        """The consents."""
        ...

    @property
    def keys(self) -> ReadKeys:
        """The keys."""
        ...

    async def list(
        self, operator: Operator, environment_id: str, kind: ObjectKind, query: ListQuery | None = None, /
    ) -> ListPage[ObjectView]:
        """A page of the objects of a kind."""
        ...

    async def find_named(
        self, operator: Operator, environment_id: str, kind: ObjectKind, name: str, /
    ) -> ObjectView | None:
        """The object with this id, else with this name."""
        ...


class ReadOperation(Protocol):
    """The part of `administration.Operation` that commands need of authorities anywhere."""

    members: dict[str, JsonValue]
    environment_id: str | None

    @property
    def administration(self) -> ReadAdministration:
        """What it does goes through this."""
        ...

    async def find_environment(self, name: str) -> str:
        """The id of the environment that was typed."""
        ...

    async def find(self, environment_id: str, kind: ObjectKind, name: str) -> ObjectView:
        """The object with this name or id."""
        ...


async def find_object(
    administration: ReadAdministration, operator: Operator, environment_id: str, kind: ObjectKind, name: str
) -> ObjectView:
    """The object with this name or id. Raises `click.ClickException`, which tells what there is."""
    found = await administration.find_named(operator, environment_id, kind, name)
    if found is not None:
        return found
    environment = await administration.environments.find(operator, environment_id)
    where = environment.name if environment else environment_id
    if kind == "user":
        raise click.ClickException(f"there is no user {name!r} in {where}")
    query = ListQuery(limit=20, introduced=False if kind == "agent" else None)
    page = await administration.list(operator, environment_id, kind, query)
    names = ", ".join(each.name for each in page.items) or "none"
    more = ", …" if page.next_cursor else ""
    raise click.ClickException(f"there is no {kind} {name!r} in {where}; there is {names}{more}")
