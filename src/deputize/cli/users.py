"""`deputize users`: stop a user's account, let it begin anew, and forget wrong passwords."""

import click

from deputize.cli.administration import COMMAND, Operation, administer, set_enabled
from deputize.cli.objects import add_reading
from deputize.cli.options import DATA, ENVIRONMENT


@click.group("users")
def users() -> None:
    """The people who sign on."""


@users.command()
@click.argument("username")
@ENVIRONMENT
@DATA
def disable(username: str, name: str, database_url: str) -> None:
    """Stop USERNAME's account at once. Sessions and every token about the user end for good."""
    set_enabled("user", username, name, database_url, enabled=False)


@users.command()
@click.argument("username")
@ENVIRONMENT
@DATA
def enable(username: str, name: str, database_url: str) -> None:
    """Let USERNAME sign on again. What ended stays ended."""
    set_enabled("user", username, name, database_url, enabled=True)


@users.command()
@click.argument("username")
@ENVIRONMENT
@DATA
def unlock(username: str, name: str, database_url: str) -> None:
    """Forget the wrong passwords typed for USERNAME. The next attempt does not have to wait."""

    async def work(operation: Operation) -> None:
        environment_id = await operation.find_environment(name)
        user = await operation.find(environment_id, "user", username)
        await operation.administration.unlock(COMMAND, environment_id, user.id)

    administer(database_url, work)
    click.echo(f"{username} may sign on at once")


add_reading(users, "user")
