"""`deputize secrets`: the secrets of resources and agents."""

from collections.abc import Sequence
from functools import partial
from typing import cast

import click

from deputize.audit.records import timestamp_text
from deputize.authority.administration import ListQuery, ObjectKind, ObjectView
from deputize.authority.directory.changes import IssuedSecret
from deputize.cli.administration import COMMAND, administer_at, read_all, shown_moment
from deputize.cli.anywhere import AnyOperation
from deputize.cli.options import DATA, ENVIRONMENT_OR_ADDRESS
from deputize.kernel.durations import DurationError, parse
from deputize.kernel.values import JsonObject

MAX_KEPT_DAYS = 30


@click.group()
def secrets() -> None:
    """The secrets of resources and agents.

    With them they prove who they are. Only their digests are stored.
    """


@secrets.command("list")
@ENVIRONMENT_OR_ADDRESS
@DATA
def list_secrets(name: str, database_url: str) -> None:
    """Show the secrets that work.

    When each was made, and of previous ones until when they work.
    """

    async def work(operation: AnyOperation) -> list[ObjectView]:
        environment_id = await operation.find_environment(name)
        kinds: tuple[ObjectKind, ...] = ("resource", "agent")
        return [
            view
            for kind in kinds
            for view in await read_all(
                partial(operation.administration.list, COMMAND, environment_id, kind), ListQuery()
            )
        ]

    for view in administer_at(name, database_url, work):
        for secret in cast("Sequence[JsonObject]", view.facts.get("secrets", ())):
            end = secret["expires_at"]
            until = "" if end is None else f", works until {shown_moment(end)}"
            click.echo(f"{view.kind} {view.name}: made {shown_moment(secret['created_at'])}{until}")


@secrets.command()
@click.argument("kind", type=click.Choice(["resource", "agent"]))
@click.argument("owner")
@ENVIRONMENT_OR_ADDRESS
@click.option(
    "--keep-previous",
    default="1 hour",
    show_default=True,
    help="How long the secret so far goes on working, at most 30 days.",
)
@DATA
def rotate(kind: ObjectKind, owner: str, name: str, keep_previous: str, database_url: str) -> None:
    """Draw a new secret for the resource or agent OWNER. It is printed, and shown only now."""
    try:
        seconds = parse(keep_previous)
    except DurationError as error:
        raise click.BadParameter(str(error), param_hint="--keep-previous") from error
    if seconds is None or seconds > MAX_KEPT_DAYS * 86400:
        raise click.BadParameter(f"at most {MAX_KEPT_DAYS} days", param_hint="--keep-previous")

    async def work(operation: AnyOperation) -> IssuedSecret:
        environment_id, object_id = await _find_owner(operation, name, kind, owner)
        operation.members["previous_secrets_end"] = timestamp_text(operation.clock.now() + seconds)
        changed = await operation.administration.new_secret(
            COMMAND, environment_id, kind, object_id, keep_previous=seconds
        )
        return changed.secrets[0]

    issued = administer_at(name, database_url, work)
    click.echo(f"{kind} {issued.owner.name}: id {issued.owner.id}, secret {issued.text} (shown only now)")
    click.echo(f"the secret so far works for {keep_previous}; to end it now: deputize secrets end")


@secrets.command()
@click.argument("kind", type=click.Choice(["resource", "agent"]))
@click.argument("owner")
@ENVIRONMENT_OR_ADDRESS
@DATA
def end(kind: ObjectKind, owner: str, name: str, database_url: str) -> None:
    """End the previous secrets of the resource or agent OWNER now. The newest one stays."""

    async def work(operation: AnyOperation) -> int:
        environment_id, object_id = await _find_owner(operation, name, kind, owner)
        operation.members["previous_secrets_end"] = timestamp_text(operation.clock.now())
        changed = await operation.administration.end_previous_secrets(
            COMMAND, environment_id, kind, object_id
        )
        return changed.ends.get("secrets", 0)

    ended = administer_at(name, database_url, work)
    click.echo(
        f"{ended} previous {'secret' if ended == 1 else 'secrets'} of {kind} {owner} ended"
        if ended
        else f"{kind} {owner} has no previous secret that works"
    )


async def _find_owner(
    operation: AnyOperation, environment: str, kind: ObjectKind, owner: str
) -> tuple[str, str]:
    """Return the ids of the environment and of the resource or agent with this name or id."""
    environment_id = await operation.find_environment(environment)
    found = await operation.find(environment_id, kind, owner)
    operation.members.update(kind=kind, id=found.id, name=found.name)
    return environment_id, found.id
