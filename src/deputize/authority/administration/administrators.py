"""Administrators: the environment that they live in, and the links with which they make themselves.

There is no default password and no first user: whoever has the server's output, or its command line, gets a
link that works once, and chooses a name and a password behind it.
"""

import json
from collections.abc import Collection
from typing import Final, get_args

from deputize.authority.administration.operators import Operator
from deputize.authority.administration.runner import ATTEMPTS, ChangeRunner
from deputize.authority.administration.views import (
    Changed,
    ListPage,
    NoSuchObject,
    ObjectView,
    etag_of,
    moment,
)
from deputize.authority.directory.changes import IssuedSecret
from deputize.authority.directory.objects import ADMINISTRATORS, MANAGEMENT, Role
from deputize.authority.environment_file.application import (
    Application,
    EnvironmentChange,
    apply,
    file_of,
    make_change,
)
from deputize.authority.environment_file.outcome import DEFAULT_BASE_URL
from deputize.authority.environment_file.plan import Difference, Hashing
from deputize.authority.environment_file.problems import EnvironmentFileInvalid, relative_to_entry
from deputize.authority.environment_file.reading import parse_value
from deputize.authority.storage import (
    DirectoryConflict,
    EnvironmentRow,
    Invitation,
    ObjectRow,
    Put,
    Remove,
    Store,
)
from deputize.kernel.clock import Clock
from deputize.kernel.digests import digest
from deputize.kernel.errors import ConfigurationError, DeputizeError, Position
from deputize.kernel.ids import new_id, new_token
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.records.store import User

ROLES: Final[tuple[Role, ...]] = get_args(Role)
INVITATION_SECONDS: Final = 24 * 3600
_SCOPES: Final = {
    "administrator": "Set up and change everything, as far as you may",
    "auditor": "Read everything that is set up, as far as you may",
    "agent_owner": "Change the agents that you own",
}


class InvitationGone(DeputizeError):
    """The invitation was taken, expired, or was never given."""

    def __init__(self) -> None:
        super().__init__("the invitation was taken, expired, or was never given")


async def find_environment(store: Store) -> EnvironmentRow | None:
    """Find the administrators' environment, if there is one."""
    rows = await store.directory_rows.load()
    return next((row for row in rows.environments if row.name == ADMINISTRATORS), None)


async def make_environment(store: Store, passwords: Hashing, clock: Clock, base_url: str) -> EnvironmentRow:
    """Make the administrators' environment, or return it as it is. Raises `DirectoryConflict`."""
    found = await find_environment(store)
    if found is not None:
        return found
    resource = {
        "name": MANAGEMENT,
        "audience": f"{base_url}/v1",
        "description": "The management API of this server",
        "attributes": [{"name": "sub", "mapping": "Username"}],
        "scopes": [{"name": role, "description": _SCOPES[role]} for role in ROLES],
    }
    text = json.dumps({"environment": ADMINISTRATORS, "resources": [resource]}).encode()
    application = Application(text, ADMINISTRATORS, lambda _: None, base_url=base_url)
    return (await apply(application, store, passwords, clock)).environment


async def invite(
    store: Store, environment_id: str, roles: Collection[Role], now: float
) -> tuple[Invitation, str]:
    """Add an invitation to become an administrator; also return its token, of which only a digest is kept.

    Raises `DirectoryConflict`.
    """
    token = new_token()
    ordered = " ".join(role for role in ROLES if role in roles)
    invitation = Invitation(new_id(), environment_id, digest(token), ordered, now, now + INVITATION_SECONDS)
    version = await store.directory_rows.version()
    await store.directory_rows.change([Put(invitation)], version)
    return invitation, token


def invitation_link(base_url: str, token: str) -> str:
    """Return the address behind which an invitation is taken."""
    return f"{base_url}/console/welcome/{token}"


async def take_invitation(
    token: str, username: str, password: str, store: Store, passwords: Hashing, clock: Clock
) -> User:
    """Make the user that an invitation is for; the invitation goes in the same transaction.

    Raises `InvitationGone`, `EnvironmentFileInvalid` with pointers into the user's entry, such as
    `/username`, after which it can be tried again, or `DirectoryConflict`.
    """
    for _ in range(ATTEMPTS):
        rows, now = await store.directory_rows.load(), clock.now()
        invitation = await store.directory_rows.find_invitation(digest(token), now)
        if invitation is None:
            raise InvitationGone
        environment = next(row for row in rows.environments if row.id == invitation.environment_id)
        if await store.users.find_user(environment.id, username):
            place = Position("the entry", "/username")
            taken = ConfigurationError(place, "somebody has this name already", "choose another one")
            raise EnvironmentFileInvalid([taken])
        roles: list[JsonValue] = [*invitation.roles.split()]
        entry: JsonObject = {"username": username, "password": password, "roles": roles}
        content: JsonObject = {"environment": environment.name, "id": environment.id, "users": [entry]}
        parsed = parse_value(content, ADMINISTRATORS)
        try:
            change = EnvironmentChange(file_of(parsed, ADMINISTRATORS), parsed, also=(Remove(invitation),))
            return (await make_change(change, rows, store, passwords, now)).users[0]
        except DirectoryConflict:
            continue  # somebody changed something else, or was faster with this invitation
        except EnvironmentFileInvalid as error:
            raise relative_to_entry(error, "/users/0") from error
    raise DirectoryConflict("the directory changes all the time; try again")


async def invite_first(store: Store, passwords: Hashing, clock: Clock, base_url: str) -> str | None:
    """Return a link for the first administrator, on a database without one; `None` where there is one.

    A database that was set up by files alone has no console until somebody asks for one: `None` too. A link
    that was given before and not used ends, so that only the latest works.
    """
    rows = await store.directory_rows.load()
    if rows.environments and all(row.name != ADMINISTRATORS for row in rows.environments):
        return None
    environment, now = await make_environment(store, passwords, clock, base_url), clock.now()
    if any(user.roles for user in await store.users.users_of(environment.id)):
        return None
    version = await store.directory_rows.version()
    earlier = await store.directory_rows.invitations_of(environment.id, now)
    if earlier:
        await store.directory_rows.change([Remove(each) for each in earlier], version)
    _, token = await invite(store, environment.id, ("administrator",), now)
    return invitation_link(base_url, token)


class AdministratorInvitations:
    """The links with which administrators let others become administrators."""

    def __init__(
        self, store: Store, passwords: Hashing, clock: Clock, runner: ChangeRunner, base_url: str | None
    ) -> None:
        """`base_url` is that of whoever serves; `None` where nobody does."""
        self._store = store
        self._passwords = passwords
        self._clock = clock
        self._runner = runner
        self._base_url = base_url

    async def list(self, operator: Operator) -> ListPage[ObjectView]:
        """Those that nobody has taken and that are in time, the newest first. Raises `NotPermitted`."""
        operator.require_reader()
        environment = await find_environment(self._store)
        if environment is None:
            return ListPage(())
        rows = self._store.directory_rows
        found = await rows.invitations_of(environment.id, self._clock.now())
        return ListPage(tuple(map(_view_of, found)))

    async def create(
        self, operator: Operator, roles: Collection[Role], *, base_url: str | None = None
    ) -> Changed:
        """Invite somebody to these roles; the link is in `Changed.secrets`, and never readable again.

        It leads to `base_url`, by default where this is served or was last. The administrators' environment
        is made where there is none yet, which commands alone can come across.

        Raises `NotPermitted`, `DirectoryConflict`, and `EnvironmentFileInvalid` without a role.
        """
        environment = await make_environment(
            self._store, self._passwords, self._clock, base_url or self._base_url or DEFAULT_BASE_URL
        )

        async def attempt() -> Changed:
            operator.require_administrator()
            if not roles:
                place = Position("the invitation", "/roles")
                raise EnvironmentFileInvalid([ConfigurationError(place, "names no role", "name one")])
            invitation, token = await invite(self._store, environment.id, roles, self._clock.now())
            view = _view_of(invitation)
            difference = Difference("invitation", view.id, view.name, None, {"name": view.name, **view.entry})
            origin = base_url or self._base_url or environment.base_url or DEFAULT_BASE_URL
            owner = ObjectRow(view.id, environment.id, "agent", view.name, {})
            link = IssuedSecret(owner, invitation_link(origin, token))
            return Changed(view, (difference,), secrets=(link,))

        return await self._runner.run(operator, environment.id, attempt)

    async def withdraw(self, operator: Operator, invitation_id: str) -> Changed:
        """Let a link admit nobody any more. Raises `NotPermitted`, `NoSuchObject`, `DirectoryConflict`."""

        async def attempt() -> Changed:
            operator.require_administrator()
            environment, rows = await self._environment(), self._store.directory_rows
            version = await rows.version()
            found = await rows.invitations_of(environment.id, self._clock.now())
            invitation = next((each for each in found if each.id == invitation_id), None)
            if invitation is None:
                raise NoSuchObject(f"there is no invitation {invitation_id!r}")
            await rows.change([Remove(invitation)], version)
            view = _view_of(invitation)
            gone = Difference("invitation", view.id, view.name, {"name": view.name, **view.entry}, None)
            return Changed(None, (gone,))

        return await self._runner.run(operator, (await self._environment()).id, attempt)

    async def _environment(self) -> EnvironmentRow:
        found = await find_environment(self._store)
        if found is None:
            raise NoSuchObject("there is no environment of administrators yet")
        return found


def _view_of(invitation: Invitation) -> ObjectView:
    entry: JsonObject = {"roles": [*invitation.roles.split()]}
    facts: JsonObject = {
        "created_at": moment(invitation.created_at),
        "expires_at": moment(invitation.expires_at),
    }
    return ObjectView("invitation", invitation.id, invitation.id, entry, etag_of(invitation.id, entry), facts)
