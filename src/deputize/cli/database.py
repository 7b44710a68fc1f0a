"""The options that tell where the authority's data and audit files are, the same for every command that needs
them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from deputize.authority.storage import data_folder, sqlite_url

AUDIT_FOLDER: Final = "audit"
CommandT = TypeVar("CommandT", bound=Callable[..., Any])
_META: Final = "deputize.audit"


class DatabaseUrl(click.ParamType[str]):
    """A folder, or the URL of a PostgreSQL database; becomes a database URL either way."""

    name = "FOLDER|URL"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's signature
        """The database URL for what was typed."""
        text = str(value)
        return text if "://" in text else sqlite_url(Path(text))


_DATA = click.option(
    "--data",
    "database_url",
    type=DatabaseUrl(),
    default="data",
    show_default=True,
    envvar="DEPUTIZE_DATA",
    help="Folder of the database, or postgresql://user@host/name; also taken from DEPUTIZE_DATA.",
)


def _remember(context: click.Context, _parameter: click.Parameter, folder: Path | None) -> None:
    context.meta[_META] = folder


_AUDIT = click.option(
    "--audit",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="DEPUTIZE_AUDIT",
    expose_value=False,
    callback=_remember,
    help="Folder of authority.audit.json, the record of everything that is done; also taken from "
    "DEPUTIZE_AUDIT. "
    "Default: audit in the data folder; with PostgreSQL, data/audit.",
)


def DATA(command: CommandT) -> CommandT:  # noqa: N802 - used like the options beside it
    """The options `--data`, passed on as `database_url`, and `--audit`, which `audit_directory` knows."""
    return _DATA(_AUDIT(command))


def audit_directory(database_url: str) -> Path:
    """Where the command under way finds audit files."""
    given: Path | None = click.get_current_context().meta.get(_META)
    if given is not None:
        return given
    return (data_folder(database_url) or Path("data")) / AUDIT_FOLDER
