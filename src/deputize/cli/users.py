"""`deputize users`: stop a user's account, let it begin anew, and forget wrong passwords."""

from dataclasses import replace

import click

from deputize.authority.storage import Put
from deputize.cli.administration import Administration, administer
from deputize.cli.database import DATA
from deputize.cli.keys import ENVIRONMENT
from deputize.oauth.records.store import User


@click.group("users")
def users() -> None:
    """The people who sign on."""


@users.command()
@click.argument("username")
@ENVIRONMENT
@DATA
def disable(username: str, name: str, database_url: str) -> None:
    """Stop USERNAME's account at once: sessions and every token about the user end for good."""
    changed = _set_enabled(username, name, database_url, enabled=False)
    click.echo(f"{username} is disabled" if changed else f"{username} was disabled already")


@users.command()
@click.argument("username")
@ENVIRONMENT
@DATA
def enable(username: str, name: str, database_url: str) -> None:
    """Let USERNAME sign on again. What ended stays ended."""
    changed = _set_enabled(username, name, database_url, enabled=True)
    click.echo(f"{username} is enabled" if changed else f"{username} was enabled already")


@users.command()
@click.argument("username")
@ENVIRONMENT
@DATA
def unlock(username: str, name: str, database_url: str) -> None:
    """Forget the wrong passwords that anybody typed for USERNAME, so that the next attempt does not have to
    wait.
    """

    async def work(administration: Administration) -> None:
        user = await find_user(administration, name, username)
        await administration.store.sign_on_failures.clear_failures(user.environment_id, user.username)

    administer(database_url, work)
    click.echo(f"{username} may sign on at once")


async def find_user(administration: Administration, environment: str, username: str) -> User:
    """The user with that name or id. Raises `click.ClickException` when there is none."""
    _, found = await administration.read(environment)
    store = administration.store.users
    user = await store.find_user(found.id, username) or await store.find_user_by_id(found.id, username)
    if user is None:
        raise click.ClickException(f"there is no user {username!r} in {found.name}")
    administration.members.update(user=user.id, username=user.username)
    return user


def _set_enabled(username: str, environment: str, database_url: str, *, enabled: bool) -> bool:
    """Whether that changed anything."""

    async def work(administration: Administration) -> bool:
        rows = administration.store.directory_rows
        version = await rows.version()
        user = await find_user(administration, environment, username)
        administration.members.update(before={"enabled": user.enabled}, after={"enabled": enabled})
        if user.enabled == enabled:
            return False
        await rows.change([Put(replace(user, enabled=enabled))], version)
        return True

    return administer(database_url, work)
