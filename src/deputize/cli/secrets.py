"""`deputize secrets`: the secrets of resources and agents."""

import click

from deputize.audit.records import timestamp_text
from deputize.authority.directory.changes import IssuedSecret, replace_secret
from deputize.cli.administration import Operation, administer
from deputize.cli.options import DATA
from deputize.kernel.durations import DurationError, parse

MAX_KEPT_DAYS = 30


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
    """Draw a new secret for the resource or agent NAME. It is printed, and shown only now."""
    try:
        seconds = parse(keep_previous)
    except DurationError as error:
        raise click.BadParameter(str(error), param_hint="--keep-previous") from error
    if seconds is None or seconds > MAX_KEPT_DAYS * 86400:
        raise click.BadParameter(f"at most {MAX_KEPT_DAYS} days", param_hint="--keep-previous")

    async def work(operation: Operation) -> IssuedSecret:
        rows, found = await operation.read(environment)
        objects = [row for row in rows.objects if row.environment_id == found.id and row.kind == kind]
        row = next((row for row in objects if name in {row.name, row.id}), None)
        if row is None:
            known = ", ".join(sorted(row.name for row in objects)) or "none"
            raise click.ClickException(
                f"there is no {kind} {name!r} in an environment {environment!r}; there is {known}"
            )
        previous = [secret for secret in rows.secrets if secret.owner_id == row.id]
        now = operation.clock.now()
        changes, issued = replace_secret(row, previous, now, keep_previous=seconds)
        operation.members.update(
            kind=row.kind, id=row.id, name=row.name, previous_secrets_end=timestamp_text(now + seconds)
        )
        await operation.store.directory_rows.change(changes, rows.version)
        return issued

    issued = administer(database_url, work)
    click.echo(f"{kind} {issued.owner.name}: id {issued.owner.id}, secret {issued.text} (shown only now)")
    click.echo(f"the secret so far works for {keep_previous}")
