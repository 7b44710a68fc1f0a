"""`deputize administrators`: who administers the authority, and links with which more may."""

from typing import cast

import click

from deputize.authority.administration.administrators import (
    ROLES,
    find_environment,
    invitation_link,
    invite,
    make_environment,
)
from deputize.authority.administration.views import moment
from deputize.authority.directory.objects import Role
from deputize.authority.environment_file import DEFAULT_BASE_URL
from deputize.authority.passwords import Passwords
from deputize.cli.administration import Operation, administer, shown_moment
from deputize.cli.options import DATA, BaseUrl


@click.group("administrators")
def administrators() -> None:
    """The people who administer the authority in its console."""


@administrators.command("invite")
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
@DATA
def invite_command(roles: tuple[str, ...], base_url: str | None, database_url: str) -> None:
    """Print a link with which somebody makes themselves an administrator. It works once, for a day."""

    async def work(operation: Operation) -> tuple[str, float]:
        store, clock, passwords = operation.store, operation.clock, Passwords()
        try:
            environment = await make_environment(store, passwords, clock, base_url or DEFAULT_BASE_URL)
        finally:
            passwords.close()
        operation.environment_id = environment.id
        chosen = cast("tuple[Role, ...]", roles)
        invitation, token = await invite(store, environment.id, chosen, clock.now())
        operation.members.update(invitation=invitation.id, roles=list(roles))
        origin = base_url or environment.base_url or DEFAULT_BASE_URL
        return invitation_link(origin, token), invitation.expires_at

    link, expires_at = administer(database_url, work)
    click.echo(link)
    until = shown_moment(moment(expires_at))
    click.echo(f"It works once, until {until}. Whoever has it becomes {' and '.join(roles)}.", err=True)


@administrators.command("list")
@DATA
def list_command(database_url: str) -> None:
    """List who has a role, and invitations that nobody has taken."""

    async def work(operation: Operation) -> list[str]:
        environment = await find_environment(operation.store)
        if environment is None:
            return []
        operation.environment_id = environment.id
        users = await operation.store.users.users_of(environment.id)
        found = [
            f"{user.username}  {user.roles}{'' if user.enabled else '  disabled'}"
            for user in users
            if user.roles
        ]
        now = operation.clock.now()
        invitations = await operation.store.directory_rows.invitations_of(environment.id, now)
        return found + [
            f"(invited)  {each.roles}  until {shown_moment(moment(each.expires_at))}" for each in invitations
        ]

    lines = administer(database_url, work)
    for line in lines or ["there is no administrator; see: deputize administrators invite"]:
        click.echo(line)
