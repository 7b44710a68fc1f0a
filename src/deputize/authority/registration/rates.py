"""How often clients may register: in this process, by where they are and all together."""

from typing import Final, NamedTuple

from deputize.kernel.bounded_memory import BoundedMemory

MAX_SOURCES: Final = 4096


class Allowance(NamedTuple):
    """So many at once, and then one in so many seconds."""

    at_once: int
    seconds: float


SOURCE_ALLOWANCE: Final = Allowance(30, 10.0)
"""For one network; an office behind one address is one."""
OVERALL_ALLOWANCE: Final = Allowance(120, 1.0)
"""For everybody: what is stored, and read again by every server, stays within bounds."""


class Rates:
    """When each source may come again: one number a source, however often it comes."""

    def __init__(self, rate: Allowance) -> None:
        self._rate = rate
        # When a source that comes no more may come as often as one that never came.
        self._rested_at: BoundedMemory[str, float] = BoundedMemory(MAX_SOURCES)

    def admit(self, source: str, now: float) -> bool:
        """Whether the source may come now; then it has come."""
        rested_at = max(self._rested_at.get(source, now), now) + self._rate.seconds
        if rested_at - now > self._rate.at_once * self._rate.seconds:
            return False
        self._rested_at.remember(source, rested_at)
        return True
