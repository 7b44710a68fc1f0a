"""`deputize agents`: stop an agent, and let it begin anew."""

from dataclasses import replace

import click

from deputize.authority.storage import Put
from deputize.cli.administration import Operation, set_enabled
from deputize.cli.options import DATA, ENVIRONMENT


@click.group("agents")
def agents() -> None:
    """The agents that act for users."""


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


def _set_enabled(agent: str, environment: str, database_url: str, *, enabled: bool) -> None:
    async def read(operation: Operation) -> tuple[bool, Put]:
        rows, found = await operation.read(environment)
        known = [row for row in rows.objects if row.environment_id == found.id and row.kind == "agent"]
        row = next((row for row in known if agent in {row.name, row.id}), None)
        if row is None:
            names = ", ".join(sorted(row.name for row in known)) or "none"
            raise click.ClickException(f"there is no agent {agent!r} in {found.name}; there is {names}")
        operation.members.update(agent=row.id, agent_name=row.name)
        changed = replace(row, document={**row.document, "enabled": enabled})
        return bool(row.document.get("enabled", True)), Put(changed)

    set_enabled(agent, database_url, read, enabled=enabled)
