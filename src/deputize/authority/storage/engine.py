"""How the rest of this package reaches a database: statements to read with, and functions that write in one transaction."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Row
from sqlalchemy.sql import Select

from deputize.kernel.errors import DeputizeError

T = TypeVar("T")


class StorageError(DeputizeError):
    """The database cannot be opened or used; the message says what an operator can do."""


class Database(Protocol):
    """One database, whichever kind."""

    async def rows(self, statement: Select[Any], parameters: Mapping[str, object]) -> Sequence[Row[Any]]:
        """Everything `statement` selects, as committed when this was called."""
        ...

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, once all it wrote is committed and durable; if it raises, nothing was written."""
        ...

    async def close(self) -> None:
        """Let go of every connection; writes already under way are finished first."""
        ...
