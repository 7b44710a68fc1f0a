"""Writes events of the authority where people search them: in batches, a moment later, in nobody's way."""

import asyncio
from collections import deque
from itertools import islice
from typing import Final

import structlog

from deputize.authority.activities.reading import activity_of
from deputize.authority.audit import Event
from deputize.authority.directory.source import DirectorySource
from deputize.authority.storage.activities import Activity, SqlActivities
from deputize.kernel.errors import describe_failure

CAPACITY: Final = 20_000
"""Events that wait at most; more are dropped, and counted in the log. The audit file has them all."""
_AT_ONCE: Final = 500
"""Events of one write, which others wait for."""
_READ_AT_ONCE: Final = 50
"""Events made activities before others on the event loop have their turn."""
_PAUSE: Final = 0.5
"""Seconds between writes, so that events that come together are written together."""
_PAUSE_AFTER_FAILURE: Final = 5.0
_log = structlog.get_logger("deputize.authority")


class ActivityWriter:
    """Takes events, and writes them by and by."""

    def __init__(
        self, activities: SqlActivities, directory: DirectorySource, capacity: int = CAPACITY
    ) -> None:
        """Make it; `write_repeatedly` begins to write."""
        self._activities = activities
        self._directory = directory
        self._capacity = capacity
        self._waiting: deque[Event] = deque()
        self._ready: list[Activity] = []
        self._come = asyncio.Event()
        self._writing = asyncio.Lock()
        self.dropped = 0
        """Events that were dropped because too many waited."""
        self._is_reported = False

    def take(self, event: Event) -> None:
        """Take an event, or drop it where too many wait. Never raises, never waits."""
        if event.environment is None:
            return
        if len(self._waiting) >= self._capacity:
            self.dropped += 1
            if not self._is_reported:
                self._is_reported = True
                _log.error("events cannot be searched: too many wait to be written", waiting=self._capacity)
            return
        self._waiting.append(event)
        self._come.set()

    async def write_repeatedly(self) -> None:
        """Write what comes until cancelled."""
        while True:
            await self._come.wait()
            await asyncio.sleep(_PAUSE)
            try:
                await self.write_all()
            except Exception as error:  # noqa: BLE001 - whatever the store raises, the next time may succeed
                _log.error("events wait to be searched", **describe_failure(error))
                await asyncio.sleep(_PAUSE_AFTER_FAILURE)

    async def write_all(self) -> None:
        """Write all that waits now. Raises what the store raises; then what was not written still waits."""
        async with self._writing:
            self._come.clear()
            left = len(self._waiting)
            try:
                while self._ready or left > 0:
                    if not self._ready:
                        number = min(left, _AT_ONCE)
                        await self._read(number)
                        left -= number
                    await self._activities.add(self._ready)
                    self._ready = []
            except BaseException:
                self._come.set()
                raise
        if self._is_reported and len(self._waiting) < self._capacity // 2:
            self._is_reported = False
            _log.warning("events can be searched again", dropped=self.dropped)

    async def _read(self, number: int) -> None:
        """Make activities of the first events that wait; each keeps its id, however often it is written.

        One that cannot be read is left out, so that it does not keep back all that come after it.
        """
        environments = self._directory.current.environments
        ready: list[Activity] = []
        for place, event in enumerate(list(islice(self._waiting, number)), 1):
            environment = environments.get(event.environment or "")
            if environment is not None:
                try:
                    ready.append(activity_of(event, environment))
                except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the others are not
                    self.dropped += 1
                    _log.error("an event cannot be searched", about=event.name, **describe_failure(error))
            if place % _READ_AT_ONCE == 0:
                await asyncio.sleep(0)
        for _ in range(number):
            self._waiting.popleft()
        self._ready = ready
