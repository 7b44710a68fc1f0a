"""Administrators: the environment that they live in, and the links with which they make themselves.

There is no default password and no first user: whoever has the server's output, or its command line, gets a
link that works once, and chooses a name and a password behind it.
"""

import json
from collections.abc import Collection
from typing import Final, get_args

from deputize.authority.administration.runner import ATTEMPTS
from deputize.authority.administration.service import relative_to_entry
from deputize.authority.directory.objects import ADMINISTRATORS, Role
from deputize.authority.environment_file.application import (
    Application,
    EnvironmentChange,
    apply,
    file_of,
    make_change,
)
from deputize.authority.environment_file.plan import Hashing
from deputize.authority.environment_file.problems import EnvironmentFileInvalid
from deputize.authority.environment_file.reading import parse_value
from deputize.authority.storage import DirectoryConflict, EnvironmentRow, Invitation, Put, Remove, Store
from deputize.kernel.clock import Clock
from deputize.kernel.digests import digest
from deputize.kernel.errors import ConfigurationError, DeputizeError, Position
from deputize.kernel.ids import new_id, new_token
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.records.store import User

ROLES: Final[tuple[Role, ...]] = get_args(Role)
MANAGEMENT: Final = "Management"
"""The resource for whose tokens the management API works; its scopes are the roles."""
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
