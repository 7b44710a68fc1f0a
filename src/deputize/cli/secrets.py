"""`deputize secrets`: the secrets of resources and agents."""

from collections.abc import Sequence

import click

from deputize.audit.records import timestamp_text
from deputize.authority.directory.changes import IssuedSecret, end_previous_secrets, replace_secret
from deputize.authority.directory.objects import AgentObject
from deputize.authority.storage import DirectoryRows, ObjectRow, SecretRow
from deputize.cli.administration import Operation, administer, moment_text
from deputize.cli.options import DATA, ENVIRONMENT
from deputize.kernel.durations import DurationError, parse

MAX_KEPT_DAYS = 30


@click.group()
def secrets() -> None:
    """The secrets with which resources and agents prove who they are. Only their digests are stored."""


@secrets.command("list")
@ENVIRONMENT
@DATA
def list_secrets(name: str, database_url: str) -> None:
    """Show the secrets that work.

    When each was made, and of previous ones until when they work.
    """

    async def work(operation: Operation) -> Sequence[tuple[ObjectRow, Sequence[SecretRow]]]:
        rows, environment = await operation.read(name)
        now = operation.clock.now()
        mine = (row for row in rows.objects if row.environment_id == environment.id)
        return [(row, valid) for row in mine if (valid := _valid(rows, row, now))]

    for owner, valid in administer(database_url, work):
        for secret in valid:
            end = "" if secret.expires_at is None else f", works until {moment_text(secret.expires_at)}"
            click.echo(f"{owner.kind} {owner.name}: made {moment_text(secret.created_at)}{end}")


@secrets.command()
@click.argument("kind", type=click.Choice(["resource", "agent"]))
@click.argument("owner")
@ENVIRONMENT
@click.option(
    "--keep-previous",
    default="1 hour",
    show_default=True,
    help="How long the secret so far goes on working, at most 30 days.",
)
@DATA
def rotate(kind: str, owner: str, name: str, keep_previous: str, database_url: str) -> None:
    """Draw a new secret for the resource or agent OWNER. It is printed, and shown only now."""
    try:
        seconds = parse(keep_previous)
    except DurationError as error:
        raise click.BadParameter(str(error), param_hint="--keep-previous") from error
    if seconds is None or seconds > MAX_KEPT_DAYS * 86400:
        raise click.BadParameter(f"at most {MAX_KEPT_DAYS} days", param_hint="--keep-previous")

    async def work(operation: Operation) -> IssuedSecret:
        rows, row = await _find_owner(operation, name, kind, owner)
        agent = AgentObject.read(row.name, row.document) if kind == "agent" else None
        if agent and not agent.needs_secret:
            raise click.ClickException(
                f"the agent {row.name!r} authenticates by {agent.client_auth}: a secret would prove nothing"
            )
        now = operation.clock.now()
        changes, issued = replace_secret(row, _valid(rows, row, now), now, keep_previous=seconds)
        operation.members["previous_secrets_end"] = timestamp_text(now + seconds)
        await operation.store.directory_rows.change(changes, rows.version)
        return issued

    issued = administer(database_url, work)
    click.echo(f"{kind} {issued.owner.name}: id {issued.owner.id}, secret {issued.text} (shown only now)")
    click.echo(f"the secret so far works for {keep_previous}; to end it now: deputize secrets end")


@secrets.command()
@click.argument("kind", type=click.Choice(["resource", "agent"]))
@click.argument("owner")
@ENVIRONMENT
@DATA
def end(kind: str, owner: str, name: str, database_url: str) -> None:
    """End the previous secrets of the resource or agent OWNER now. The newest one stays."""

    async def work(operation: Operation) -> int:
        rows, row = await _find_owner(operation, name, kind, owner)
        now = operation.clock.now()
        changes = end_previous_secrets(_valid(rows, row, now), now)
        operation.members["previous_secrets_end"] = timestamp_text(now)
        if changes:
            await operation.store.directory_rows.change(changes, rows.version)
        return len(changes)

    ended = administer(database_url, work)
    click.echo(
        f"{ended} previous {'secret' if ended == 1 else 'secrets'} of {kind} {owner} ended"
        if ended
        else f"{kind} {owner} has no previous secret that works"
    )


async def _find_owner(
    operation: Operation, environment: str, kind: str, owner: str
) -> tuple[DirectoryRows, ObjectRow]:
    """Return everything configured, and the resource or agent with this name or id."""
    rows, found = await operation.read(environment)
    objects = [row for row in rows.objects if row.environment_id == found.id and row.kind == kind]
    row = next((row for row in objects if owner in {row.name, row.id}), None)
    if row is None:
        known = ", ".join(sorted(row.name for row in objects)) or "none"
        raise click.ClickException(
            f"there is no {kind} {owner!r} in an environment {environment!r}; there is {known}"
        )
    operation.members.update(kind=row.kind, id=row.id, name=row.name)
    return rows, row


def _valid(rows: DirectoryRows, owner: ObjectRow, now: float) -> Sequence[SecretRow]:
    """Return the secrets of `owner` that work, the newest first."""
    key = owner.environment_id, owner.id
    mine = [each for each in rows.secrets if (each.environment_id, each.owner_id) == key]
    working = [each for each in mine if each.expires_at is None or each.expires_at > now]
    return sorted(working, key=lambda each: each.created_at, reverse=True)
