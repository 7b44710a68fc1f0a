"""The few statements that SQLite and PostgreSQL spell alike but SQLAlchemy keeps in two places."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table, Update
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


def won(connection: Connection, statement: Update) -> bool:
    """Whether a conditional update found the one row it was for.

    A single statement, so of two callers one wins.
    """
    return connection.execute(statement).rowcount == 1


def upsert(connection: Connection, table: Table, row: Mapping[str, object]) -> None:
    """Insert `row`, or overwrite the one with its primary key."""
    statement = _insert(connection, table).values(row)
    keys = [column.name for column in table.primary_key]
    overwritten = {name: statement.excluded[name] for name in row if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=overwritten))


def insert_if_absent(connection: Connection, table: Table, row: Mapping[str, object]) -> bool:
    """Insert `row` unless one with its key stands; whether it was inserted."""
    # PostgreSQL's driver does not count the rows of an insert.
    inserted = (
        _insert(connection, table)
        .values(row)
        .on_conflict_do_nothing()
        .returning(table.primary_key.columns[0])
    )
    return connection.execute(inserted).first() is not None


def _insert(connection: Connection, table: Table) -> "postgresql.Insert | sqlite.Insert":
    if connection.dialect.name == "postgresql":
        # A tenth of a second to import, which a start on SQLite does not need to take.
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415

        return postgresql.insert(table)
    return sqlite.insert(table)
