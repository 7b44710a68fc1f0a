"""Standard output: one JSON object a line, marked as audit among other log lines, as containers want it."""

import errno
import os
import select
from collections.abc import Iterable
from functools import partial
from typing import Final

from deputize.audit.publisher import Publish
from deputize.audit.records import AuditEvent
from deputize.audit.trail import Batch, Buffering, Trail

_PIECE: Final = 4096
"""What a pipe that has room takes without blocking (PIPE_BUF, pipe(7))."""
_PATIENCE_MILLISECONDS: Final = 50
"""How long whoever reads a full pipe may take before records are kept instead."""


class StdoutSink:
    """Every record carries `source`, `topic` and `level` beside its own members."""

    def __init__(
        self,
        topics: Iterable[str],
        descriptor: int = 1,
        buffering: Buffering | None = None,
        trail: Trail | None = None,
    ) -> None:
        """`descriptor` is the file descriptor to write to."""
        self.topics = frozenset(topics)
        self._batch = Batch(
            "standard output",
            partial(_write, descriptor),
            _mark,
            trail or Trail(),
            buffering or Buffering(),
        )

    def taker(self, topic: str) -> Publish:  # noqa: ARG002 - every event knows its topic
        """What takes one record."""
        return self._batch.add

    def committer(self, topic: str) -> None:  # noqa: ARG002 - of no topic
        """`None`: what becomes of a record behind a pipe cannot be known."""
        return

    async def close(self) -> None:
        """Write what is left."""
        await self._batch.close()


def _write(descriptor: int, data: bytes) -> int:
    """Write a piece, but do not stand still when nobody reads. Raises `OSError`."""
    ready = select.poll()
    ready.register(descriptor, select.POLLOUT)
    if not ready.poll(_PATIENCE_MILLISECONDS):
        raise BlockingIOError(errno.EAGAIN, "nobody reads it")
    return os.write(descriptor, data[:_PIECE])


def _mark(event: AuditEvent) -> str:
    return f'{{"source":"audit","topic":"{event.topic}","level":"INFO",{event.json()[1:]}'
