"""`deputize users`: stop a user's account, let it begin anew, forget wrong passwords and factors."""

from base64 import b32encode
from typing import Final

import click

from deputize.cli.administration import COMMAND, administer_at, set_enabled
from deputize.cli.anywhere import AnyOperation
from deputize.cli.objects import add_reading
from deputize.cli.options import DATA, ENVIRONMENT_OR_ADDRESS
from deputize.kernel.ids import random_bytes
from deputize.kernel.values import JsonObject

_PASSWORD_BYTES: Final = 15
"""Of a temporary password: 24 characters in base32, as many as the longest `min_length` of a policy."""


@click.group("users")
def users() -> None:
    """The people who sign on."""


@users.command()
@click.argument("username")
@ENVIRONMENT_OR_ADDRESS
@DATA
def disable(username: str, name: str, database_url: str) -> None:
    """Stop USERNAME's account at once. Sessions and every token about the user end for good."""
    set_enabled("user", username, name, database_url, enabled=False)


@users.command()
@click.argument("username")
@ENVIRONMENT_OR_ADDRESS
@DATA
def enable(username: str, name: str, database_url: str) -> None:
    """Let USERNAME sign on again. What ended stays ended."""
    set_enabled("user", username, name, database_url, enabled=True)


@users.command()
@click.argument("username")
@ENVIRONMENT_OR_ADDRESS
@DATA
def unlock(username: str, name: str, database_url: str) -> None:
    """Forget the wrong passwords typed for USERNAME. The next attempt does not have to wait."""

    async def work(operation: AnyOperation) -> None:
        environment_id = await operation.find_environment(name)
        user = await operation.find(environment_id, "user", username)
        await operation.administration.unlock(COMMAND, environment_id, user.id)

    administer_at(name, database_url, work)
    click.echo(f"{username} may sign on at once")


@users.command("reset-factors")
@click.argument("username")
@ENVIRONMENT_OR_ADDRESS
@DATA
def reset_factors(username: str, name: str, database_url: str) -> None:
    """Forget the factors of USERNAME.

    For those who lost their passkeys, authenticator app and recovery codes, or had them stolen. Sessions and
    every token about the user end for good. They set up anew what a policy demands.
    """

    async def work(operation: AnyOperation) -> None:
        environment_id = await operation.find_environment(name)
        found = await operation.find(environment_id, "user", username)
        await operation.administration.reset_factors(COMMAND, environment_id, found.id)

    administer_at(name, database_url, work)
    click.echo(f"{username} has no factors any more beside the password, and is signed off everywhere")


@users.command("reset-password")
@click.argument("username")
@ENVIRONMENT_OR_ADDRESS
@DATA
def reset_password(username: str, name: str, database_url: str) -> None:
    """Give USERNAME a temporary password, and print it.

    Sessions and every token about the user end for good. Whoever signs on with it chooses another before
    anything else.
    """
    drawn = b32encode(random_bytes(_PASSWORD_BYTES)).decode("ascii").lower()
    password = "-".join(drawn[at : at + 4] for at in range(0, len(drawn), 4))

    async def work(operation: AnyOperation) -> None:
        environment_id = await operation.find_environment(name)
        found = await operation.find(environment_id, "user", username)
        entry: JsonObject = {"password": password, "must_change_password": True}
        await operation.administration.change(COMMAND, environment_id, "user", entry, object_id=found.id)

    administer_at(name, database_url, work)
    click.echo(f"{username} signs on with this password once, and then chooses another:\n\n  {password}\n")


add_reading(users, "user")
