"""SQLite databases for tests: the tables are made once a process and copied."""

import tempfile
from functools import cache
from pathlib import Path

from deputize.authority.storage import sqlite_url
from deputize.authority.storage.migrations import migrate
from deputize.authority.storage.sqlite import autocommit, immediate, open_engine
from deputize.authority.storage.store import FILE_NAME


def new_database(folder: Path) -> str:
    """Return the URL of a new database in `folder` that has its tables and nothing in them."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / FILE_NAME).write_bytes(_empty())
    return sqlite_url(folder)


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / FILE_NAME
        engine = open_engine(file)
        with autocommit(engine) as connection, immediate(connection):
            migrate(connection)
        engine.dispose()
        return file.read_bytes()
