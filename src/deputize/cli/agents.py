"""`deputize agents`: who acts for users, and who may introduce themselves."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import click

from deputize.authority.directory.objects import EnvironmentObject
from deputize.authority.directory.objects.introduction import Introduction, is_introduced
from deputize.authority.storage import EnvironmentRow, InitialAccessToken, ObjectRow, Put, Remove
from deputize.cli.administration import Operation, administer, moment_text, set_enabled
from deputize.cli.options import DATA, ENVIRONMENT
from deputize.kernel.digests import digest
from deputize.kernel.durations import DurationError, parse
from deputize.kernel.ids import new_id, new_token
from deputize.kernel.redaction import printable

MAX_USES = 10_000
MAX_EXPIRY_DAYS = 365


@click.group("agents")
def agents() -> None:
    """The agents that act for users."""


@agents.command("list")
@ENVIRONMENT
@DATA
@click.option("--introduced", is_flag=True, help="Only those that introduced themselves.")
def list_agents(name: str, database_url: str, *, introduced: bool) -> None:
    """Show the agents.

    Of those that introduced themselves also how they came, and when each was last used.
    """

    async def work(operation: Operation) -> tuple[list[ObjectRow], Mapping[str, float]]:
        rows, environment = await operation.read(name)
        known = [row for row in _agents_of(rows.objects, environment) if is_introduced(row) or not introduced]
        return known, await operation.store.grants.last_uses(environment.id)

    listed, uses = administer(database_url, work)
    for row in sorted(listed, key=lambda row: (is_introduced(row), row.name)):
        click.echo("  ".join(_describe(row, uses.get(row.id))))
    if not listed:
        click.echo("there is none")


@agents.command()
@click.argument("agent")
@ENVIRONMENT
@DATA
def show(agent: str, name: str, database_url: str) -> None:
    """Show what AGENT (a name or an id) said of itself. What an administrator wrote is in the file."""

    async def work(operation: Operation) -> tuple[ObjectRow, float | None, str]:
        row, environment = await _find(operation, agent, name)
        uses = await operation.store.grants.last_uses(environment.id)
        registration = EnvironmentObject.read(environment.name, environment.document).registration
        return row, uses.get(row.id), registration.agent.owner if registration else ""

    row, used, owner = administer(database_url, work)
    click.echo("\n".join(_describe(row, used)))
    introduction = Introduction.of(row)
    for member, value in introduction.metadata.items() if introduction else ():
        click.echo(f"{member}: {printable(str(value), 2048)}")
    if introduction and owner:
        click.echo(f"owner: {owner}")


@agents.command()
@click.argument("agent")
@ENVIRONMENT
@DATA
def disable(agent: str, name: str, database_url: str) -> None:
    """Stop AGENT (a name or an id) at once. Every token it has or had a part in ends for good."""
    _set_enabled(agent, name, database_url, enabled=False)


@agents.command()
@click.argument("agent")
@ENVIRONMENT
@DATA
def enable(agent: str, name: str, database_url: str) -> None:
    """Let AGENT (a name or an id) begin anew. What ended stays ended: its users sign on again."""
    _set_enabled(agent, name, database_url, enabled=True)


@agents.command()
@click.argument("agent")
@ENVIRONMENT
@DATA
def remove(agent: str, name: str, database_url: str) -> None:
    """Remove AGENT (an id), which introduced itself. It may come again: to keep it out, disable it."""

    async def work(operation: Operation) -> str:
        version = await operation.store.directory_rows.version()
        row, _ = await _find(operation, agent, name)
        if not is_introduced(row):
            raise click.ClickException(
                f"{row.name} did not introduce itself; take it out of its file and apply that with --prune"
            )
        await operation.store.directory_rows.change([Remove(row)], version)
        return row.id

    click.echo(f"{administer(database_url, work)} is removed")


@agents.command()
@ENVIRONMENT
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
    text = new_token()

    async def work(operation: Operation) -> InitialAccessToken:
        _, environment = await operation.read(name)
        registration = EnvironmentObject.read(environment.name, environment.document).registration
        if registration is None or not (registration.dynamic and registration.initial_access_tokens):
            raise click.ClickException(
                f"{environment.name} takes no initial access tokens; set dynamic: true and "
                "initial_access_tokens: true in its registration, and apply that"
            )
        now = operation.clock.now()
        token = InitialAccessToken(new_id(), environment.id, digest(text), now, now + seconds, uses)
        await operation.store.initial_access_tokens.add(token)
        operation.members.update(initial_access_token=token.id, uses=uses, expires_at=int(token.expires_at))
        return token

    token = administer(database_url, work)
    click.echo(f"initial access token {text} (shown only now)")
    click.echo(f"id {token.id}, for {uses} program{'s' * (uses > 1)} until {moment_text(token.expires_at)}")


@agents.command()
@click.argument("token_id")
@ENVIRONMENT
@DATA
def uninvite(token_id: str, name: str, database_url: str) -> None:
    """Withdraw the initial access token with TOKEN_ID. Agents that came by it stay."""

    async def work(operation: Operation) -> None:
        _, environment = await operation.read(name)
        operation.members.update(initial_access_token=token_id)
        if not await operation.store.initial_access_tokens.withdraw(environment.id, token_id):
            raise click.ClickException(f"there is no initial access token {token_id!r} in {environment.name}")

    administer(database_url, work)
    click.echo(f"{token_id} admits nobody any more")


def _agents_of(rows: Iterable[ObjectRow], environment: EnvironmentRow) -> list[ObjectRow]:
    return [row for row in rows if row.environment_id == environment.id and row.kind == "agent"]


async def _find(operation: Operation, agent: str, name: str) -> tuple[ObjectRow, EnvironmentRow]:
    """Return the agent with this name or id. Raises `click.ClickException` when there is none."""
    rows, environment = await operation.read(name)
    known = _agents_of(rows.objects, environment)
    row = next((row for row in known if agent in {row.name, row.id}), None)
    if row is None:
        names = ", ".join(sorted(row.name for row in known if not is_introduced(row))) or "none"
        raise click.ClickException(f"there is no agent {agent!r} in {environment.name}; there is {names}")
    operation.members.update(agent=row.id, agent_name=row.name)
    return row, environment


def _describe(row: ObjectRow, used: float | None) -> list[str]:
    """Say in parts who it is, how it came, and when it was used. What it says of itself stands in quotes."""
    introduction = Introduction.of(row)
    parts = [row.id if introduction else f"{row.name} ({row.id})"]
    if introduction:
        by = introduction.means.replace("_", " ") + (f" {introduction.detail}" if introduction.detail else "")
        claimed = introduction.metadata.get("client_name")
        parts.append(f"by {by}, since {moment_text(introduction.created_at)}")
        parts.append(f"says it is {printable(str(claimed))!a}" if claimed else "gives no name")
    parts.append(f"used {moment_text(used)}" if used else "no user signed on yet")
    if not row.document.get("enabled", True):
        parts.append("disabled")
    return parts


def _set_enabled(agent: str, environment: str, database_url: str, *, enabled: bool) -> None:
    async def read(operation: Operation) -> tuple[bool, Put]:
        row, _ = await _find(operation, agent, environment)
        changed = replace(row, document={**row.document, "enabled": enabled})
        return bool(row.document.get("enabled", True)), Put(changed)

    set_enabled(agent, database_url, read, enabled=enabled)
