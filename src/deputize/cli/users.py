"""`deputize users`: stop a user's account, let it begin anew, and forget wrong passwords."""

from dataclasses import replace

import click

from deputize.authority.storage import Put
from deputize.cli.administration import Operation, administer, set_enabled
from deputize.cli.options import DATA, ENVIRONMENT
from deputize.oauth.records.store import User


@click.group("users")
def users() -> None:
    """The people who sign on."""


@users.command()
@click.argument("username")
@ENVIRONMENT
@DATA
def disable(username: str, name: str, database_url: str) -> None:
    """Stop USERNAME's account at once. Sessions and every token about the user end for good."""
    _set_enabled(username, name, database_url, enabled=False)


@users.command()
@click.argument("username")
@ENVIRONMENT
@DATA
def enable(username: str, name: str, database_url: str) -> None:
    """Let USERNAME sign on again. What ended stays ended."""
    _set_enabled(username, name, database_url, enabled=True)


@users.command()
@click.argument("username")
@ENVIRONMENT
@DATA
def unlock(username: str, name: str, database_url: str) -> None:
    """Forget the wrong passwords typed for USERNAME. The next attempt does not have to wait."""

    async def work(operation: Operation) -> None:
        user = await find_user(operation, name, username)
        await operation.store.sign_on_failures.clear_failures(user.environment_id, user.username)

    administer(database_url, work)
    click.echo(f"{username} may sign on at once")


async def find_user(operation: Operation, environment: str, username: str) -> User:
    """Return the user with that name or id. Raises `click.ClickException` when there is none."""
    _, found = await operation.read(environment)
    store = operation.store.users
    user = await store.find_user(found.id, username) or await store.find_user_by_id(found.id, username)
    if user is None:
        raise click.ClickException(f"there is no user {username!r} in {found.name}")
    operation.members.update(user=user.id, username=user.username)
    return user


def _set_enabled(username: str, environment: str, database_url: str, *, enabled: bool) -> None:
    async def read(operation: Operation) -> tuple[bool, Put]:
        user = await find_user(operation, environment, username)
        return user.enabled, Put(replace(user, enabled=enabled))

    set_enabled(username, database_url, read, enabled=enabled)
