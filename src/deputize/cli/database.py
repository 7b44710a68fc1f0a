"""The option that tells where the authority's data are, the same for every command that needs them."""

from pathlib import Path

import click

from deputize.authority.storage import sqlite_url


class DatabaseUrl(click.ParamType[str]):
    """A folder, or the URL of a PostgreSQL database; becomes a database URL either way."""

    name = "FOLDER|URL"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's signature
        """The database URL for what was typed."""
        text = str(value)
        return text if "://" in text else sqlite_url(Path(text))


DATA = click.option(
    "--data",
    "database_url",
    type=DatabaseUrl(),
    default="data",
    show_default=True,
    envvar="DEPUTIZE_DATA",
    help="Folder of the database, or postgresql://user@host/name; also taken from DEPUTIZE_DATA.",
)
