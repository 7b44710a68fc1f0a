"""Bring a database to the tables that this version of the program expects, whenever a store is opened."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from deputize.authority.storage.engine import DatabaseMissing, StorageError

HEAD = "0020"
"""The newest revision in `versions/`."""


def migrate(connection: Connection, *, creates: bool = True) -> None:
    """Apply the revisions that are missing, inside the caller's transaction.

    Raises `StorageError` on a newer database; on one without our tables, when `creates` is false,
    `DatabaseMissing`.
    """
    has_version = inspect(connection).has_table("alembic_version")
    current = connection.scalar(text("SELECT version_num FROM alembic_version")) if has_version else None
    if current == HEAD:
        return
    if current is None and not creates:
        raise DatabaseMissing(connection.engine.url.render_as_string(hide_password=True))
    # Alembic takes a quarter of a second to import, and nearly every start finds the database up to date.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    configuration.attributes["connection"] = connection
    try:
        command.upgrade(configuration, HEAD)
    except CommandError as error:
        raise StorageError(
            f"the database is at revision {current}, which this version of deputize does not know; use a "
            f"newer one"
        ) from error
