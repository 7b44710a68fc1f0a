"""`deputize sessions`: who is signed on, and end it."""

from functools import partial

import click

from deputize.authority.administration import ListQuery, ObjectView
from deputize.cli.administration import COMMAND, administer_at, read_all, shown_moment
from deputize.cli.anywhere import AnyOperation
from deputize.cli.options import DATA, ENVIRONMENT_OR_ADDRESS


@click.group("sessions")
def sessions() -> None:
    """The sessions in which users signed on. The tokens of their agents depend on them."""


@sessions.command("list")
@ENVIRONMENT_OR_ADDRESS
@DATA
@click.option("--user", "username", help="Only those of this user (a name or an id).")
def list_sessions(name: str, database_url: str, username: str | None) -> None:
    """Show the sessions that were not ended.

    Agents may hold tokens of a session that lapsed in the browser.
    """

    async def work(operation: AnyOperation) -> list[ObjectView]:
        environment_id = await operation.find_environment(name)
        user_id = (await operation.find(environment_id, "user", username)).id if username else None
        read = partial(operation.administration.sessions.list, COMMAND, environment_id, user_id=user_id)
        return await read_all(read, ListQuery())

    listed = administer_at(name, database_url, work)
    for view in reversed(listed):  # as they came
        facts = view.facts
        state = "lapsed in the browser" if facts["lapsed"] else f"until {shown_moment(facts['expires_at'])}"
        click.echo(
            f"{view.id}  {view.name}, since {shown_moment(facts['created_at'])}, used "
            f"{shown_moment(facts['last_used_at'])}, {state}"
        )
    if not listed:
        click.echo("nobody is signed on")


@sessions.command()
@click.argument("session", required=False)
@ENVIRONMENT_OR_ADDRESS
@DATA
@click.option("--user", "username", help="All sessions of this user (a name or an id) instead of one.")
def end(session: str | None, name: str, database_url: str, username: str | None) -> None:
    """End SESSION, or all of a user.

    The user signs on again, and every token that came of it has ended for good.
    """
    if (session is None) == (username is None):
        raise click.UsageError("name a session, or a user with --user")

    async def work(operation: AnyOperation) -> int:
        environment_id = await operation.find_environment(name)
        sessions = operation.administration.sessions
        if username is not None:
            user = await operation.find(environment_id, "user", username)
            changed = await sessions.end_all(COMMAND, environment_id, user.id)
        else:
            changed = await sessions.end(COMMAND, environment_id, str(session))
        operation.members.update(sessions=[each.id for each in changed.differences])
        return len(changed.differences)

    count = administer_at(name, database_url, work)
    click.echo(f"{count} session{'' if count == 1 else 's'} ended")
