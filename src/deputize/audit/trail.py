"""The way of records to their destinations, and the state of these.

Records made within one turn of the event loop are written together at its end, with one write for each
destination. What must not happen before they are written, such as sending the last bytes of an answer, waits
with `Trail.hold` or `Trail.written`.

Choice of failure: traffic goes on when records cannot be written. What cannot be written is kept and tried
again, up to the capacity; beyond it new records are dropped and counted. The log says so once when it begins
and once when it ends. Whoever chose otherwise uses `Batch.commit`, which raises.
"""

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Final, NamedTuple

import structlog

from deputize.audit.records import Record

log = structlog.get_logger()

_AT_ONCE: Final = 256
"""The most records rendered and written in one go when many have waited.

About a millisecond, so that no request waits longer for the event loop.
"""
_SHORTEST_RETRY: Final = 0.01

Write = Callable[[bytes], int]
"""Writes as much as it can, returns how many bytes that was, raises `OSError`."""


@dataclass(slots=True)
class Tally:
    """What became of the records for one destination since the process began, over all its batches."""

    written: int = 0
    dropped: int = 0
    """Records that were lost, because too many waited or they could not be written at the end."""
    failures: int = 0
    """Attempts to write that failed."""


class Figures(NamedTuple):
    """The state of one destination."""

    destination: str
    tally: Tally
    waiting: int
    is_failing: bool


class Trail:
    """The audit of one process. Make one, and hand it to every sink."""

    def __init__(self) -> None:
        """Start with nothing recorded."""
        self._due: list[Callable[[], None]] = []
        self._held: list[Callable[[], None]] = []
        self._batches: list[Batch] = []
        self._tallies: dict[str, Tally] = {}

    def join(self, batch: "Batch") -> Tally:
        """Count `batch` in until it leaves, and return the tally that the batch updates."""
        self._batches.append(batch)
        return self.tally(batch.destination)

    def tally(self, destination: str) -> Tally:
        """Return the tally of a destination."""
        return self._tallies.setdefault(destination, Tally())

    def leave(self, batch: "Batch") -> None:
        """Count `batch` out."""
        self._batches.remove(batch)

    @property
    def is_failing(self) -> bool:
        """Whether some records cannot be written now."""
        return any(batch.is_failing for batch in self._batches)

    def figures(self) -> Iterator[Figures]:
        """Return the figures of every destination since the process began."""
        for destination, tally in self._tallies.items():
            batches = [batch for batch in self._batches if batch.destination == destination]
            waiting = sum(batch.waiting for batch in batches)
            yield Figures(destination, tally, waiting, any(batch.is_failing for batch in batches))

    def at_end_of_turn(self, flush: Callable[[], None]) -> None:
        """Call `flush`, which does not raise, when this turn of the event loop is over."""
        if not self._due:
            asyncio.get_running_loop().call_soon(self._end_turn)
        self._due.append(flush)

    def hold(self, then: Callable[[], None]) -> bool:
        """Call `then` after the writes of this turn.

        Returns `False`, without calling it, when nothing is to be written.
        """
        if self._due:
            self._held.append(then)
            return True
        return False

    async def written(self) -> None:
        """Wait until what was recorded so far is written, or has turned out not to be writable now."""
        written = asyncio.get_running_loop().create_future()
        if self.hold(lambda: None if written.done() else written.set_result(None)):
            await written

    def _end_turn(self) -> None:
        due, self._due = self._due, []
        due += self._held
        self._held.clear()
        for each in due:
            try:
                each()
            except Exception:
                log.exception("the audit, or what waited for it, failed")


@dataclass(frozen=True, slots=True)
class Buffering:
    """How many records at most wait when they cannot be written, and the seconds between attempts."""

    capacity: int = 100_000
    interval: float = 0.1


class NotKept(OSError):
    """A record is not written now, nor will it be later."""


class Durability(NamedTuple):
    """How written records get onto the disk."""

    syncing: Callable[[], Callable[[], None]]
    """Called on the event loop. What it returns is called in a thread and returns when the disk has the
    records, or raises `OSError`.
    """
    thread: Executor
    seconds: float = 10.0
    """The time that a record may take before the disk counts as broken."""


class Batch:
    """Records for one destination, in the order in which they were made."""

    def __init__(
        self,
        destination: str,
        write: Write,
        trail: Trail,
        buffering: Buffering,
        durability: Durability | None = None,
        line: Callable[[Record], str] = attrgetter("text"),
    ) -> None:
        """Name the target `destination` in the log; `line` turns a record into one line of ASCII."""
        self.destination = destination
        self._write = write
        self._line = line
        self._trail = trail
        self._capacity = buffering.capacity
        self._interval = buffering.interval
        self._durability = durability
        self._records: deque[Record] = deque()
        self._unwritten = b""
        self._retry: asyncio.Handle | None = None
        self._reported = False
        self._lost = 0
        self._unflushed: list[asyncio.Future[None]] = []
        self._unsynced: list[asyncio.Future[None]] = []
        self._sync: asyncio.Future[None] | None = None
        self.is_failing = False
        self._tally = trail.join(self)

    @property
    def waiting(self) -> int:
        """The number of records kept until they can be written."""
        return len(self._records) + self._unwritten.count(b"\n")

    def add(self, record: Record) -> None:
        """Write `record` at the end of this turn. Needs a running event loop."""
        records = self._records
        if records:
            if len(records) >= self._capacity:
                self._lose()
                return
        elif not self.is_failing:
            self._trail.at_end_of_turn(self._flush)
        records.append(record)

    async def commit(self, record: Record) -> None:
        """Write `record` and wait until the disk has it, together with others that come meanwhile.

        Needs `durability`. Raises `OSError` when the disk cannot take it now, and `NotKept` while that is
        known beforehand.
        """
        if self._durability is None or self.is_failing:
            raise NotKept(errno.EIO, "records cannot be brought onto the disk")
        if len(self._records) >= self._capacity:
            raise NotKept(errno.ENOBUFS, "as many records wait as the audit buffer holds")
        self.add(record)
        on_disk = asyncio.get_running_loop().create_future()
        self._unflushed.append(on_disk)
        try:
            async with asyncio.timeout(self._durability.seconds):
                await on_disk
        except TimeoutError:
            self._fail(OSError(errno.ETIMEDOUT, "the disk does not answer"))
            raise

    async def close(self) -> None:
        """Write what waits; what still cannot be written is lost, and counted in the log."""
        try:
            self._write_all()
        except OSError as error:
            self._fail(error)
        self._begin_sync()
        self._cancel_retry()
        if self._sync is not None and self._durability is not None:
            await asyncio.wait([self._sync], timeout=self._durability.seconds)
        if self.waiting:
            self._tally.dropped += self.waiting
            log.error(
                "audit records are lost at the end",
                destination=self.destination,
                records=self.waiting + self._lost,
            )
        self._trail.leave(self)

    def _flush(self) -> None:
        """Write everything. While writing fails, `_try_again` does so less often."""
        if self.is_failing:
            return
        try:
            self._write_all()
        except OSError as error:
            self._fail(error)
            return
        if self._durability is not None:
            self._begin_sync()

    def _write_all(self) -> None:
        while self._records or self._unwritten:
            self._write_some()
        if self._unflushed:
            self._unsynced += self._unflushed
            self._unflushed = []

    def _write_some(self) -> None:
        """Write what a write has left, or else what waits, with one write; of many, the first."""
        lines, number = self._unwritten, None
        if not lines:
            waiting = self._records
            if len(waiting) > _AT_ONCE:
                records = [waiting.popleft() for _ in range(_AT_ONCE)]
            else:
                records = list(waiting)
                waiting.clear()
            dropped = self._tally.dropped
            self._unwritten = lines = self._render(records)
            if not lines:
                return
            number = len(records) - (self._tally.dropped - dropped)
        written = self._write(lines)
        if not written:
            raise OSError(errno.EIO, "nothing was written")
        if number is not None and written == len(lines):
            self._tally.written += number  # without looking for the ends of the lines
        else:
            self._tally.written += lines.count(b"\n", 0, written)
        self._unwritten = lines[written:]

    def _render(self, records: list[Record]) -> bytes:
        """Return one line each. A record that cannot be rendered is our fault, and takes no other with it."""
        line = self._line
        try:
            return ("\n".join([line(record) for record in records]) + "\n").encode("ascii")
        except Exception:
            if len(records) > 1:
                return b"".join([self._render([record]) for record in records])
            log.exception(
                "an audit record cannot be rendered", destination=self.destination, topic=records[0].topic
            )
            self._tally.dropped += 1
            return b""

    def _try_again(self) -> None:
        """Write one batch a turn, so that requests do not wait for everything that has gathered."""
        self._retry = None
        try:
            if self.waiting:
                self._write_some()
        except OSError as error:
            self._fail(error)
            return
        if self.waiting:
            self._retry = asyncio.get_running_loop().call_soon(self._try_again)
        elif self._durability is None:
            self._recover()
        else:
            self._begin_sync()

    # Syncing to the disk.

    def _begin_sync(self) -> None:
        """Sync to the disk, one sync at a time: what is written meanwhile waits for the next.

        While writing fails, one that nobody waits for tells whether the disk works again.
        """
        if self._durability is None or self._sync is not None or not (self._unsynced or self.is_failing):
            return
        try:
            sync = self._durability.syncing()
        except OSError as error:
            self._fail(error)
            return
        waiting, self._unsynced = self._unsynced, []
        self._sync = asyncio.get_running_loop().run_in_executor(self._durability.thread, sync)
        self._sync.add_done_callback(partial(self._end_sync, waiting))

    def _end_sync(self, waiting: list["asyncio.Future[None]"], sync: "asyncio.Future[None]") -> None:
        self._sync = None
        error = sync.exception()
        _settle(waiting, error)
        if error is not None:
            self._fail(error if isinstance(error, OSError) else OSError(errno.EIO, str(error)))
        elif not self.is_failing:
            self._begin_sync()
        elif not self.waiting:
            self._recover()
        elif self._retry is None:
            self._retry = asyncio.get_running_loop().call_soon(self._try_again)

    # Failure.

    def _lose(self) -> None:
        if not self._lost:
            log.error(
                "the audit buffer is full: records are dropped",
                destination=self.destination,
                capacity=self._capacity,
            )
        self._reported = True
        self._lost += 1
        self._tally.dropped += 1

    def _fail(self, error: OSError) -> None:
        if not self._reported:
            log.error(
                "audit records cannot be written and are kept",
                destination=self.destination,
                error=error.strerror or str(error),
            )
        self.is_failing = self._reported = True
        self._tally.failures += 1
        refused, self._unflushed, self._unsynced = [*self._unflushed, *self._unsynced], [], []
        _settle(refused, error)
        if self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(
                max(self._interval, _SHORTEST_RETRY), self._try_again
            )

    def _recover(self) -> None:
        self._cancel_retry()
        self.is_failing = False
        if self._reported:
            log.warning("audit records are written again", destination=self.destination, dropped=self._lost)
            self._reported, self._lost = False, 0

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None


def _settle(waiting: list["asyncio.Future[None]"], error: BaseException | None) -> None:
    for each in waiting:
        if not each.done():
            each.set_result(None) if error is None else each.set_exception(error)
