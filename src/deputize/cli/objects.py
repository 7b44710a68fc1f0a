"""What the commands about objects share: listing and showing them."""

import json
from functools import partial

import click

from deputize.authority.administration import ListQuery, ObjectKind, ObjectView
from deputize.authority.environment_file.writing import write_yaml
from deputize.cli.administration import COMMAND, administer_at, read_all
from deputize.cli.anywhere import AnyOperation
from deputize.cli.options import DATA, ENVIRONMENT_OR_ADDRESS
from deputize.kernel.redaction import printable

AS_JSON = click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
SEARCH = click.option("--search", default="", metavar="TEXT", help="Only those with this in their name.")


def add_reading(group: click.Group, kind: ObjectKind) -> None:
    """Add the commands `list` and `show` for a kind of objects."""

    @group.command("list")
    @ENVIRONMENT_OR_ADDRESS
    @DATA
    @SEARCH
    @AS_JSON
    def list_objects(name: str, database_url: str, search: str, *, as_json: bool) -> None:
        async def work(operation: AnyOperation) -> list[ObjectView]:
            environment_id = await operation.find_environment(name)
            read = partial(operation.administration.list, COMMAND, environment_id, kind)
            return await read_all(read, ListQuery(search=search))

        show_list(administer_at(name, database_url, work), as_json=as_json)

    list_objects.help = f"Show each {kind}.\n\nIts name, its id, and whether it is disabled."

    @group.command("show")
    @click.argument("named", metavar=kind.upper())
    @ENVIRONMENT_OR_ADDRESS
    @DATA
    @AS_JSON
    def show_object(named: str, name: str, database_url: str, *, as_json: bool) -> None:
        async def work(operation: AnyOperation) -> ObjectView:
            return await operation.find(await operation.find_environment(name), kind, named)

        show_view(administer_at(name, database_url, work), as_json=as_json)

    show_object.help = (
        f"Show {kind.upper()} (a name or an id).\n\nAs a file writes it, and what else is known."
    )


def show_list(views: list[ObjectView], *, as_json: bool) -> None:
    """Print a line for each, or all as a JSON array."""
    if as_json:
        click.echo(json.dumps([_document(view) for view in views], indent=2, ensure_ascii=False))
        return
    for view in views:
        state = "" if view.entry.get("enabled", True) is True else "  disabled"
        click.echo(f"{printable(view.name)} ({view.id}){state}")
    if not views:
        click.echo("there is none")


def show_view(view: ObjectView, *, as_json: bool) -> None:
    """Print an object: its entry in YAML, and behind it what is known beyond that."""
    if as_json:
        click.echo(json.dumps(_document(view), indent=2, ensure_ascii=False))
        return
    click.echo(f"# {view.kind} {view.id}")
    click.echo(write_yaml(view.entry), nl=False)
    for line in write_yaml(view.facts).splitlines():
        click.echo(f"# {line}")


def _document(view: ObjectView) -> dict[str, object]:
    return {"kind": view.kind, "id": view.id, "name": view.name, "entry": view.entry, "facts": view.facts}
