"""What all destinations of a process have in common.

When they write, what waits for it, and how they are doing.

Records made within one turn of the event loop are written together at its end, with one write for each
destination. Whoever may only go on when they are written, such as the last bytes of an answer, waits for that
with `hold` or `written`.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import structlog

log = structlog.get_logger()


class Writer(Protocol):
    """What brings records to a destination."""

    destination: str

    @property
    def waiting(self) -> int:
        """Records that are kept until they can be written."""
        ...

    @property
    def is_failing(self) -> bool:
        """Whether they cannot be written now."""
        ...


@dataclass(slots=True)
class Tally:
    """What became of the records for one destination since the process began, whoever brought them there."""

    written: int = 0
    dropped: int = 0
    """Records that were lost because too many waited, or could not be written at the end."""
    failures: int = 0
    """Attempts to write that failed."""


class Figures(NamedTuple):
    """How one destination is doing."""

    destination: str
    tally: Tally
    waiting: int
    is_failing: bool


class Trail:
    """The audit of one process. Make one, hand it to every sink, and ask it how they are doing."""

    def __init__(self) -> None:
        """Nothing recorded yet."""
        self._due: list[Callable[[], None]] = []
        self._held: list[Callable[[], None]] = []
        self._writers: list[Writer] = []
        self._tallies: dict[str, Tally] = {}

    def join(self, writer: Writer) -> Tally:
        """Count `writer` in until it leaves; the tally is its to keep up."""
        self._writers.append(writer)
        return self._tallies.setdefault(writer.destination, Tally())

    def leave(self, writer: Writer) -> None:
        """Count `writer` out."""
        self._writers.remove(writer)

    @property
    def is_failing(self) -> bool:
        """Whether some records cannot be written now."""
        return any(writer.is_failing for writer in self._writers)

    def figures(self) -> Iterator[Figures]:
        """Every destination there was since the process began."""
        for destination, tally in self._tallies.items():
            writers = [writer for writer in self._writers if writer.destination == destination]
            waiting = sum(writer.waiting for writer in writers)
            yield Figures(destination, tally, waiting, any(writer.is_failing for writer in writers))

    def at_end_of_turn(self, flush: Callable[[], None]) -> None:
        """Call `flush`, which does not raise, when this turn of the event loop is over."""
        if not self._due:
            asyncio.get_running_loop().call_soon(self._end_turn)
        self._due.append(flush)

    def hold(self, then: Callable[[], None]) -> bool:
        """Call `then` behind the writes of this turn.

        `False`, and it is not called, when nothing is to be written.
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
        held, self._held = self._held, []
        for each in (*due, *held):
            try:
                each()
            except Exception:
                log.exception("the audit, or what waited for it, failed")
