"""How the rest of this package reaches a database: statements that read, functions that write.

Also the few statements that SQLite and PostgreSQL spell alike but SQLAlchemy keeps in two places.
"""

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import Connection, Table, Update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    ResourceClosedError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.sql import Select

from deputize.kernel.errors import DeputizeError

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

T = TypeVar("T")


class StorageError(DeputizeError):
    """The database cannot be opened or used; the message says what an operator can do."""


class DatabaseMissing(StorageError):
    """There is no database of an authority, and none was to be made."""

    def __init__(self, place: object) -> None:
        """`place` is a file, or a URL without its password."""
        super().__init__(
            f"there is no database of an authority at {place}; name with --data the folder or the URL that "
            "`deputize apply` and `deputize authority serve` were given"
        )


class StorageUnavailable(StorageError):
    """The database does not answer now, or cannot write; it may again in a while."""


@contextlib.contextmanager
def translate_errors() -> Generator[None]:
    """Raise `StorageUnavailable` for what the database or the way to it is to blame for.

    Errors of a statement or its values stay what they are.
    """
    try:
        yield
    except (ProgrammingError, IntegrityError, DataError, NotSupportedError):
        raise
    except (DBAPIError, PoolTimeout, ResourceClosedError) as error:
        raise StorageUnavailable(f"the database does not answer: {type(error).__name__}") from error


class Database(Protocol):
    """One database, whichever kind."""

    is_at_hand: bool
    """Whether `rows` never waits."""

    async def rows(self, statement: Select[Any], parameters: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        """Everything `statement` selects, as committed when this was called.

        `parameters` are the values of its `bindparam`s. Raises `StorageUnavailable`.
        """
        ...

    def data_version(self) -> int | None:
        """A number that is another one whenever anybody committed since it was last asked for.

        So what was read between two equal answers is what a read would give now. `None` where it would take
        as long as a read. Raises `StorageUnavailable`.
        """
        ...

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, once all it wrote is committed and durable; if it raises, nothing was written.

        Raises `StorageUnavailable`.
        """
        ...

    async def close(self) -> None:
        """Let go of every connection; writes already under way are finished first."""
        ...


def wins(connection: Connection, statement: Update) -> bool:
    """Whether a conditional update finds the one row it is for: a single statement, so of two callers one."""
    return connection.execute(statement).rowcount == 1


def upsert(connection: Connection, table: Table, row: Mapping[str, object]) -> None:
    """Insert `row`, or overwrite the one with its primary key."""
    statement = insert_for(connection, table).values(row)
    keys = [column.name for column in table.primary_key]
    overwritten = {name: statement.excluded[name] for name in row if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=overwritten))


def insert_if_absent(connection: Connection, table: Table, row: Mapping[str, object]) -> bool:
    """Insert `row` unless there is one with its key; whether it was inserted."""
    statement = insert_for(connection, table).values(row).on_conflict_do_nothing()
    # PostgreSQL's driver does not count the rows of an insert.
    return connection.execute(statement.returning(table.primary_key.columns[0])).first() is not None


def insert_all_if_absent(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert each of `rows` unless there is one with its key."""
    if rows:
        connection.execute(insert_for(connection, table).on_conflict_do_nothing(), rows)


def insert_for(connection: Connection, table: Table) -> "postgresql.Insert | sqlite.Insert":
    """Return an insert that can say what to do where there is a row with the key."""
    if connection.dialect.name == "postgresql":
        # A tenth of a second to import, which a start on SQLite does not need to take.
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415

        return postgresql.insert(table)
    return sqlite.insert(table)
