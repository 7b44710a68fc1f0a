"""`deputize environments`: which there are, and their end."""

import click

from deputize.authority.administration import Changed, ObjectView
from deputize.cli.administration import COMMAND, administer_at
from deputize.cli.anywhere import AnyOperation
from deputize.cli.objects import AS_JSON, show_list, show_view
from deputize.cli.options import ADDRESS, DATA, ENVIRONMENT_OR_ADDRESS


@click.group("environments")
def environments() -> None:
    """The environments of the database.

    `deputize apply` makes one.
    """


@environments.command("list")
@ADDRESS
@DATA
@AS_JSON
def list_environments(address: str | None, database_url: str, *, as_json: bool) -> None:
    """Show each environment: name and id."""

    async def work(operation: AnyOperation) -> list[ObjectView]:
        return list((await operation.administration.environments.list(COMMAND)).items)

    show_list(administer_at(address, database_url, work), as_json=as_json)


@environments.command()
@ENVIRONMENT_OR_ADDRESS
@DATA
@AS_JSON
def show(name: str, database_url: str, *, as_json: bool) -> None:
    """Show an environment's own settings.

    As a file writes them, and its issuer.
    """

    async def work(operation: AnyOperation) -> ObjectView:
        environment_id = await operation.find_environment(name)
        found = await operation.administration.environments.find(COMMAND, environment_id)
        if found is None:
            raise click.ClickException(f"there is no environment {name!r}")
        return found

    show_view(administer_at(name, database_url, work), as_json=as_json)


@environments.command()
@ENVIRONMENT_OR_ADDRESS
@DATA
@click.option("--dry-run", is_flag=True, help="Only say what would end.")
def remove(name: str, database_url: str, *, dry_run: bool) -> None:
    """Remove an environment with everything in it.

    Every token of it ends at once.
    """

    async def work(operation: AnyOperation) -> Changed:
        environment_id = await operation.find_environment(name)
        return await operation.administration.environments.remove(COMMAND, environment_id, dry_run=dry_run)

    changed = administer_at(name, database_url, work)
    for what, count in changed.ends.items():
        click.echo(f"{count} x {what}")
    click.echo("dry run: nothing was changed" if dry_run else f"{name} is removed")
