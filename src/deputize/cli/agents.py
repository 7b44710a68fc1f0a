"""`deputize agents`: stop an agent, and let it begin anew."""

from dataclasses import replace

import click

from deputize.authority.storage import Put
from deputize.cli.administration import Administration, administer
from deputize.cli.database import DATA
from deputize.cli.keys import ENVIRONMENT


@click.group("agents")
def agents() -> None:
    """The agents that act for users."""


@agents.command()
@click.argument("agent")
@ENVIRONMENT
@DATA
def disable(agent: str, name: str, database_url: str) -> None:
    """Stop AGENT (a name or an id) at once: every token it has or had a part in ends for good."""
    changed = _set_enabled(agent, name, database_url, enabled=False)
    click.echo(f"{agent} is disabled" if changed else f"{agent} was disabled already")


@agents.command()
@click.argument("agent")
@ENVIRONMENT
@DATA
def enable(agent: str, name: str, database_url: str) -> None:
    """Let AGENT (a name or an id) begin anew. What ended stays ended: its users sign on again."""
    changed = _set_enabled(agent, name, database_url, enabled=True)
    click.echo(f"{agent} is enabled" if changed else f"{agent} was enabled already")


def _set_enabled(agent: str, environment: str, database_url: str, *, enabled: bool) -> bool:
    """Whether that changed anything."""

    async def work(administration: Administration) -> bool:
        rows, found = await administration.read(environment)
        known = [row for row in rows.objects if row.environment_id == found.id and row.kind == "agent"]
        row = next((row for row in known if agent in {row.name, row.id}), None)
        if row is None:
            names = ", ".join(sorted(row.name for row in known)) or "none"
            raise click.ClickException(f"there is no agent {agent!r} in {found.name}; there is {names}")
        before = bool(row.document.get("enabled", True))
        administration.members.update(
            agent=row.id, agent_name=row.name, before={"enabled": before}, after={"enabled": enabled}
        )
        if before == enabled:
            return False
        changed = replace(row, document={**row.document, "enabled": enabled})
        await administration.store.directory_rows.change([Put(changed)], rows.version)
        return True

    return administer(database_url, work)
