"""`deputize diff`: how an environment differs from a file."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from deputize.authority.environment_file import Application, Applied, EnvironmentFileInvalid
from deputize.cli.administration import COMMAND, administer_at
from deputize.cli.anywhere import AnyOperation
from deputize.cli.apply import SETTINGS, read_settings, told_errors
from deputize.cli.options import ADDRESS, DATA


@click.command("diff")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@ADDRESS
@DATA
@SETTINGS
@click.option("--prune", is_flag=True, help="Also what the file does not name, of the kinds that it lists.")
def diff(file: Path, address: str | None, database_url: str, settings: Sequence[str], *, prune: bool) -> None:
    """Show what applying FILE would change.

    Ends with 1 where that is anything, as diff does.
    """
    names = read_settings(settings, os.environ)
    application = Application(file.read_bytes(), str(file), names.get, prune, dry_run=True)

    async def work(operation: AnyOperation) -> Applied:
        try:
            return await operation.administration.environments.apply(COMMAND, application)
        except EnvironmentFileInvalid as error:
            raise click.ClickException(told_errors(application.file, error)) from error

    applied = administer_at(address, database_url, work)
    for line in applied.lines:
        click.echo(line)
    if applied.lines:
        sys.exit(1)
