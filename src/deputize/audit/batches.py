"""Writing records in batches, off the request path.

Choice of failure: traffic goes on when records cannot be written. What cannot be written is kept and tried again, up to
the capacity; beyond it new records are dropped and counted. The log says so once when it begins and once when it ends.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

import structlog

from deputize.audit.records import AuditEvent

log = structlog.get_logger()

_AT_ONCE: Final = 256
"""Events rendered in one go: about a millisecond, so that no request waits longer for the event loop."""

Write = Callable[[bytes], int]
"""Writes as much as it can, returns how many bytes that was, raises `OSError`. Called in a thread."""


@dataclass(frozen=True, slots=True)
class Buffering:
    """How many records wait at most, and how many seconds they wait for others."""

    capacity: int = 100_000
    interval: float = 0.1


class Batch:
    """Records waiting for one destination."""

    def __init__(self, destination: str, write: Write, thread: Executor, buffering: Buffering, line: Callable[[AuditEvent], str]) -> None:
        """`destination` names the target in the log; `line` turns an event into one line of ASCII; `thread` runs `write`."""
        self._destination = destination
        self._write = write
        self._thread = thread
        self._buffering = buffering
        self._line = line
        self._events: deque[AuditEvent] = deque()
        self._unwritten = b""
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._failing = False
        self._reported = False
        self._lost = 0

    def add(self, event: AuditEvent) -> None:
        """Keep `event` for the next batch. Needs a running event loop."""
        if len(self._events) >= self._buffering.capacity:
            self._lose()
            return
        self._events.append(event)
        if self._writing is None:
            self._expect_write()

    async def close(self) -> None:
        """Write what waits; what still cannot be written is lost and counted in the log."""
        if self._writing is not None:
            await self._writing
        self._cancel_timer()
        while self._events or self._unwritten:
            await self._write_once()
            if self._failing:
                log.error("audit records are lost at the end", destination=self._destination, records=len(self._events) + self._lost)
                break

    def _expect_write(self) -> None:
        if self._timer is None:
            self._schedule(self._buffering.interval)
        elif len(self._events) == _AT_ONCE and not self._failing:
            self._schedule(0)

    def _schedule(self, delay: float) -> None:
        self._cancel_timer()
        self._timer = asyncio.get_running_loop().call_later(delay, self._begin)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        self._timer = None
        self._writing = asyncio.get_running_loop().create_task(self._write_once())
        self._writing.add_done_callback(self._finish)

    def _finish(self, _: "asyncio.Task[None]") -> None:
        self._writing = None
        if self._events or self._unwritten:
            self._schedule(self._buffering.interval if self._failing or len(self._events) < _AT_ONCE else 0)

    async def _write_once(self) -> None:
        if not self._unwritten:
            self._unwritten = self._rendered()
        try:
            written = await asyncio.get_running_loop().run_in_executor(self._thread, self._write, self._unwritten)
        except OSError as error:
            self._fail(error)
            return
        self._unwritten = self._unwritten[written:]
        self._recover()

    def _rendered(self) -> bytes:
        count = min(len(self._events), _AT_ONCE)
        return "".join([self._line(self._events.popleft()) + "\n" for _ in range(count)]).encode("ascii")

    def _lose(self) -> None:
        if not self._lost:
            log.error("the audit buffer is full: records are dropped", destination=self._destination, capacity=self._buffering.capacity)
        self._reported = True
        self._lost += 1

    def _fail(self, error: OSError) -> None:
        if not self._reported:
            log.error("audit records cannot be written and are kept", destination=self._destination, error=error.strerror or str(error))
        self._failing = self._reported = True

    def _recover(self) -> None:
        self._failing = False
        if self._reported and not self._events:
            log.warning("audit records are written again", destination=self._destination, dropped=self._lost)
            self._reported, self._lost = False, 0
