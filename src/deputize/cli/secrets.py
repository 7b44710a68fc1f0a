"""`deputize secrets`: the secrets of resources and agents."""

from collections.abc import Sequence
from dataclasses import dataclass

import click

from deputize.audit.records import timestamp_text
from deputize.authority.directory.changes import IssuedSecret, replace_secret
from deputize.authority.storage import ObjectRow
from deputize.cli.administration import Administration, administer
from deputize.cli.database import DATA
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
@click.option(
    "--keep-previous",
    default="1 hour",
    show_default=True,
    help="How long the secret so far goes on working, at most 30 days.",
)
@DATA
def rotate(kind: str, name: str, environment: str, keep_previous: str, database_url: str) -> None:
    """Draw a new secret for the resource or agent NAME, and print it: it is shown only now."""
    seconds = _seconds(keep_previous)
    owner = _Owner(environment, kind, name)
    issued = administer(database_url, lambda administration: _rotate(administration, owner, seconds))
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


async def _rotate(administration: Administration, owner: _Owner, keep_previous: float) -> IssuedSecret:
    rows, environment = await administration.read(owner.environment)
    row = _find([each for each in rows.objects if each.environment_id == environment.id], owner)
    previous = [secret for secret in rows.secrets if secret.owner_id == row.id]
    now = administration.clock.now()
    changes, issued = replace_secret(row, previous, now, keep_previous=keep_previous)
    administration.members.update(
        kind=row.kind, id=row.id, name=row.name, previous_secrets_end=timestamp_text(now + keep_previous)
    )
    await administration.store.directory_rows.change(changes, rows.version)
    return issued


def _find(rows: Sequence[ObjectRow], owner: _Owner) -> ObjectRow:
    objects = [row for row in rows if row.kind == owner.kind]
    found = next((row for row in objects if owner.name in {row.name, row.id}), None)
    if found is None:
        known = ", ".join(sorted(row.name for row in objects)) or "none"
        raise click.ClickException(
            f"there is no {owner.kind} {owner.name!r} in an environment {owner.environment!r}; there is "
            f"{known}"
        )
    return found
