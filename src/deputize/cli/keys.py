"""`deputize keys`: the keys that sign tokens."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import click

from deputize.authority.directory.assemble import key_ring
from deputize.authority.directory.changes import retire_key, rotate_keys
from deputize.authority.storage import DirectoryRows, EnvironmentRow, SigningKeyRow
from deputize.cli.administration import Administration, administer
from deputize.cli.database import DATA
from deputize.jose import ALGORITHMS, DEFAULT_ALGORITHM, SigningKey, outlived_at

ENVIRONMENT = click.option("--environment", "name", required=True, help="Name or id of the environment.")


@click.group("keys")
def keys() -> None:
    """The keys that sign tokens. They are stored in the database, which only its owner may read."""


@keys.command("list")
@ENVIRONMENT
@DATA
def list_keys(name: str, database_url: str) -> None:
    """Show an environment's keys: which one signs, and until when retired ones verify what they signed."""

    async def work(administration: Administration) -> Sequence[SigningKey]:
        return key_ring(_ring(*await administration.read(name))).keys

    for key in administer(database_url, work):
        end = outlived_at(key)
        until = (
            ""
            if end is None
            else f", retired {_moment(key.retired_at or 0.0)}, verifies until {_moment(end)}"
        )
        click.echo(f"{key.kid}  {key.algorithm}  {key.state}, made {_moment(key.created_at)}{until}")


@keys.command()
@ENVIRONMENT
@DATA
@click.option(
    "--algorithm",
    type=click.Choice(ALGORITHMS),
    default=DEFAULT_ALGORITHM,
    show_default=True,
    help="Algorithm of the fresh key.",
)
def rotate(name: str, database_url: str, algorithm: str) -> None:
    """Sign with the next key from now on, and put a fresh one in its place.

    The next key has been published since the last rotation, so that no cache is surprised. Tokens signed
    before stay valid: a retired key goes on verifying for 30 days, the longest life of a token, and is
    forgotten then.
    """

    async def work(administration: Administration) -> str:
        rows, environment = await administration.read(name)
        before = _ring(rows, environment)
        changes, current = rotate_keys(environment.id, before, administration.clock.now(), algorithm)
        await administration.store.directory_rows.change(changes, rows.version)
        await _tell(administration, before)
        return current

    click.echo(f"{name} signs with {administer(database_url, work)}")


@keys.command()
@click.argument("kid")
@ENVIRONMENT
@DATA
def retire(kid: str, name: str, database_url: str) -> None:
    """Forget the retired key KID before its time: every token that it signed ends at once.

    For a key that somebody else may have: rotate until it is retired, then retire it.
    """

    async def work(administration: Administration) -> None:
        rows, environment = await administration.read(name)
        before = _ring(rows, environment)
        await administration.store.directory_rows.change(
            retire_key(environment.id, before, kid), rows.version
        )
        await _tell(administration, before)

    administer(database_url, work)
    click.echo(f"{name} has forgotten {kid}")


async def _tell(administration: Administration, before: Sequence[SigningKeyRow]) -> None:
    rows = await administration.store.directory_rows.load()
    after = [row for row in rows.signing_keys if row.environment_id == administration.environment_id]
    administration.members.update(before=_states(before), after=_states(after))


def _states(rows: Sequence[SigningKeyRow]) -> Mapping[str, str]:
    return {key.kid: key.state for key in key_ring(rows).keys}


def _ring(rows: DirectoryRows, environment: EnvironmentRow) -> Sequence[SigningKeyRow]:
    return [row for row in rows.signing_keys if row.environment_id == environment.id]


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
