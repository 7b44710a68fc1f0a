"""`deputize sessions`: who is signed on, and end it."""

from collections.abc import Sequence

import click

from deputize.cli.administration import Operation, administer, moment_text
from deputize.cli.options import DATA, ENVIRONMENT
from deputize.cli.users import find_user
from deputize.oauth.records.store import Session, User


@click.group("sessions")
def sessions() -> None:
    """The sessions in which users signed on. The tokens of their agents depend on them."""


@sessions.command("list")
@ENVIRONMENT
@DATA
@click.option("--user", "username", help="Only those of this user (a name or an id).")
def list_sessions(name: str, database_url: str, username: str | None) -> None:
    """Show the sessions that were not ended.

    Agents may hold tokens of a session that lapsed in the browser.
    """

    async def work(operation: Operation) -> tuple[Sequence[tuple[Session, User]], float]:
        _, environment = await operation.read(name)
        only = await find_user(operation, name, username) if username else None
        users = {user.id: user for user in await operation.store.users.users_of(environment.id)}
        found = await operation.store.sessions.sessions_of(environment.id)
        listed = [(each, users[each.user_id]) for each in found if only is None or each.user_id == only.id]
        return listed, operation.clock.now()

    listed, now = administer(database_url, work)
    for session, user in listed:
        state = (
            "lapsed in the browser"
            if session.expires_at <= now
            else f"until {moment_text(session.expires_at)}"
        )
        click.echo(
            f"{session.id}  {user.username}, since {moment_text(session.created_at)}, used "
            f"{moment_text(session.last_used_at)}, {state}"
        )
    if not listed:
        click.echo("nobody is signed on")


@sessions.command()
@click.argument("session", required=False)
@ENVIRONMENT
@DATA
@click.option("--user", "username", help="All sessions of this user (a name or an id) instead of one.")
def end(session: str | None, name: str, database_url: str, username: str | None) -> None:
    """End SESSION, or all of a user.

    The user signs on again, and every token that came of it has ended for good.
    """
    if (session is None) == (username is None):
        raise click.UsageError("name a session, or a user with --user")

    async def work(operation: Operation) -> int:
        _, environment = await operation.read(name)
        only = await find_user(operation, name, username) if username else None
        found = await operation.store.sessions.sessions_of(environment.id)
        ending = [each.id for each in found if each.id == session or (only and each.user_id == only.id)]
        if session is not None and not ending:
            raise click.ClickException(
                f"there is no session {session!r} in {environment.name}, or it was ended already"
            )
        for each in ending:
            await operation.store.sessions.end_session(each, operation.clock.now())
        operation.members.update(sessions=ending)
        return len(ending)

    count = administer(database_url, work)
    click.echo(f"{count} session{'' if count == 1 else 's'} ended")
