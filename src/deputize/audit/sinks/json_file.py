"""Appends to `<topic>.audit.json` in a directory: one JSON object a line."""

import os
import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from deputize.audit.publisher import Commit, Publish
from deputize.audit.trail import Batch, Buffering, Durability, Trail
from deputize.kernel.clock import Clock

_APPENDING = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""How files are opened.

A symbolic link would have the gateway write to, and open to others, a file of somebody's choice. A pipe would
block for ever.
"""

_LOOK_SECONDS: Final = 0.01
"""Seconds for which a moved file goes on getting records; those written to a removed one are lost."""


_SET_ASIDE: Final = re.compile(r"-(\d{4}\.\d\d\.\d\d-\d\d\.\d\d\.\d\d)(?:\.(\d{3,}))?")
"""The suffix of a file that was set aside: when (UTC), and which of that second."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file is full, and how many full files are kept."""

    clock: Clock
    max_file_size: int
    """The size in bytes; a batch that would exceed it begins a new file."""
    kept_files: int = 0
    """How many files that were set aside are kept; 0 keeps them all."""

    def is_due(self, size: int, addition: int) -> bool:
        """Whether `addition` bytes would make the file, of `size` bytes, too large."""
        return size > 0 and size + addition > self.max_file_size

    def set_aside(self, path: Path) -> None:
        """Rename the file to a name with the time (UTC), and remove the oldest ones beyond those kept.

        Raises `OSError`.
        """
        path.rename(self._reserve_name(path))
        if self.kept_files > 0:
            for _, _, old in _find_set_aside(path)[: -self.kept_files]:
                old.unlink(missing_ok=True)

    def _reserve_name(self, path: Path) -> Path:
        """Reserve a name after all others by an empty file, which nobody else can take and the rename
        replaces.
        """
        moment = datetime.fromtimestamp(self.clock.now(), UTC).strftime("%Y.%m.%d-%H.%M.%S")
        number = max((number + 1 for other, number, _ in _find_set_aside(path) if other == moment), default=0)
        while True:
            name = path.with_name(f"{path.name}-{moment}{f'.{number:03d}' if number else ''}")
            try:
                os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            except FileExistsError:
                number += 1
            else:
                return name


def _find_set_aside(path: Path) -> list[tuple[str, int, Path]]:
    """Return moment, number and name of the files that were set aside, oldest first.

    Files with other names do not count.
    """
    found: list[tuple[str, int, Path]] = []
    for each in path.parent.iterdir():
        match = (
            _SET_ASIDE.fullmatch(each.name.removeprefix(path.name))
            if each.name.startswith(path.name)
            else None
        )
        if match is not None:
            found.append((match[1], int(match[2] or 0), each))
    return sorted(found)


def files_of(path: Path) -> list[Path]:
    """Return the files in which the records of `path` are: those that were set aside, oldest first, and it.

    It is missing between a rotation and the next record. Raises `OSError`.
    """
    set_aside = [each for _, _, each in _find_set_aside(path)]
    return [*set_aside, path] if path.exists() or not set_aside else set_aside


class AppendedFile:
    """Appends to a path, and opens it again when the file was moved or removed: any log rotation works."""

    def __init__(
        self, path: Path, permissions: int, rotation: Rotation | None, *, durable: bool = False
    ) -> None:
        """Give a file the Unix `permissions` when it is created.

        With `durable`, no file is closed before the disk has its content.
        """
        self.path = path
        self._permissions = permissions
        self._rotation = rotation
        self._durable = durable
        self._descriptor: int | None = None
        self._identity: tuple[int, int] | None = None
        self._size = 0
        self._next_look = 0.0
        """When to look whether the file is still at its path, in monotonic seconds."""
        self._is_torn = False

    def write(self, data: bytes) -> int:
        """Append what fits and return its length. Raises `OSError`."""
        descriptor = self._descriptor
        if descriptor is None or time.monotonic() >= self._next_look:
            descriptor = self._current()
        if self._rotation is not None and self._rotation.is_due(self._size, len(data)):
            self._rotation.set_aside(self.path)
            descriptor = self._current()
        if self._is_torn:
            os.write(descriptor, b"\n")
            self._is_torn = False
        written = os.write(descriptor, data)
        self._size += written
        return written

    def syncing(self) -> Callable[[], None]:
        """Return what waits in a thread until the disk has everything written so far, or raises `OSError`."""
        return partial(_sync, os.dup(self._current()))

    def close(self) -> None:
        """Close the file; a later write opens it again. Raises `OSError`."""
        if self._descriptor is not None:
            descriptor, self._descriptor, self._identity = self._descriptor, None, None
            if self._durable:
                _sync(descriptor)
            else:
                os.close(descriptor)

    def _current(self) -> int:
        """Return the open file at the path; one that is there need not be looked for again soon."""
        try:
            standing = os.stat(self.path, follow_symlinks=False)  # noqa: PTH116 - quicker
        except FileNotFoundError:
            standing = None
        if (
            self._descriptor is not None
            and standing is not None
            and (standing.st_dev, standing.st_ino) == self._identity
        ):
            self._size = standing.st_size
            if not self._durable:
                self._next_look = time.monotonic() + _LOOK_SECONDS
            return self._descriptor
        self.close()
        return self._open()

    def _open(self) -> int:
        descriptor = self._descriptor = os.open(self.path, _APPENDING, self._permissions)
        opened = os.fstat(descriptor)
        self._identity, self._size = (opened.st_dev, opened.st_ino), opened.st_size
        self._is_torn = opened.st_size > 0 and _last_byte(self.path) not in {b"\n", b""}
        if opened.st_size == 0:
            os.fchmod(descriptor, self._permissions)  # the process's umask may have taken bits away
        if self._durable:
            _sync(os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        return descriptor


class JsonFileSink:
    """Writes one file for each topic."""

    def __init__(
        self,
        directory: Path,
        topics: Iterable[str],
        permissions: int = 0o600,
        buffering: Buffering | None = None,
        rotation: Rotation | None = None,
        trail: Trail | None = None,
        *,
        durable: bool = False,
    ) -> None:
        """Make `directory` if it is absent, for whom `permissions` let read the files.

        With `durable`, records can be committed. Raises `OSError` when files cannot be written there now.
        """
        directory.mkdir(
            0o700 | (permissions & 0o044) | (permissions & 0o044) >> 2, parents=True, exist_ok=True
        )
        self.topics = frozenset(topics)
        self._threads = (
            ThreadPoolExecutor(max_workers=len(self.topics), thread_name_prefix="audit") if durable else None
        )
        self._files = {
            topic: AppendedFile(directory / f"{topic}.audit.json", permissions, rotation, durable=durable)
            for topic in self.topics
        }
        for file in self._files.values():
            file.write(b"")
        shared, waiting = trail or Trail(), buffering or Buffering()
        self._batches: dict[str, Batch] = {}
        for topic, file in self._files.items():
            durability = Durability(file.syncing, self._threads) if self._threads is not None else None
            self._batches[topic] = Batch(str(file.path), file.write, shared, waiting, durability)

    def taker(self, topic: str) -> Publish:
        """Return what takes one record of `topic` for its file."""
        return self._batches[topic].add

    def committer(self, topic: str) -> Commit | None:
        """Return what brings a record of `topic` onto the disk; `None` unless durable."""
        return None if self._threads is None else self._batches[topic].commit

    async def close(self) -> None:
        """Write what is left and close the files."""
        for topic, batch in self._batches.items():
            await batch.close()
            self._files[topic].close()
        if self._threads is not None:
            self._threads.shutdown(wait=False)


def _last_byte(path: Path) -> bytes:
    """Return the last byte of a file; b"" when it cannot be read.

    A process that was killed may have left its last line unfinished.
    """
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1)
    except OSError:
        return b""


def _sync(descriptor: int) -> None:
    """Wait until the disk has the file, and close it. Raises `OSError`."""
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
