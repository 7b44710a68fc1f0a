"""Administrators: the environment that they live in, and the links with which they make themselves.

There is no default password and no first user: whoever has the server's output, or its command line, gets a
link that works once, and chooses a name and a password behind it.
"""

import json
from collections.abc import Collection
from dataclasses import replace
from typing import Final, get_args

from deputize.authority.administration.operators import NotPermitted, Operator
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
    Applied,
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
    DirectoryRows,
    EnvironmentRow,
    Invitation,
    ObjectRow,
    Put,
    Remove,
    RowChange,
    Store,
)
from deputize.kernel.clock import Clock
from deputize.kernel.digests import digest
from deputize.kernel.errors import ConfigurationError, DeputizeError, Position
from deputize.kernel.ids import new_id, new_token
from deputize.kernel.values import JsonObject
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


def invitation_link(base_url: str, token: str) -> str:
    """Return the address behind which an invitation is taken."""
    return f"{base_url}/console/welcome/{token}"


async def take_invitation(
    token: str, username: str, password: str, store: Store, passwords: Hashing, clock: Clock
) -> User:
    """Make the user that an invitation is for; the invitation goes in the same transaction.

    `username` counts only where the invitation names nobody.

    Raises `InvitationGone`, `EnvironmentFileInvalid` with pointers into the user's entry, such as
    `/username`, after which it can be tried again, or `DirectoryConflict`.
    """
    for _ in range(ATTEMPTS):
        rows, now = await store.directory_rows.load(), clock.now()
        invitation = await store.directory_rows.find_invitation(digest(token), now)
        if invitation is None:
            raise InvitationGone
        if invitation.username and await store.users.find_user(
            invitation.environment_id, invitation.username
        ):
            raise InvitationGone  # whoever it was for came another way
        entry = {**_entry_of(invitation, invitation.username or username), "password": password}
        try:
            made = await _make_user(entry, rows, store, passwords, now, also=(Remove(invitation),))
            return made.users[0]
        except DirectoryConflict:
            continue  # somebody changed something else, or was faster with this invitation
    raise DirectoryConflict("the directory changes all the time; try again")


async def _make_user(
    entry: JsonObject,
    rows: DirectoryRows,
    store: Store,
    passwords: Hashing,
    now: float,
    *,
    also: tuple[RowChange, ...] = (),
    dry_run: bool = False,
) -> Applied:
    """Add the administrator of this entry, whose name nobody has. Raises as `take_invitation` does."""
    environment = next(row for row in rows.environments if row.name == ADMINISTRATORS)
    if await store.users.find_user(environment.id, str(entry["username"])):
        place = Position("the entry", "/username")
        taken = ConfigurationError(place, "somebody has this name already", "choose another one")
        raise EnvironmentFileInvalid([taken])
    content: JsonObject = {"environment": environment.name, "id": environment.id, "users": [entry]}
    try:
        parsed = parse_value(content, ADMINISTRATORS)
        file = file_of(parsed, ADMINISTRATORS)
        change = EnvironmentChange(file, parsed, also=also, dry_run=dry_run)
        return await make_change(change, rows, store, passwords, now)
    except EnvironmentFileInvalid as error:
        raise relative_to_entry(error, "/users/0") from error


def _entry_of(invitation: Invitation, username: str) -> JsonObject:
    return {"username": username, "roles": [*invitation.roles.split()]}


async def invite_first(store: Store, passwords: Hashing, clock: Clock, base_url: str) -> str | None:
    """Return a link for the first administrator, on a database without one; `None` where there is one.

    A database that was set up by files alone has no console until somebody asks for one: `None` too. A link
    that was printed before and not used ends, so that only the latest works.
    """
    rows = await store.directory_rows.load()
    if rows.environments and all(row.name != ADMINISTRATORS for row in rows.environments):
        return None
    environment, now = await make_environment(store, passwords, clock, base_url), clock.now()
    if any(user.roles for user in await store.users.users_of(environment.id)):
        return None
    version = await store.directory_rows.version()
    earlier = await store.directory_rows.invitations_of(environment.id, now)
    token = new_token()
    invitation = _new_invitation(environment.id, token, ("administrator",), now)
    unnamed = (Remove(each) for each in earlier if each.username is None)
    await store.directory_rows.change([*unnamed, Put(invitation)], version)
    return invitation_link(base_url, token)


def _new_invitation(environment_id: str, token: str, roles: Collection[Role], now: float) -> Invitation:
    """Return the invitation that whoever has the token can take, of which only a digest is kept."""
    ordered = " ".join(role for role in ROLES if role in roles)
    return Invitation(new_id(), environment_id, digest(token), ordered, now, now + INVITATION_SECONDS)


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
        self, operator: Operator, username: str, roles: Collection[Role], *, base_url: str | None = None
    ) -> Changed:
        """Invite somebody to this name and these roles; the link is in `Changed.secrets`, and never readable
        again.

        It leads to `base_url`, by default where this is served or was last. It takes the place of an earlier
        one for the same name. The administrators' environment is made where there is none yet, which commands
        alone can come across.

        Raises `NotPermitted`, `DirectoryConflict`, and `EnvironmentFileInvalid` without a role, or where
        nobody can get this name.
        """
        environment = await make_environment(
            self._store, self._passwords, self._clock, base_url or self._base_url or DEFAULT_BASE_URL
        )

        async def attempt() -> Changed:
            operator.require_administrator()
            if not roles:
                place = Position("the invitation", "/roles")
                raise EnvironmentFileInvalid([ConfigurationError(place, "names no role", "name one")])
            rows, now, token = await self._store.directory_rows.load(), self._clock.now(), new_token()
            invitation = replace(
                _new_invitation(environment.id, token, roles, now),
                username=username,
                invited_by=None if operator.kind == "command" else operator.id,
                invited_by_term=await self._find_term(operator, environment.id),
            )
            entry = _entry_of(invitation, username)
            await _make_user(entry, rows, self._store, self._passwords, now, dry_run=True)
            pending = await self._store.directory_rows.invitations_of(environment.id, now)
            earlier = (Remove(each) for each in pending if each.username == username)
            await self._store.directory_rows.change([*earlier, Put(invitation)], rows.version)
            view = _view_of(invitation)
            difference = Difference("invitation", view.id, view.name, None, {"name": view.name, **view.entry})
            origin = base_url or self._base_url or environment.base_url or DEFAULT_BASE_URL
            owner = ObjectRow(view.id, environment.id, "agent", view.name, {})
            link = IssuedSecret(owner, invitation_link(origin, token))
            return Changed(view, (difference,), secrets=(link,))

        return await self._runner.run(operator, environment.id, attempt)

    async def _find_term(self, operator: Operator, environment_id: str) -> str:
        """Find the term that the operator is in now. Raises `NotPermitted` where they were removed."""
        if operator.kind == "command":
            return ""
        if operator.kind == "user":
            found = await self._store.users.find_user_by_id(environment_id, operator.id)
        else:
            found = await self._store.directory_rows.find_object(environment_id, "agent", operator.id)
        if found is None:
            raise NotPermitted("only an administrator may do that")
        return found.term

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
    if invitation.username:
        entry = _entry_of(invitation, invitation.username)
    facts: JsonObject = {
        "created_at": moment(invitation.created_at),
        "expires_at": moment(invitation.expires_at),
    }
    name = invitation.username or invitation.id
    return ObjectView("invitation", invitation.id, name, entry, etag_of(invitation.id, entry), facts)
