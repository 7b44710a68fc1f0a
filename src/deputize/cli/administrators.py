"""`deputize administrators`: who administers the authority, and links with which more may."""

from functools import partial

import click

from deputize.authority.administration import Changed, ListQuery, ObjectView
from deputize.authority.administration.administrators import ROLES
from deputize.authority.directory.objects import ADMINISTRATORS, Role
from deputize.authority.environment_file import DEFAULT_BASE_URL
from deputize.cli.administration import COMMAND, administer_at, read_all, shown_moment
from deputize.cli.anywhere import AnyOperation
from deputize.cli.options import ADDRESS, DATA, BaseUrl
from deputize.kernel.redaction import printable
from deputize.kernel.values import JsonValue


@click.group("administrators")
def administrators() -> None:
    """The people who administer the authority in its console."""


@administrators.command("invite")
@click.argument("username")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    default=("administrator",),
    show_default=True,
    help="What they may do: everything, read everything, or stop the agents they own; may be repeated.",
)
@click.option(
    "--base-url",
    type=BaseUrl(),
    help=f"Origin of the authority. Default: the one it was last told, or {DEFAULT_BASE_URL}.",
)
@ADDRESS
@DATA
def invite_command(
    username: str, roles: tuple[Role, ...], base_url: str | None, address: str | None, database_url: str
) -> None:
    """Print a link that makes somebody the administrator USERNAME.

    It works once, for a day: behind it they choose a password.
    """

    async def work(operation: AnyOperation) -> Changed:
        return await operation.administration.administrators.create(
            COMMAND, username, roles, base_url=base_url
        )

    changed = administer_at(address, database_url, work)
    click.echo(changed.secrets[0].text)
    if changed.view is not None:
        until = shown_moment(changed.view.facts["expires_at"])
        who = f"{printable(username)}, {' and '.join(roles)}"
        click.echo(f"It works once, until {until}. Whoever has it becomes {who}.", err=True)


@administrators.command("uninvite")
@click.argument("invitation_id")
@ADDRESS
@DATA
def uninvite(invitation_id: str, address: str | None, database_url: str) -> None:
    """Withdraw the invitation with INVITATION_ID. Who took it before stays an administrator."""

    async def work(operation: AnyOperation) -> None:
        await operation.administration.administrators.withdraw(COMMAND, invitation_id)

    administer_at(address, database_url, work)
    click.echo(f"{invitation_id} admits nobody any more")


@administrators.command("list")
@ADDRESS
@DATA
def list_command(address: str | None, database_url: str) -> None:
    """List who has a role, and invitations that nobody has taken."""

    async def work(operation: AnyOperation) -> list[str]:
        administration = operation.administration
        environments = (await administration.environments.list(COMMAND)).items
        home = next((each for each in environments if each.name == ADMINISTRATORS), None)
        if home is None:
            return []
        operation.environment_id = home.id
        read = partial(administration.list, COMMAND, home.id, "user")
        found = {view.name: view for role in ROLES for view in await read_all(read, ListQuery(role=role))}
        invitations = (await administration.administrators.list(COMMAND)).items
        return [*(_describe(found[name]) for name in sorted(found)), *map(_describe_invitation, invitations)]

    lines = administer_at(address, database_url, work)
    for line in lines or ["there is no administrator; see: deputize administrators invite USERNAME"]:
        click.echo(line)


def _describe(user: ObjectView) -> str:
    state = "" if user.entry.get("enabled", True) is True else "  disabled"
    return f"{printable(user.name)}  {_words(user.entry['roles'])}{state}"


def _describe_invitation(invitation: ObjectView) -> str:
    until = shown_moment(invitation.facts["expires_at"])
    name = printable(str(invitation.entry.get("username", "anybody")))
    return f"{name} (invited)  {_words(invitation.entry['roles'])}  until {until}  {invitation.id}"


def _words(roles: JsonValue) -> str:
    return " ".join(map(str, roles)) if isinstance(roles, list) else ""
