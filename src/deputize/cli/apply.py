"""`deputize apply`: make an environment what a file says."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from deputize.authority.environment_file import DEFAULT_BASE_URL, Application, Applied, EnvironmentFileInvalid
from deputize.authority.storage import Kind
from deputize.cli.administration import COMMAND, administer_at
from deputize.cli.anywhere import AnyOperation
from deputize.cli.options import ADDRESS, DATA, BaseUrl
from deputize.kernel import strict_json
from deputize.kernel.errors import DeputizeError

_MEMBERS: Mapping[Kind, str] = {"resource": "resources", "agent": "agents"}
"""The members of the secrets file, by the kind of object they list."""


SETTINGS = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="What &{NAME} stands for in the file; before the process environment.",
)
"""Values for the tokens of a file."""


class SecretsFileInvalid(DeputizeError):
    """A file of that name exists and is not a secrets file; it was not overwritten."""


@click.command("apply")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@ADDRESS
@DATA
@SETTINGS
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
def apply(  # noqa: PLR0913 - one parameter an option
    file: Path,
    address: str | None,
    database_url: str,
    settings: Sequence[str],
    base_url: str | None,
    secrets_out: Path | None,
    *,
    dry_run: bool,
    prune: bool,
) -> None:
    """Bring an environment in line with FILE. All of it, or nothing if anything in it is wrong.

    Applying a file again changes nothing. A running authority follows within a second.
    """
    if address and base_url:
        raise click.UsageError("a running authority knows its own base URL: leave --base-url out")
    names = read_settings(settings, os.environ)
    application = Application(file.read_bytes(), str(file), names.get, prune, dry_run, base_url)

    async def work(operation: AnyOperation) -> Applied:
        operation.members.update(file=application.file, dry_run=dry_run, prune=prune)
        try:
            applied = await operation.administration.environments.apply(COMMAND, application)
        except EnvironmentFileInvalid as error:
            raise click.ClickException(told_errors(application.file, error)) from error
        operation.environment_id = applied.environment.id or None
        operation.members.update(changes=[difference.record() for difference in applied.differences])
        return applied

    applied = administer_at(address, database_url, work, creates=not dry_run, rehearses=dry_run)
    for line in applied.lines or ("no changes",):
        click.echo(line)
    for warning in applied.warnings:
        click.echo(f"warning: {warning}", err=True)
    if dry_run:
        click.echo("dry run: nothing was changed")
    else:
        _hand_out(applied, secrets_out)


def read_settings(settings: Sequence[str], environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return what tokens stand for: what was set, before the process environment."""
    names = dict(environment)
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{setting[:32]!r} is not NAME=VALUE", param_hint="--set")
        names[name] = value
    return names


def told_errors(file: str, error: EnvironmentFileInvalid) -> str:
    """Say what is wrong with a file."""
    count = len(error.errors)
    return f"{file} has {count} error{'s' * (count > 1)}; nothing was changed\n{error}"


def _hand_out(applied: Applied, secrets_file: Path | None) -> None:
    """Print the issuer; write new secrets to the file, or print them without one or when writing fails."""
    issuer = f"{applied.base_url}/{applied.environment.id}/as"
    click.echo(f"issuer {issuer}")
    failure: Exception | None = None
    if secrets_file is not None:
        try:
            write_secrets(secrets_file, applied, issuer)
        except (OSError, SecretsFileInvalid) as error:
            failure = error
        else:
            return
    for issued in applied.secrets:
        owner = issued.owner
        click.echo(f"{owner.kind} {owner.name}: id {owner.id}, secret {issued.text} (shown only now)")
    if failure:
        raise click.ClickException(
            f"the environment was changed, but {secrets_file} was not written: {failure}"
        ) from failure


def write_secrets(path: Path, applied: Applied, issuer: str) -> None:
    """Write the ids of resources and agents and the secrets known so far, with mode 0600, atomically.

    Raises `SecretsFileInvalid` or `OSError`.
    """
    known = {**_read_secrets(path), **{issued.owner.id: issued.text for issued in applied.secrets}}
    content: dict[str, Any] = {
        "environment": {"id": applied.environment.id, "name": applied.environment.name},
        "issuer": issuer,
    }
    for kind, member in _MEMBERS.items():
        content[member] = {
            row.name: {"id": row.id} | ({"secret": known[row.id]} if row.id in known else {})
            for row in applied.objects
            if row.kind == kind
        }
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _read_secrets(path: Path) -> Mapping[str, str]:
    """Return the secrets that an earlier run wrote, by the id of their owner.

    Only their digests are stored elsewhere, so they must not get lost.
    """
    if not path.exists():
        return {}
    try:
        content = strict_json.loads(path.read_bytes())
    except strict_json.JsonError as error:
        raise SecretsFileInvalid(f"it exists and is not JSON: {error}") from error
    if not isinstance(content, Mapping) or "issuer" not in content:
        raise SecretsFileInvalid("it exists and was not written by deputize apply")
    objects = (content.get(member) for member in _MEMBERS.values())
    entries = (
        entry
        for named in objects
        if isinstance(named, Mapping)
        for entry in named.values()
        if isinstance(entry, Mapping)
    )
    return {
        str(entry["id"]): str(entry["secret"]) for entry in entries if "id" in entry and "secret" in entry
    }
