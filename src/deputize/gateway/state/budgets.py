"""The port of budgets: what was spent today, counted exactly.

An amount is counted before the call that spends it is sent, and given back only when that call certainly did
not happen. So a budget is never exceeded, whatever runs beside it or dies in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Protocol

from deputize.kernel.errors import DeputizeError

MOST: Final = Decimal(10) ** 18
DIGITS: Final = 18
"""An amount is smaller than `MOST`, and has at most so many digits behind the point."""


class BudgetsUnavailable(DeputizeError):
    """Nobody can say what was spent. Says which file, and why."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call takes from a budget."""

    budget: str
    holder: str
    """Whose budget it is."""
    day: date
    amount: Decimal
    """From 0 to below `MOST`."""
    limit: Decimal
    """What may be spent in a day."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """What was counted for a call, or which budgets do not allow it: then nothing was counted."""

    charges: tuple[Charge, ...]
    exceeded: tuple[str, ...] = ()


class Budgets(Protocol):
    """The port: keeps what was spent."""

    async def spent(self, charges: Sequence[Charge]) -> Sequence[Decimal]:
        """Return what was spent of the budget of each charge. Raises `BudgetsUnavailable`."""
        ...

    async def reserve(self, charges: Sequence[Charge]) -> Reservation:
        """Count all of `charges`, or none where one exceeds its limit. Raises `BudgetsUnavailable`.

        Each is of another budget.
        """
        ...

    async def release(self, reservation: Reservation) -> None:
        """Give back what was counted, once: the call did not happen. Raises `BudgetsUnavailable`."""
        ...
