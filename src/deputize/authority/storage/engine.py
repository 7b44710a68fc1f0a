"""How the rest of this package reaches a database.

Statements to read with, and functions that write in one transaction.
"""

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Row
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

T = TypeVar("T")


class StorageError(DeputizeError):
    """The database cannot be opened or used; the message says what an operator can do."""


class StorageUnavailable(StorageError):
    """The database does not answer now, or cannot write; it may again in a while."""


@contextlib.contextmanager
def telling_unavailability() -> Generator[None]:
    """Raise `StorageUnavailable` for what the database or the way to it is to blame for, not the statement or
    its values.
    """
    try:
        yield
    except (ProgrammingError, IntegrityError, DataError, NotSupportedError):
        raise
    except (DBAPIError, PoolTimeout, ResourceClosedError) as error:
        raise StorageUnavailable(f"the database does not answer: {type(error).__name__}") from error


class Database(Protocol):
    """One database, whichever kind."""

    async def rows(self, statement: Select[Any], parameters: Mapping[str, object]) -> Sequence[Row[Any]]:
        """Everything `statement` selects, as committed when this was called. Raises `StorageUnavailable`."""
        ...

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, once all it wrote is committed and durable; if it raises, nothing was written.

        Raises `StorageUnavailable`.
        """
        ...

    async def close(self) -> None:
        """Let go of every connection; writes already under way are finished first."""
        ...
