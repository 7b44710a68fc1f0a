"""Setting a full audit file aside, and forgetting the oldest of those set aside."""

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deputize.kernel.clock import Clock

_SET_ASIDE: Final = re.compile(r"-(\d{4}\.\d\d\.\d\d-\d\d\.\d\d\.\d\d)(?:\.(\d{3,}))?")
"""What is appended to the name of a file: when (UTC), and which of that second."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file is full, and how many full ones are kept."""

    clock: Clock
    max_file_size: int
    """Bytes; a batch that would go beyond begins a new file."""
    kept_files: int = 0
    """0 keeps them all."""

    def is_due(self, size: int, addition: int) -> bool:
        """Whether `addition` bytes go to a new file rather than behind the `size` bytes that stand in this
        one.
        """
        return size > 0 and size + addition > self.max_file_size

    def set_aside(self, path: Path) -> None:
        """Give the file a name that says when (UTC), and remove the oldest ones beyond those kept.

        Raises `OSError`.
        """
        path.rename(self._reserved(path))
        if self.kept_files > 0:
            for _, _, old in _set_aside(path)[: -self.kept_files]:
                old.unlink(missing_ok=True)

    def _reserved(self, path: Path) -> Path:
        """A name behind all others, which nobody else can take any more.

        An empty file of ours, which the rename replaces.
        """
        moment = datetime.fromtimestamp(self.clock.now(), UTC).strftime("%Y.%m.%d-%H.%M.%S")
        number = max((number + 1 for other, number, _ in _set_aside(path) if other == moment), default=0)
        while True:
            name = path.with_name(f"{path.name}-{moment}{f'.{number:03d}' if number else ''}")
            try:
                os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            except FileExistsError:
                number += 1
            else:
                return name


def _set_aside(path: Path) -> list[tuple[str, int, Path]]:
    """Moment, number and name of the files that were set aside, oldest first.

    Others are none of our business, whatever their names.
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
