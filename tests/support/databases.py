"""SQLite databases for tests: what takes long to make is made once a process and copied."""

import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.pool import NullPool

from deputize.authority.storage import sqlite, sqlite_url, store
from deputize.authority.storage.migrations import migrate
from deputize.authority.storage.sqlite import autocommit, immediate, open_engine
from deputize.authority.storage.store import FILE_NAME

T = TypeVar("T")
_prepared: dict[tuple[object, ...], tuple[bytes, Any]] = {}


def new_database(folder: Path) -> str:
    """Return the URL of a new database in `folder` that has its tables and nothing in them."""
    return copy_database(_empty(), folder)


def copy_database(content: bytes, folder: Path) -> str:
    """Return the URL of a database in `folder` with this content."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / FILE_NAME).write_bytes(content)
    return sqlite_url(folder)


async def prepared_database(
    key: tuple[object, ...], folder: Path, prepare: Callable[[Path], Awaitable[T]]
) -> tuple[str, T]:
    """Return the URL of a database in `folder`, and what the first one with this `key` was prepared with.

    `prepare` fills a folder's database and leaves it closed; it is called once a process.
    """
    if key not in _prepared:
        with tempfile.TemporaryDirectory() as temporary:
            told = await prepare(Path(temporary))
            _prepared[key] = (Path(temporary, FILE_NAME).read_bytes(), told)
    content, told = _prepared[key]
    return copy_database(content, folder), told


def make_tables_by_copying() -> None:
    """Let new SQLite files get the tables that the migrations make, not the migrations one by one."""

    def copy_or_migrate(connection: Connection, *, creates: bool = True) -> None:
        if not creates or connection.dialect.name != "sqlite" or inspect(connection).get_table_names():
            migrate(connection, creates=creates)
            return
        for statement in _statements():
            connection.exec_driver_sql(statement)

    store.migrate = copy_or_migrate


def share_compiled_statements() -> None:
    """Let all SQLite databases of this process remember compiled statements together.

    SQLAlchemy remembers them by engine, so that each test would compile all that it writes with anew.
    """
    create_engine = sqlite.create_engine

    @cache
    def first() -> Engine:
        engine = create_engine("sqlite://", poolclass=NullPool)
        engine.connect().close()  # by which it learns what SQLite this is
        return engine

    def create_sharing(*arguments: Any, **options: Any) -> Engine:
        engine = create_engine(*arguments, **options)
        engine.dialect, engine._compiled_cache = first().dialect, first()._compiled_cache
        return engine

    sqlite.create_engine = create_sharing


@cache
def _statements() -> tuple[str, ...]:
    made = sqlite3.connect(":memory:")
    content = _empty()
    made.deserialize(content[:18] + b"\1\1" + content[20:])  # memory has no write-ahead log
    statements = tuple(each for each in made.iterdump() if each not in {"BEGIN TRANSACTION;", "COMMIT;"})
    made.close()
    return statements


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / FILE_NAME
        engine = open_engine(file)
        with autocommit(engine) as connection, immediate(connection):
            migrate(connection)
        engine.dispose()
        return file.read_bytes()
