"""Budgets in a file of this machine, which its gateways share."""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from decimal import Context, Decimal, Inexact
from pathlib import Path
from typing import Final, TypeVar

from deputize.gateway.state.budgets import BudgetsUnavailable, Charge, Reservation

Outcome = TypeVar("Outcome")
_EXACT: Final = Context(prec=64, traps=[Inexact])
_KEPT: Final = timedelta(days=3)
"""How long days are kept: longer than the same day lasts in all time zones."""
_PATIENCE: Final = 5.0
"""Seconds to wait for another process that writes."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS spending (
    day TEXT NOT NULL,
    budget TEXT NOT NULL,
    holder TEXT NOT NULL,
    amount TEXT NOT NULL,
    PRIMARY KEY (day, budget, holder)
) WITHOUT ROWID
"""
_READ: Final = "SELECT amount FROM spending WHERE day = ? AND budget = ? AND holder = ?"
_WRITE: Final = "INSERT OR REPLACE INTO spending (day, budget, holder, amount) VALUES (?, ?, ?, ?)"


class SqliteBudgets:
    """Reads and counts in one thread, in transactions that no other process comes between."""

    def __init__(self, path: Path) -> None:
        """Open the file when it is first used: who only checks a configuration makes none.

        Raises `BudgetsUnavailable` where it could not be used.
        """
        self._path = path
        self._thread = ThreadPoolExecutor(1, "budgets")
        self._opened: sqlite3.Connection | None = None
        existing = next(each for each in (path, *path.parents) if each.exists())
        if existing.is_file() is not (existing == path) or not os.access(existing, os.W_OK):
            raise BudgetsUnavailable(f"{path} cannot be used: {existing} cannot be written to")

    async def spent(self, charges: Sequence[Charge]) -> Sequence[Decimal]:
        """Return what was spent of the budget of each charge. Raises `BudgetsUnavailable`."""
        return await self._run(lambda: [self._read(each) for each in charges])

    async def reserve(self, charges: Sequence[Charge]) -> Reservation:
        """Count all of `charges`, or none where one exceeds its limit. Raises `BudgetsUnavailable`.

        Each is of another budget.
        """

        def count() -> Reservation:
            totals = [_EXACT.add(self._read(each), each.amount) for each in charges]
            exceeded = tuple(
                each.budget for each, total in zip(charges, totals, strict=True) if total > each.limit
            )
            if exceeded:
                return Reservation((), exceeded)
            for each, total in zip(charges, totals, strict=True):
                self._write(each, total)
                self._connection.execute(
                    "DELETE FROM spending WHERE day < ?", ((each.day - _KEPT).isoformat(),)
                )
            return Reservation(tuple(charges))

        return await self._run(lambda: self._in_transaction(count))

    async def release(self, reservation: Reservation) -> None:
        """Give back what was counted, once: the call did not happen. Raises `BudgetsUnavailable`."""

        def give_back() -> None:
            for each in reservation.charges:
                self._write(each, max(Decimal(0), _EXACT.subtract(self._read(each), each.amount)))

        if reservation.charges:
            await self._run(lambda: self._in_transaction(give_back))

    async def close(self) -> None:
        """Close the file after what is under way."""
        if self._opened is not None:
            await self._run(self._opened.close)
        self._thread.shutdown(wait=False)

    @property
    def _connection(self) -> sqlite3.Connection:
        """The connection, in the thread; the file is made where there is none."""
        if self._opened is None:
            self._path.parent.mkdir(0o700, parents=True, exist_ok=True)
            self._path.touch(0o600)
            opened = sqlite3.connect(
                self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
            )
            try:
                opened.execute("PRAGMA journal_mode = WAL")
                opened.execute("PRAGMA synchronous = FULL")  # what is counted outlasts a power cut
                opened.execute(_SCHEMA)
            except sqlite3.Error:
                opened.close()
                raise
            self._opened = opened
        return self._opened

    async def _run(self, act: Callable[[], Outcome]) -> Outcome:
        """Do it in the thread, to its end, also when who asked for it has gone."""
        try:
            return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, act))
        except (sqlite3.Error, OSError, RuntimeError, Inexact) as error:
            raise BudgetsUnavailable(f"{self._path} cannot be used: {error}") from error

    def _in_transaction(self, act: Callable[[], Outcome]) -> Outcome:
        # what is read is not changed by others until it is written
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            outcome = act()
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
        return outcome

    def _read(self, charge: Charge) -> Decimal:
        key = (charge.day.isoformat(), charge.budget, charge.holder)
        row = self._connection.execute(_READ, key).fetchone()
        return Decimal(row[0]) if row else Decimal(0)

    def _write(self, charge: Charge, total: Decimal) -> None:
        self._connection.execute(_WRITE, (charge.day.isoformat(), charge.budget, charge.holder, f"{total:f}"))
