"""`deputize agents`: who acts for users, and who may introduce themselves."""

from collections.abc import Mapping
from functools import partial

import click

from deputize.authority.administration import Changed, ListQuery, ObjectView
from deputize.authority.administration.registration import MAX_USES
from deputize.cli.administration import (
    COMMAND,
    administer_at,
    read_all,
    set_enabled,
    shown_moment,
)
from deputize.cli.anywhere import AnyOperation
from deputize.cli.objects import AS_JSON, show_view
from deputize.cli.options import DATA, ENVIRONMENT_OR_ADDRESS
from deputize.kernel.durations import DurationError, parse
from deputize.kernel.redaction import printable

MAX_EXPIRY_DAYS = 365


@click.group("agents")
def agents() -> None:
    """The agents that act for users."""


@agents.command("list")
@ENVIRONMENT_OR_ADDRESS
@DATA
@click.option("--introduced", is_flag=True, help="Only those that introduced themselves.")
def list_agents(name: str, database_url: str, *, introduced: bool) -> None:
    """Show the agents.

    Of those that introduced themselves also how they came, and when each was last used.
    """

    async def work(operation: AnyOperation) -> list[ObjectView]:
        environment_id = await operation.find_environment(name)
        read = partial(operation.administration.list, COMMAND, environment_id, "agent")
        return await read_all(read, ListQuery(introduced=True if introduced else None))

    listed = administer_at(name, database_url, work)
    for view in sorted(listed, key=lambda view: ("introduced" in view.facts, view.name)):
        click.echo("  ".join(_describe(view)))
    if not listed:
        click.echo("there is none")


@agents.command()
@click.argument("agent")
@ENVIRONMENT_OR_ADDRESS
@DATA
@AS_JSON
def show(agent: str, name: str, database_url: str, *, as_json: bool) -> None:
    """Show AGENT (a name or an id).

    What an administrator set, or what it said of itself.
    """

    async def work(operation: AnyOperation) -> tuple[ObjectView, str]:
        environment_id = await operation.find_environment(name)
        view = await operation.find(environment_id, "agent", agent)
        environment = await operation.administration.environments.find(COMMAND, environment_id)
        return view, _owner_of_introduced(environment)

    view, owner = administer_at(name, database_url, work)
    introduced = view.facts.get("introduced")
    if as_json or not isinstance(introduced, Mapping):
        show_view(view, as_json=as_json)
        return
    click.echo("\n".join(_describe(view)))
    metadata = introduced["metadata"]
    for member, value in metadata.items() if isinstance(metadata, Mapping) else ():
        click.echo(f"{member}: {printable(str(value), 2048)}")
    if owner:
        click.echo(f"owner: {owner}")


@agents.command()
@click.argument("agent")
@ENVIRONMENT_OR_ADDRESS
@DATA
def disable(agent: str, name: str, database_url: str) -> None:
    """Stop AGENT (a name or an id) at once. Every token it has or had a part in ends for good."""
    set_enabled("agent", agent, name, database_url, enabled=False)


@agents.command()
@click.argument("agent")
@ENVIRONMENT_OR_ADDRESS
@DATA
def enable(agent: str, name: str, database_url: str) -> None:
    """Let AGENT (a name or an id) begin anew. What ended stays ended: its users sign on again."""
    set_enabled("agent", agent, name, database_url, enabled=True)


@agents.command()
@click.argument("agent")
@ENVIRONMENT_OR_ADDRESS
@DATA
def remove(agent: str, name: str, database_url: str) -> None:
    """Remove AGENT (a name or an id).

    All that was issued to it ends. One that introduced itself may come again: to keep it out, disable it.
    """

    async def work(operation: AnyOperation) -> str:
        environment_id = await operation.find_environment(name)
        found = await operation.find(environment_id, "agent", agent)
        await operation.administration.remove(COMMAND, environment_id, "agent", found.id)
        return found.name

    click.echo(f"{administer_at(name, database_url, work)} is removed")


@agents.command()
@ENVIRONMENT_OR_ADDRESS
@DATA
@click.option(
    "--uses",
    type=click.IntRange(1, MAX_USES),
    default=1,
    show_default=True,
    help="How many programs may register with it.",
)
@click.option("--expires", default="7 days", show_default=True, help="How long it works, at most 365 days.")
def invite(name: str, database_url: str, uses: int, expires: str) -> None:
    """Draw an initial access token.

    With it programs register themselves (RFC 7591).

    It is printed, and shown only now. It works where the environment's registration has dynamic: true and
    initial_access_tokens: true.
    """
    try:
        seconds = parse(expires)
    except DurationError as error:
        raise click.BadParameter(str(error), param_hint="--expires") from error
    if not seconds or seconds > MAX_EXPIRY_DAYS * 86400:
        raise click.BadParameter(f"at most {MAX_EXPIRY_DAYS} days", param_hint="--expires")

    async def work(operation: AnyOperation) -> Changed:
        environment_id = await operation.find_environment(name)
        changed = await operation.administration.invitations.create(
            COMMAND, environment_id, uses=uses, lifetime=seconds
        )
        operation.members.update(initial_access_token=changed.differences[0].id, uses=uses)
        return changed

    changed = administer_at(name, database_url, work)
    view = changed.view
    if view is not None:
        click.echo(f"initial access token {changed.secrets[0].text} (shown only now)")
        end = shown_moment(view.facts["expires_at"])
        click.echo(f"id {view.id}, for {uses} program{'s' * (uses > 1)} until {end}")


@agents.command()
@click.argument("token_id")
@ENVIRONMENT_OR_ADDRESS
@DATA
def uninvite(token_id: str, name: str, database_url: str) -> None:
    """Withdraw the initial access token with TOKEN_ID. Agents that came by it stay."""

    async def work(operation: AnyOperation) -> None:
        environment_id = await operation.find_environment(name)
        operation.members.update(initial_access_token=token_id)
        await operation.administration.invitations.withdraw(COMMAND, environment_id, token_id)

    administer_at(name, database_url, work)
    click.echo(f"{token_id} admits nobody any more")


def _owner_of_introduced(environment: ObjectView | None) -> str:
    """Return who answers for the agents that introduced themselves."""
    registration = environment.entry.get("registration") if environment else None
    template = registration.get("agent") if isinstance(registration, Mapping) else None
    return str(template.get("owner", "")) if isinstance(template, Mapping) else ""


def _describe(view: ObjectView) -> list[str]:
    """Say in parts who it is, how it came, and when it was used. What it says of itself stands in quotes."""
    introduced = view.facts.get("introduced")
    parts = [view.id if introduced else f"{view.name} ({view.id})"]
    if isinstance(introduced, Mapping):
        detail, claimed = introduced["detail"], introduced["claimed_name"]
        by = str(introduced["means"]).replace("_", " ") + (f" {detail}" if detail else "")
        parts.append(f"by {by}, since {shown_moment(introduced['at'])}")
        parts.append(f"says it is {printable(str(claimed))!a}" if claimed else "gives no name")
    used = view.facts.get("last_used_at")
    parts.append(f"used {shown_moment(used)}" if used else "no user signed on yet")
    if view.facts.get("waiting"):
        parts.append("waits for approval: enable it, or remove it")
    elif view.entry.get("enabled", True) is not True:
        parts.append("disabled")
    if view.facts.get("expired"):
        parts.append("its time is over")
    return parts
