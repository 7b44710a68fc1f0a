"""`deputize secrets`: the secrets of resources and agents."""

import asyncio
from dataclasses import dataclass

import click

from deputize.authority.directory.changes import IssuedSecret, replace_secret
from deputize.authority.storage import DirectoryConflict, DirectoryRows, ObjectRow, StorageError, open_store
from deputize.cli.database import DATA
from deputize.kernel.clock import SystemClock
from deputize.kernel.durations import DurationError, parse

MAX_KEPT_DAYS = 30


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whose secret it is: the names or ids of an environment, and of a resource or agent in it."""

    environment: str
    kind: str
    name: str


@click.group()
def secrets() -> None:
    """The secrets with which resources and agents prove who they are. Only their digests are stored."""


@secrets.command()
@click.argument("kind", type=click.Choice(["resource", "agent"]))
@click.argument("name")
@click.option("--environment", required=True, help="Name or id of the environment.")
@click.option("--keep-previous", default="1 hour", show_default=True, help="How long the secret so far goes on working, at most 30 days.")
@DATA
def rotate(kind: str, name: str, environment: str, keep_previous: str, database_url: str) -> None:
    """Draw a new secret for the resource or agent NAME, and print it: it is shown only now."""
    seconds = _seconds(keep_previous)
    try:
        issued = asyncio.run(_rotate(_Owner(environment, kind, name), database_url, seconds))
    except (DirectoryConflict, StorageError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{kind} {issued.owner.name}: id {issued.owner.id}, secret {issued.text} (shown only now)")
    click.echo(f"the secret so far works for {keep_previous}")


def _seconds(text: str) -> float:
    try:
        seconds = parse(text)
    except DurationError as error:
        raise click.BadParameter(str(error), param_hint="--keep-previous") from error
    if seconds is None or seconds > MAX_KEPT_DAYS * 86400:
        raise click.BadParameter(f"at most {MAX_KEPT_DAYS} days", param_hint="--keep-previous")
    return seconds


async def _rotate(owner: _Owner, database_url: str, keep_previous: float) -> IssuedSecret:
    async with open_store(database_url) as store:
        rows = await store.directory_rows.load()
        row = _find(rows, owner)
        previous = [secret for secret in rows.secrets if secret.owner_id == row.id]
        changes, issued = replace_secret(row, previous, SystemClock().now(), keep_previous=keep_previous)
        await store.directory_rows.change(changes, rows.version)
        return issued


def _find(rows: DirectoryRows, owner: _Owner) -> ObjectRow:
    environments = {row.id for row in rows.environments if owner.environment in {row.name, row.id}}
    objects = [row for row in rows.objects if row.environment_id in environments and row.kind == owner.kind]
    found = next((row for row in objects if owner.name in {row.name, row.id}), None)
    if found is None:
        known = ", ".join(sorted(row.name for row in objects)) or "none"
        raise click.ClickException(f"there is no {owner.kind} {owner.name!r} in an environment {owner.environment!r}; there is {known}")
    return found
