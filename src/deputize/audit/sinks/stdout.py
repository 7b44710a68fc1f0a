"""Standard output: one JSON object a line, marked as audit among other log lines; the choice in containers."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from deputize.audit.batches import Batch, Buffering
from deputize.audit.records import AuditEvent
from deputize.audit.service import Publish


class StdoutSink:
    """Every record carries `source`, `topic` and `level` beside its own members."""

    def __init__(self, topics: Iterable[str], descriptor: int = 1, buffering: Buffering | None = None) -> None:
        """`descriptor` is the file descriptor to write to."""
        self.topics = frozenset(topics)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="audit")
        self._batch = Batch("standard output", partial(os.write, descriptor), self._thread, buffering or Buffering(), _framed)

    def taker(self, topic: str) -> Publish:  # noqa: ARG002 - every event knows its topic
        """As `AuditSink.taker`."""
        return self._batch.add

    async def close(self) -> None:
        """As `AuditSink.close`."""
        await self._batch.close()
        self._thread.shutdown()


def _framed(event: AuditEvent) -> str:
    return f'{{"source":"audit","topic":"{event.topic}","level":"INFO",{event.json()[1:]}'
