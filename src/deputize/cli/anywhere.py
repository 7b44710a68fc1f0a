"""What commands need of an authority, whether its data is here or it runs elsewhere."""

from collections.abc import Collection, Sequence
from typing import Protocol

import click

from deputize.authority.administration import Changed, ListPage, ListQuery, ObjectKind, ObjectView, Operator
from deputize.authority.directory.objects import Role
from deputize.authority.environment_file import Application, Applied
from deputize.kernel.clock import Clock
from deputize.kernel.values import JsonObject, JsonValue


class AnyEnvironments(Protocol):
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

    async def remove(self, operator: Operator, environment_id: str, /, *, dry_run: bool) -> Changed:
        """Remove an environment with everything in it."""
        ...


class AnySessions(Protocol):
    """The same of `Administration.sessions`."""

    async def list(
        self, operator: Operator, environment_id: str, query: ListQuery | None, /, *, user_id: str | None
    ) -> ListPage[ObjectView]:
        """A page of the sessions that were not ended."""
        ...

    async def end(self, operator: Operator, environment_id: str, session_id: str, /) -> Changed:
        """End a session."""
        ...

    async def end_all(self, operator: Operator, environment_id: str, user_id: str, /) -> Changed:
        """End all sessions of a user."""
        ...


class AnyConsents(Protocol):
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

    async def withdraw(
        self, operator: Operator, environment_id: str, user_id: str, agent_id: str, /
    ) -> Changed:
        """Withdraw what a user agreed to for an agent."""
        ...


class AnyKeys(Protocol):
    """The same of `Administration.keys`."""

    async def list(self, operator: Operator, environment_id: str, /) -> ListPage[ObjectView]:
        """All keys."""
        ...

    async def rotate(self, operator: Operator, environment_id: str, algorithms: Sequence[str], /) -> Changed:
        """Sign with the next keys."""
        ...

    async def retire(self, operator: Operator, environment_id: str, kid: str, /) -> Changed:
        """Forget a retired key."""
        ...


class AnyInvitations(Protocol):
    """The same of `Administration.invitations`."""

    async def create(
        self, operator: Operator, environment_id: str, /, *, uses: int, lifetime: float
    ) -> Changed:
        """Draw an initial access token."""
        ...

    async def withdraw(self, operator: Operator, environment_id: str, token_id: str, /) -> Changed:
        """Let a token admit nobody any more."""
        ...


class AnyAdministrators(Protocol):
    """The same of `Administration.administrators`."""

    async def list(self, operator: Operator, /) -> ListPage[ObjectView]:
        """The invitations that nobody has taken."""
        ...

    async def create(
        self, operator: Operator, username: str, roles: Collection[Role], /, *, base_url: str | None
    ) -> Changed:
        """Invite somebody to this name and these roles."""
        ...

    async def withdraw(self, operator: Operator, invitation_id: str, /) -> Changed:
        """Let a link admit nobody any more."""
        ...


class AnyAdministration(Protocol):
    """The part of `Administration` that commands need of authorities anywhere."""

    @property
    def environments(self) -> AnyEnvironments:
        """The environments."""
        ...

    @property
    def sessions(self) -> AnySessions:
        """The sessions."""
        ...

    @property
    def consents(self) -> AnyConsents:
        """The consents."""
        ...

    @property
    def keys(self) -> AnyKeys:
        """The keys."""
        ...

    @property
    def invitations(self) -> AnyInvitations:
        """The initial access tokens."""
        ...

    @property
    def administrators(self) -> AnyAdministrators:
        """The invitations of administrators."""
        ...

    async def list(
        self, operator: Operator, environment_id: str, kind: ObjectKind, query: ListQuery | None = None, /
    ) -> ListPage[ObjectView]:
        """A page of the objects of a kind."""
        ...

    async def change(
        self,
        operator: Operator,
        environment_id: str,
        kind: ObjectKind,
        entry: JsonObject,
        /,
        *,
        object_id: str,
    ) -> Changed:
        """Change members of an object."""
        ...

    async def remove(
        self, operator: Operator, environment_id: str, kind: ObjectKind, object_id: str, /
    ) -> Changed:
        """Remove an object."""
        ...

    async def new_secret(
        self,
        operator: Operator,
        environment_id: str,
        kind: ObjectKind,
        object_id: str,
        /,
        *,
        keep_previous: float,
    ) -> Changed:
        """Draw a new secret."""
        ...

    async def end_previous_secrets(
        self, operator: Operator, environment_id: str, kind: ObjectKind, object_id: str, /
    ) -> Changed:
        """End all secrets but the newest."""
        ...

    async def unlock(self, operator: Operator, environment_id: str, user_id: str, /) -> Changed:
        """Forget the wrong passwords typed for a user."""
        ...

    async def reset_factors(self, operator: Operator, environment_id: str, user_id: str, /) -> Changed:
        """Forget a user's second factors."""
        ...

    async def find_named(
        self, operator: Operator, environment_id: str, kind: ObjectKind, name: str, /
    ) -> ObjectView | None:
        """The object with this id, else with this name."""
        ...


class AnyOperation(Protocol):
    """The part of `administration.Operation` that commands need of authorities anywhere."""

    clock: Clock
    members: dict[str, JsonValue]
    environment_id: str | None

    @property
    def administration(self) -> AnyAdministration:
        """What it does goes through this."""
        ...

    async def find_environment(self, name: str) -> str:
        """The id of the environment that was typed."""
        ...

    async def find(self, environment_id: str, kind: ObjectKind, name: str) -> ObjectView:
        """The object with this name or id."""
        ...


async def find_object(
    administration: AnyAdministration, operator: Operator, environment_id: str, kind: ObjectKind, name: str
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
