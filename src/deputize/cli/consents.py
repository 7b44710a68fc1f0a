"""`deputize consents`: what users agreed to for agents."""

from functools import partial

import click

from deputize.authority.administration import ListQuery, ObjectView
from deputize.cli.administration import COMMAND, administer_at, read_all, shown_moment
from deputize.cli.anywhere import AnyOperation
from deputize.cli.objects import AS_JSON, show_view
from deputize.cli.options import DATA, ENVIRONMENT_OR_ADDRESS


@click.group("consents")
def consents() -> None:
    """What users agreed to for agents.

    Every token about a user rests on it.
    """


@consents.command("list")
@ENVIRONMENT_OR_ADDRESS
@DATA
@click.option("--user", "username", help="Only those of this user (a name or an id).")
@click.option("--agent", "agent", help="Only those for this agent (a name or an id).")
def list_consents(name: str, database_url: str, username: str | None, agent: str | None) -> None:
    """Show what users agreed to.

    The latest consent of each user for each agent and agreement.
    """

    async def work(operation: AnyOperation) -> list[ObjectView]:
        return await _read(operation, name, username, agent)

    listed = administer_at(name, database_url, work)
    for view in listed:
        facts = view.facts
        if facts["withdrawn_at"]:
            who = facts.get("withdrawn_by")  # older servers do not say
            by = f" by {who}" if who else ""
            state = f"withdrawn {shown_moment(facts['withdrawn_at'])}{by}"
        else:
            state = "in force" if facts["in_force"] else "expired"
        click.echo(
            f"{view.id}  {view.name} for {facts['agent'] or facts['agent_id']}: {facts['agreement']} version "
            f"{facts['version']} ({facts['locale']}), {shown_moment(facts['accepted_at'])}, {state}"
        )
    if not listed:
        click.echo("nobody agreed to anything")


@consents.command()
@click.argument("consent")
@ENVIRONMENT_OR_ADDRESS
@DATA
@AS_JSON
def show(consent: str, name: str, database_url: str, *, as_json: bool) -> None:
    """Show CONSENT (an id), and what it covers."""

    async def work(operation: AnyOperation) -> ObjectView:
        for view in await _read(operation, name, None, None):
            if view.id == consent:
                return view
        raise click.ClickException(f"there is no consent {consent!r}")

    show_view(administer_at(name, database_url, work), as_json=as_json)


@consents.command()
@click.option("--user", "username", required=True, help="Whose (a name or an id).")
@click.option("--agent", "agent", required=True, help="For which agent (a name or an id).")
@ENVIRONMENT_OR_ADDRESS
@DATA
def withdraw(username: str, agent: str, name: str, database_url: str) -> None:
    """Withdraw consent in a user's place.

    The agent's tokens about them end at once.
    """

    async def work(operation: AnyOperation) -> int:
        environment_id = await operation.find_environment(name)
        user = await operation.find(environment_id, "user", username)
        found = await operation.find(environment_id, "agent", agent)
        changed = await operation.administration.consents.withdraw(COMMAND, environment_id, user.id, found.id)
        return len(changed.differences)

    count = administer_at(name, database_url, work)
    click.echo(f"{count} consent{'' if count == 1 else 's'} withdrawn")


async def _read(
    operation: AnyOperation, name: str, username: str | None, agent: str | None
) -> list[ObjectView]:
    environment_id = await operation.find_environment(name)
    user_id = (await operation.find(environment_id, "user", username)).id if username else None
    agent_id = (await operation.find(environment_id, "agent", agent)).id if agent else None
    read = partial(
        operation.administration.consents.list,
        COMMAND,
        environment_id,
        user_id=user_id,
        agent_id=agent_id,
    )
    return await read_all(read, ListQuery())
