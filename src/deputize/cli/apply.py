"""`deputize apply`: make an environment what a file says."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from deputize.authority import environment_file
from deputize.authority.environment_file import DEFAULT_BASE_URL, Application, Applied, EnvironmentFileInvalid
from deputize.authority.passwords import Passwords
from deputize.cli.administration import Administration, administer
from deputize.cli.database import DATA
from deputize.cli.origins import BaseUrl
from deputize.cli.secrets_file import SecretsFileInvalid, write_secrets


@click.command("apply")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@DATA
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="What &{NAME} stands for in the file; before the process environment.",
)
@click.option(
    "--base-url",
    type=BaseUrl(),
    help="Origin of the authority, for the issuer that is written out; remembered. "
    f"Default: the one it was last told, or {DEFAULT_BASE_URL}.",
)
@click.option(
    "--secrets-out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write ids and new secrets to this JSON file, readable by you alone, instead of printing them. "
    "Those it holds already stay.",
)
@click.option("--dry-run", is_flag=True, help="Check the file and show what would change.")
@click.option(
    "--prune", is_flag=True, help="Remove objects that the file does not name, of the kinds it lists."
)
def apply(
    file: Path,
    database_url: str,
    settings: Sequence[str],
    base_url: str | None,
    secrets_out: Path | None,
    *,
    dry_run: bool,
    prune: bool,
) -> None:
    """Make an environment what FILE says: all of it, or nothing if anything in it is wrong.

    Applying a file again changes nothing. A running authority follows within a second.
    """
    application = Application(file.read_bytes(), str(file), _resolver(settings), prune, dry_run, base_url)
    applied = administer(database_url, lambda administration: _apply(administration, application))
    _report(applied, dry_run=dry_run)
    if not dry_run:
        _hand_out(applied, secrets_out)


async def _apply(administration: Administration, application: Application) -> Applied:
    administration.members.update(file=application.file, dry_run=application.dry_run, prune=application.prune)
    passwords = Passwords()
    try:
        applied = await environment_file.apply(
            application, administration.store, passwords, administration.clock
        )
    except EnvironmentFileInvalid as error:
        count = len(error.errors)
        raise click.ClickException(
            f"{application.file} has {count} error{'s' * (count > 1)}; nothing was changed\n{error}"
        ) from error
    finally:
        passwords.close()
    administration.environment_id = applied.environment.id
    administration.members.update(changes=[difference.record() for difference in applied.differences])
    return applied


def _resolver(settings: Sequence[str]) -> Callable[[str], str | None]:
    named: dict[str, str] = dict(os.environ)
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{setting[:32]!r} is not NAME=VALUE", param_hint="--set")
        named[name] = value
    return named.get


def _report(applied: Applied, *, dry_run: bool) -> None:
    for line in applied.lines or ("no changes",):
        click.echo(line)
    for warning in applied.warnings:
        click.echo(f"warning: {warning}", err=True)
    if dry_run:
        click.echo("dry run: nothing was changed")


def _hand_out(applied: Applied, secrets_file: Path | None) -> None:
    issuer = f"{applied.base_url}/{applied.environment.id}/as"
    click.echo(f"issuer {issuer}")
    if secrets_file is not None:
        try:
            write_secrets(secrets_file, applied, issuer)
        except (OSError, SecretsFileInvalid) as error:
            _print_secrets(applied)
            raise click.ClickException(
                f"the environment was changed, but {secrets_file} was not written: {error}"
            ) from error
    else:
        _print_secrets(applied)


def _print_secrets(applied: Applied) -> None:
    for issued in applied.secrets:
        click.echo(
            f"{issued.owner.kind} {issued.owner.name}: id {issued.owner.id}, secret {issued.text} (shown "
            f"only now)"
        )
