"""`deputize keys`: the keys that sign tokens."""

import asyncio

import click

from deputize.authority.directory.changes import rotate_keys
from deputize.authority.storage import DirectoryConflict, StorageError, open_store
from deputize.cli.database import DATA
from deputize.jose import ALGORITHMS, DEFAULT_ALGORITHM, KeyInvalid
from deputize.kernel.clock import SystemClock


@click.group("keys")
def keys() -> None:
    """The keys that sign tokens. They are stored in the database, which only its owner may read."""


@keys.command()
@click.option("--environment", "name", required=True, help="Name or id of the environment.")
@DATA
@click.option(
    "--algorithm", type=click.Choice(ALGORITHMS), default=DEFAULT_ALGORITHM, show_default=True, help="Algorithm of the fresh key."
)
def rotate(name: str, database_url: str, algorithm: str) -> None:
    """Sign with the next key from now on, and put a fresh one in its place.

    The next key has been published since the last rotation, so that no cache is surprised. Tokens signed before stay valid.
    """
    try:
        current = asyncio.run(_rotate(name, database_url, algorithm))
    except (DirectoryConflict, StorageError, KeyInvalid) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{name} signs with {current}")


async def _rotate(name: str, database_url: str, algorithm: str) -> str:
    async with open_store(database_url) as store:
        rows = await store.directory_rows.load()
        environment = next((row for row in rows.environments if name in {row.name, row.id}), None)
        if environment is None:
            known = ", ".join(row.name for row in rows.environments) or "none"
            raise click.ClickException(f"there is no environment {name!r}; there is {known}")
        ring = [row for row in rows.signing_keys if row.environment_id == environment.id]
        changes, current = rotate_keys(environment.id, ring, SystemClock().now(), algorithm)
        await store.directory_rows.change(changes, rows.version)
        return current
