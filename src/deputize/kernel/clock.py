"""The only place that reads the wall clock; everything else is handed a `Clock`."""

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time as seconds since 1970-01-01T00:00:00Z."""

    def now(self) -> float:
        """Return the current time in seconds since the epoch."""
        ...


class SystemClock:
    """The operating system's clock."""

    now = staticmethod(time.time)  # noqa: TID251 - this is the one place
    """Return the current time in seconds since the epoch. Nothing around it, for every call asks."""
