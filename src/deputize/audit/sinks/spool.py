"""Records on their way to somebody who may not be there: kept in files until they were handed over."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from deputize.audit.records import Record
from deputize.audit.sinks.json_file import AppendedFile
from deputize.audit.trail import Batch, Buffering, Trail

log = structlog.get_logger()
_OPEN: Final = "open.ndjson"
_SEALED: Final = "sealed-*.ndjson"
_SEGMENT: Final = 1024 * 1024
"""Bytes at which a file is sealed although others wait; less where the spool may hold little."""


class Spool:
    """Files of records in a folder: one that is written to, and sealed ones that wait, the oldest first.

    What was written outlasts the process, also one that is killed.
    """

    def __init__(
        self, directory: Path, destination: str, max_size: int, buffering: Buffering, trail: Trail
    ) -> None:
        """Keep at most `max_size` bytes; where more come, the oldest records go. Raises `OSError`."""
        directory.mkdir(0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._max_size = max_size
        self._segment = min(_SEGMENT, max_size // 4)
        self._file = AppendedFile(directory / _OPEN, 0o600, None)
        self._file.write(b"")
        self._tally = trail.tally(destination)
        self._destination = destination
        self._batch = Batch(destination, self._write, trail, buffering)

    def take(self, record: Record) -> None:
        """Write a record that is about a token at the end of this turn; others concern nobody there."""
        if record.names_token:
            self._batch.add(record)

    def sealed(self) -> Sequence[Path]:
        """Return the files that wait, the oldest first. Raises `OSError`."""
        return sorted(self._directory.glob(_SEALED))

    def seal(self) -> None:
        """Seal the file that is written to, unless it is empty or others wait. Raises `OSError`.

        Another spool in the same folder may go on writing to it for a moment, see `remove`.
        """
        if _size(self._file.path) and not self.sealed():
            self._seal()

    def remove(self, path: Path, size: int) -> None:
        """Remove a sealed file of which `size` bytes were handed over. Raises `OSError`.

        Unless another spool has written more meanwhile: then it waits, and is handed over once more.
        """
        if _size(path) <= size:
            path.unlink(missing_ok=True)

    def count_dropped(self, number: int, reason: str) -> None:
        """Count records that are lost."""
        self._tally.dropped += number
        log.error("audit records are dropped", destination=self._destination, records=number, reason=reason)

    def count_failure(self) -> None:
        """Count an attempt to hand over that failed."""
        self._tally.failures += 1

    async def close(self) -> None:
        """Write what is left; what waits is handed over by whoever opens the folder next."""
        await self._batch.close()
        self._file.close()

    def _write(self, lines: bytes) -> int:
        """Write the lines that fit into the file, or seal it and begin another. Raises `OSError`."""
        room = self._segment - _size(self._file.path)
        if len(lines) > room:
            fitting = lines.rfind(b"\n", 0, max(room, 0)) + 1
            if not fitting and room < self._segment:
                self._seal()
                fitting = lines.rfind(b"\n", 0, self._segment) + 1
            lines = lines[: fitting or lines.index(b"\n") + 1]
        return self._file.write(lines)

    def _seal(self) -> None:
        """Seal the file that is written to, and drop the oldest files beyond the bound, counting."""
        self._file.path.rename(self._directory / f"sealed-{time.time_ns():020d}.ndjson")
        self._file.close()
        waiting = self.sealed()
        size = sum(map(_size, waiting)) + self._segment
        for path in waiting:
            if size <= self._max_size:
                return
            content = path.read_bytes()
            path.unlink()
            size -= len(content)
            self.count_dropped(content.count(b"\n"), "more records wait than the spool may hold")


def _size(path: Path) -> int:
    """Return the bytes of a file, 0 where there is none."""
    try:
        return os.stat(path).st_size  # noqa: PTH116 - quicker, and asked for each batch
    except FileNotFoundError:
        return 0
