"""SQLite in write-ahead-log mode: reads on the event loop's thread, writes in a thread of their own.

A read takes SQLite some ten microseconds, and readers never wait for the writer, so handing it to a thread
would cost many times what it saves; it runs on the event loop's thread. A write waits for the disk
(`synchronous=FULL`), so it runs in the writer's thread. Writes that arrive while the disk is busy are
committed together, each in a savepoint of its own.
"""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, Generic, TypeVar, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool
from sqlalchemy.sql import Select

from deputize.authority.storage.engine import (
    DatabaseMissing,
    StorageError,
    StorageUnavailable,
    translate_errors,
)

T = TypeVar("T")

BUSY_TIMEOUT_MS = 5000
MAX_BATCH = 128
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    f"busy_timeout={BUSY_TIMEOUT_MS}",
    "trusted_schema=OFF",
)
_STATEMENT_ERRORS = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.NotSupportedError,
    sqlite3.ProgrammingError,
)
"""Errors of a statement or its values; the last one also of a connection that is closed."""


def open_engine(path: Path, *, creates: bool = True) -> Engine:
    """An engine over the file at `path`, which is created readable by its owner alone.

    Raises `StorageError`; where there is no file and `creates` is false, `DatabaseMissing`.
    """
    try:
        if creates:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if creates else 0) | os.O_CLOEXEC, 0o600)
        os.fchmod(descriptor, 0o600)
        os.close(descriptor)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not creates:
            raise DatabaseMissing(path) from error
        raise StorageError(
            f"cannot use {path}: {error.strerror}; name a folder that this user may write with --data"
        ) from error
    url, options = URL.create("sqlite", database=str(path)), {"check_same_thread": False}
    # Errors end up in the log, where the values that they are about must not.
    engine = create_engine(url, poolclass=NullPool, connect_args=options, hide_parameters=True)
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@contextlib.contextmanager
def immediate(connection: Connection) -> Generator[None]:
    """One transaction that takes the write lock at once: two processes queue instead of failing half-way."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        yield
        connection.exec_driver_sql("COMMIT")
    except BaseException:
        # A full disk has rolled back by itself; then there is nothing left to roll back, and the first error
        # counts.
        with contextlib.suppress(OperationalError):
            connection.exec_driver_sql("ROLLBACK")
        raise


def autocommit(engine: Engine) -> Connection:
    """A connection on which only this module says when a transaction begins."""
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


@dataclass(frozen=True, slots=True)
class PreparedStatement:
    """A statement compiled for SQLite's driver, which SQLAlchemy would look up and bind anew at each use.

    The state of a token takes 26 us this way and 111 us through `Connection.execute`.
    """

    sql: str
    names: tuple[str, ...]
    """Of the parameters, in their order."""
    values: Mapping[str, object]
    """Those that the statement brings along."""
    converters: tuple[tuple[int, Callable[[Any], Any]], ...]
    """Place of a column, and what makes a value of its type from what the driver gives."""

    def rows(
        self, connection: sqlite3.Connection, parameters: Mapping[str, object]
    ) -> Sequence[Sequence[Any]]:
        """Everything the statement selects. Raises `sqlite3.Error`."""
        given = {**self.values, **parameters}
        rows = connection.execute(self.sql, [given[name] for name in self.names]).fetchall()
        if not self.converters:
            return rows
        converted: list[list[Any]] = []
        for row in rows:
            values = list(row)
            for place, convert in self.converters:
                values[place] = convert(values[place])
            converted.append(values)
        return converted


_DIALECT: Final = SQLiteDialect_pysqlite()
"""Of every file, so that what is compiled for one is not compiled again for another."""


@lru_cache(maxsize=128)
def prepare(statement: Select[Any]) -> PreparedStatement:
    """The statement in the driver's own words; parameters are texts and numbers, which need no conversion."""
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    converters = [
        (place, convert)
        for place, column in enumerate(statement.exported_columns)
        if (convert := column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None))
    ]
    values = dict(compiled.params)
    for bind, name in compiled.bind_names.items():
        if convert := bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT):
            values[name] = convert(values[name])
    return PreparedStatement(str(compiled), tuple(compiled.positiontup or ()), values, tuple(converters))


class SqliteDatabase:
    """A `Database` in one file."""

    is_at_hand = True

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = autocommit(engine)
        self._reader.exec_driver_sql("PRAGMA query_only=ON")
        self._driver = cast("sqlite3.Connection", self._reader.connection.driver_connection)
        self._writer = Writer(autocommit(engine))

    async def rows(self, statement: Select[Any], parameters: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        """Everything `statement` selects, as committed when this was called. Raises `StorageUnavailable`."""
        prepared = prepare(statement)
        try:
            return prepared.rows(self._driver, parameters)
        except sqlite3.Error as error:
            raise self._translate(error) from error

    def data_version(self) -> int:
        """A number that changes with every commit, of this process's writer or of another process.

        Asking takes 5 us: SQLite looks at its index of the log, which all processes share in memory.
        """
        try:
            return self._driver.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error as error:
            raise self._translate(error) from error

    def _translate(self, error: sqlite3.Error) -> Exception:
        """What a caller is told: errors of a statement or its values stay what they are."""
        if isinstance(error, _STATEMENT_ERRORS) and not self._reader.closed:
            return error
        return StorageUnavailable(f"the database does not answer: {type(error).__name__}")

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, once all it wrote is committed and durable.

        If it raises, nothing was written.
        """
        with translate_errors():
            return await asyncio.wrap_future(self._writer.submit(work))

    async def close(self) -> None:
        """Let go of every connection; writes already under way are finished first."""
        await asyncio.to_thread(self._writer.close)
        self._reader.close()
        self._engine.dispose()


@dataclass(frozen=True, slots=True)
class _Write(Generic[T]):
    work: Callable[[Connection], T]
    future: Future[T]

    def attempt(self, connection: Connection) -> Callable[[], None]:
        """Do the work in a savepoint; what to tell the caller once the transaction around it is durable."""
        connection.exec_driver_sql("SAVEPOINT one_write")
        try:
            answer = partial(self.future.set_result, self.work(connection))
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
            connection.exec_driver_sql("ROLLBACK TO one_write")
            answer = partial(self.future.set_exception, error)
        connection.exec_driver_sql("RELEASE one_write")
        return answer


class Writer:
    """The one thread that writes; a write whose caller went away is carried out, wholly or not at all."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._queue: SimpleQueue[_Write[Any] | None] = SimpleQueue()
        self._thread = Thread(target=self._serve, name="deputize-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """Queue a write; the future is done when it is durable."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # from here on nobody can take it back
        self._queue.put(_Write(work, future))
        return future

    def close(self) -> None:
        """Finish what is queued, end the thread, close the connection."""
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _serve(self) -> None:
        """Write batch by batch until `close` is called; what the thread runs."""
        while (first := self._queue.get()) is not None:
            self._commit(self._batch(first))

    def _batch(self, first: _Write[Any]) -> list[_Write[Any]]:
        """`first` and what waits behind it, at most `MAX_BATCH`."""
        batch = [first]
        with contextlib.suppress(Empty):
            while len(batch) < MAX_BATCH and (following := self._queue.get_nowait()) is not None:
                batch.append(following)
            if len(batch) < MAX_BATCH:
                self._queue.put(None)  # the request to end was among them: keep it for afterwards
        return batch

    def _commit(self, batch: list[_Write[Any]]) -> None:
        """Do all of them in one transaction, and tell each caller when it is durable or why it is not."""
        try:
            with immediate(self._connection):
                answers = [write.attempt(self._connection) for write in batch]
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
            answers = [partial(write.future.set_exception, error) for write in batch]
        for answer in answers:
            answer()
