"""Standard output: one JSON object a line, marked as audit among other log lines, as containers expect it."""

import errno
import os
import select
import stat
import sys
from collections.abc import Iterable
from functools import partial
from typing import Final

from deputize.audit.publisher import Publish
from deputize.audit.records import Record
from deputize.audit.trail import Batch, Buffering, Trail

_PIECE: Final = 4096
"""The bytes that a pipe with room takes without blocking (PIPE_BUF, pipe(7))."""
_PATIENCE_MILLISECONDS: Final = 50
"""How long a write waits for whoever reads a full pipe, before records are kept for later."""


class StdoutSink:
    """Writes every record with `source`, `topic` and `level` beside its own members."""

    def __init__(
        self,
        topics: Iterable[str],
        descriptor: int = 1,
        buffering: Buffering | None = None,
        trail: Trail | None = None,
    ) -> None:
        """Write to the file descriptor `descriptor`."""
        self.topics = frozenset(topics)
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        self._batch = Batch(
            "standard output",
            partial(_write, descriptor, _piece_of(descriptor), poll),
            trail or Trail(),
            buffering or Buffering(),
            line=_mark,
        )

    def taker(self, topic: str) -> Publish:  # noqa: ARG002 - every record knows its topic
        """Return what takes one record."""
        return self._batch.add

    def committer(self, topic: str) -> None:  # noqa: ARG002 - the same for every topic
        """Return `None`: what becomes of a record in a pipe cannot be known."""
        return

    async def close(self) -> None:
        """Write what is left."""
        await self._batch.close()


def _piece_of(descriptor: int) -> int:
    """Return how many bytes may be written at once: a file takes any number without waiting for a reader."""
    return sys.maxsize if stat.S_ISREG(os.fstat(descriptor).st_mode) else _PIECE


def _write(descriptor: int, piece: int, poll: select.poll, data: bytes) -> int:
    """Write a piece, but do not wait long when nobody reads. Raises `OSError`."""
    if not poll.poll(_PATIENCE_MILLISECONDS):
        raise BlockingIOError(errno.EAGAIN, "nobody reads it")
    return os.write(descriptor, data[:piece])


def _mark(record: Record) -> str:
    return f'{{"source":"audit","topic":"{record.topic}","level":"INFO",{record.text[1:]}'
