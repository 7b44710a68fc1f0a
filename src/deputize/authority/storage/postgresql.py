"""PostgreSQL, for more than one server at a time: a pool of asynchronous connections."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.sql import Select

from deputize.authority.storage.engine import translate_errors
from deputize.authority.storage.migrations import migrate

T = TypeVar("T")

_MIGRATION_LOCK = text("SELECT pg_advisory_xact_lock(7233478)")
"""Any fixed number: servers that start together migrate one after another."""


class PostgresqlDatabase:
    """A `Database` on a server.

    Writes run at READ COMMITTED: a conditional update waits for the row and looks again.
    """

    is_at_hand = False

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def rows(self, statement: Select[Any], parameters: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        """Everything `statement` selects, as committed when this was called. Raises `StorageUnavailable`.

        What PostgreSQL takes for no value of a column, such as a text with U+0000, is stored nowhere: writes
        refuse it, so a search for it finds nothing, as in SQLite.
        """
        with translate_errors():
            async with self._reader.connect() as connection:
                try:
                    return (await connection.execute(statement, parameters)).all()
                except DataError:
                    return ()

    def data_version(self) -> None:
        """Nothing: the server would have to be asked, as for the rows themselves."""

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, once all it wrote is committed and durable; if it raises, nothing was written.

        Raises `StorageUnavailable`.
        """
        with translate_errors():
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._engine.dispose()


async def open_postgresql(url: URL, *, creates: bool = True) -> PostgresqlDatabase:
    """The database at `url`, migrated to this version.

    Raises `StorageError`, `sqlalchemy.exc.DBAPIError`, and `ModuleNotFoundError` without the driver.
    """
    engine = create_async_engine(url, pool_pre_ping=True, hide_parameters=True)
    try:
        async with engine.begin() as connection:
            await connection.execute(_MIGRATION_LOCK)
            await connection.run_sync(partial(migrate, creates=creates))
    except BaseException:
        await engine.dispose()
        raise
    return PostgresqlDatabase(engine)
