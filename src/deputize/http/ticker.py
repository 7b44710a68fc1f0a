"""One timer for many connections."""

import asyncio
from collections.abc import Callable


class Ticker:
    """Calls `tick` with the loop's time every `interval` seconds while it runs.

    Deadlines here are coarse on purpose: connections are looked at, instead of each request starting and
    stopping timers.
    """

    __slots__ = ("_handle", "_interval", "_loop", "_tick")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, interval: float, tick: Callable[[float], None]
    ) -> None:
        """Stopped until `start`."""
        self._loop = loop
        self._interval = interval
        self._tick = tick
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Tick from now on, if it does not already."""
        if self._handle is None:
            self._handle = self._loop.call_later(self._interval, self._run)

    def stop(self) -> None:
        """Tick no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _run(self) -> None:
        self._handle = self._loop.call_later(self._interval, self._run)
        self._tick(self._loop.time())


class Silence:
    """How long a connection has shown the same face: what it waits for, and how far it got."""

    __slots__ = ("_since", "_state")

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._state: tuple[object, int] | None = None
        self._since = 0.0

    def lasts(self, state: tuple[object, int], now: float) -> float:
        """Seconds since `state` was first seen without another in between; right to one tick."""
        if state != self._state:
            self._state = state
            self._since = now
        return now - self._since
