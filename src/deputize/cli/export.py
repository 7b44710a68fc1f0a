"""`deputize export`: an environment as the file that makes it."""

from pathlib import Path

import click

from deputize.cli.administration import COMMAND, administer_at
from deputize.cli.anywhere import AnyOperation
from deputize.cli.options import DATA, ENVIRONMENT_OR_ADDRESS


@click.command("export")
@ENVIRONMENT_OR_ADDRESS
@DATA
@click.option(
    "--ids", is_flag=True, help="With the ids of everything, so that tokens and clients stay valid."
)
@click.option(
    "--password-hashes", is_flag=True, help="With the digests of passwords: keep such a file as a secret."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file instead of printing.",
)
def export(name: str, database_url: str, output: Path | None, *, ids: bool, password_hashes: bool) -> None:
    """Print an environment as the file that makes it.

    The same environment has the same bytes however it came about, and applying
    it to the same database changes nothing. Secrets are not in it, and agents that introduced
    themselves are not.
    """

    async def work(operation: AnyOperation) -> str:
        environment_id = await operation.find_environment(name)
        return await operation.administration.environments.export(
            COMMAND, environment_id, ids=ids, password_hashes=password_hashes
        )

    text = administer_at(name, database_url, work)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
