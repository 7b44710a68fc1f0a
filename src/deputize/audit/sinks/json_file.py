"""`<topic>.audit.json` in a directory: one JSON object a line."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deputize.audit.batches import Batch, Buffering
from deputize.audit.records import AuditEvent
from deputize.audit.rotation import Rotation
from deputize.audit.service import Publish

_APPENDING = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""A symbolic link would have the gateway write to, and open to others, a file of somebody's choice; a pipe would block for ever."""


class AppendedFile:
    """Appends to a path, and opens it anew when somebody moved or removed the file: any log rotation works."""

    def __init__(self, path: Path, permissions: int, rotation: Rotation | None) -> None:
        """`permissions` are Unix permission bits, given to a file when it is created."""
        self._path = path
        self._permissions = permissions
        self._rotation = rotation
        self._descriptor: int | None = None

    def write(self, data: bytes) -> int:
        """Append what fits and return its length. Raises `OSError`."""
        descriptor = self._current()
        if self._rotation is not None and self._rotation.is_due(os.fstat(descriptor).st_size, len(data)):
            self._rotation.set_aside(self._path)
            descriptor = self._current()
        return os.write(descriptor, data)

    def close(self) -> None:
        """Close the file; a later write opens it again."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def _current(self) -> int:
        if self._descriptor is None or not self._is_current(self._descriptor):
            self.close()
            self._descriptor = self._open()
        return self._descriptor

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False

    def _open(self) -> int:
        descriptor = os.open(self._path, _APPENDING, self._permissions)
        if os.fstat(descriptor).st_size == 0:
            os.fchmod(descriptor, self._permissions)  # the process's umask may have taken bits away
        return descriptor


class JsonFileSink:
    """One file a topic; a thread of its own writes, so that a slow disk delays nobody."""

    def __init__(
        self,
        directory: Path,
        topics: Iterable[str],
        permissions: int = 0o644,
        buffering: Buffering | None = None,
        rotation: Rotation | None = None,
    ) -> None:
        """`directory` is made when absent. Raises `OSError` when files cannot be written there now."""
        directory.mkdir(parents=True, exist_ok=True)
        self.topics = frozenset(topics)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="audit")
        self._files = {topic: AppendedFile(directory / f"{topic}.audit.json", permissions, rotation) for topic in self.topics}
        for file in self._files.values():
            file.write(b"")
        self._batches = {topic: self._batch(directory, topic, buffering or Buffering()) for topic in self.topics}

    def taker(self, topic: str) -> Publish:
        """As `AuditSink.taker`."""
        return self._batches[topic].add

    async def close(self) -> None:
        """As `AuditSink.close`."""
        for topic, batch in self._batches.items():
            await batch.close()
            self._files[topic].close()
        self._thread.shutdown()

    def _batch(self, directory: Path, topic: str, buffering: Buffering) -> Batch:
        return Batch(str(directory / f"{topic}.audit.json"), self._files[topic].write, self._thread, buffering, _line)


def _line(event: AuditEvent) -> str:
    return event.json()
