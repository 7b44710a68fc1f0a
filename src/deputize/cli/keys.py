"""`deputize keys`: the keys that sign tokens."""

from functools import partial

import click

from deputize.authority.administration import ObjectView
from deputize.cli.administration import COMMAND, administer_at, shown_moment
from deputize.cli.anywhere import AnyOperation
from deputize.cli.options import DATA, ENVIRONMENT_OR_ADDRESS
from deputize.jose import ALGORITHMS


@click.group("keys")
def keys() -> None:
    """The keys that sign tokens. They are stored in the database, which only its owner may read."""


@keys.command("list")
@ENVIRONMENT_OR_ADDRESS
@DATA
def list_keys(name: str, database_url: str) -> None:
    """Show an environment's keys.

    Which one of each algorithm signs, and until when retired ones verify.
    """
    for view in administer_at(name, database_url, partial(_read_keys, name=name)):
        facts = view.facts
        end = facts["verifies_until"]
        until = "" if end is None else f", retired {shown_moment(facts['retired_at'])}"
        until += "" if end is None else f", verifies until {shown_moment(end)}"
        click.echo(
            f"{view.id}  {facts['algorithm']}  {facts['state']}, made "
            f"{shown_moment(facts['created_at'])}{until}"
        )


@keys.command()
@ENVIRONMENT_OR_ADDRESS
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

    async def work(operation: AnyOperation) -> tuple[ObjectView, ...]:
        environment_id = await operation.find_environment(name)
        await operation.administration.keys.rotate(COMMAND, environment_id, algorithms)
        return await _read_keys(operation, name)

    for view in administer_at(name, database_url, work):
        if view.facts["state"] == "current" and (not algorithms or view.facts["algorithm"] in algorithms):
            click.echo(f"{name} signs with {view.id} ({view.facts['algorithm']})")


@keys.command()
@click.argument("kid")
@ENVIRONMENT_OR_ADDRESS
@DATA
def retire(kid: str, name: str, database_url: str) -> None:
    """Forget the retired key KID before its time. Every token that it signed ends at once.

    For a key that somebody else may have: rotate until it is retired, then retire it.
    """

    async def work(operation: AnyOperation) -> None:
        environment_id = await operation.find_environment(name)
        await operation.administration.keys.retire(COMMAND, environment_id, kid)

    administer_at(name, database_url, work)
    click.echo(f"{name} has forgotten {kid}")


async def _read_keys(operation: AnyOperation, name: str) -> tuple[ObjectView, ...]:
    environment_id = await operation.find_environment(name)
    return (await operation.administration.keys.list(COMMAND, environment_id)).items
