"""`deputize keys`: the keys that sign tokens."""

from collections.abc import Mapping, Sequence

import click

from deputize.authority.directory.assemble import key_ring
from deputize.authority.directory.changes import retire_key, rotate_keys
from deputize.authority.storage import DirectoryRows, EnvironmentRow, SigningKeyRow
from deputize.cli.administration import Operation, administer, moment_text
from deputize.cli.options import DATA, ENVIRONMENT
from deputize.jose import ALGORITHMS, KeyRing, SigningKey, outlived_at


@click.group("keys")
def keys() -> None:
    """The keys that sign tokens. They are stored in the database, which only its owner may read."""


@keys.command("list")
@ENVIRONMENT
@DATA
def list_keys(name: str, database_url: str) -> None:
    """Show an environment's keys.

    Which one of each algorithm signs, and until when retired ones verify.
    """

    async def work(operation: Operation) -> Sequence[SigningKey]:
        return key_ring(_keys_of(*await operation.read(name))).keys

    for key in administer(database_url, work):
        end = outlived_at(key)
        until = (
            ""
            if end is None
            else f", retired {moment_text(key.retired_at or 0.0)}, verifies until {moment_text(end)}"
        )
        click.echo(f"{key.kid}  {key.algorithm}  {key.state}, made {moment_text(key.created_at)}{until}")


@keys.command()
@ENVIRONMENT
@DATA
@click.option(
    "--algorithm",
    "algorithms",
    type=click.Choice(ALGORITHMS),
    multiple=True,
    help="Only the keys of this algorithm, which are made where there are none; may be repeated.",
)
def rotate(name: str, database_url: str, algorithms: tuple[str, ...]) -> None:
    """Sign with the next keys from now on. Fresh ones take their place.

    Each algorithm has keys of its own, and without --algorithm all are rotated. The next key has been
    published since the last rotation, so that no cache is surprised. Tokens signed before stay valid: a
    retired key goes on verifying for 30 days, the longest life of a token, and is forgotten then.
    """

    async def work(operation: Operation) -> KeyRing:
        rows, environment = await operation.read(name)
        before = _keys_of(rows, environment)
        changes, ring = rotate_keys(environment.id, before, operation.clock.now(), algorithms)
        await operation.store.directory_rows.change(changes, rows.version)
        await _record_states(operation, before)
        return ring

    ring = administer(database_url, work)
    for algorithm in algorithms or ring.algorithms:
        click.echo(f"{name} signs with {ring.signing_key(algorithm).kid} ({algorithm})")


@keys.command()
@click.argument("kid")
@ENVIRONMENT
@DATA
def retire(kid: str, name: str, database_url: str) -> None:
    """Forget the retired key KID before its time. Every token that it signed ends at once.

    For a key that somebody else may have: rotate until it is retired, then retire it.
    """

    async def work(operation: Operation) -> None:
        rows, environment = await operation.read(name)
        before = _keys_of(rows, environment)
        await operation.store.directory_rows.change(retire_key(environment.id, before, kid), rows.version)
        await _record_states(operation, before)

    administer(database_url, work)
    click.echo(f"{name} has forgotten {kid}")


async def _record_states(operation: Operation, before: Sequence[SigningKeyRow]) -> None:
    """Put the keys' states before and after into the audit record."""

    def states(rows: Sequence[SigningKeyRow]) -> Mapping[str, str]:
        return {key.kid: key.state for key in key_ring(rows).keys}

    rows = await operation.store.directory_rows.load()
    after = [row for row in rows.signing_keys if row.environment_id == operation.environment_id]
    operation.members.update(before=states(before), after=states(after))


def _keys_of(rows: DirectoryRows, environment: EnvironmentRow) -> Sequence[SigningKeyRow]:
    return [row for row in rows.signing_keys if row.environment_id == environment.id]
