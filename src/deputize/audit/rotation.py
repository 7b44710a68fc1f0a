"""Setting a full audit file aside, and forgetting the oldest of those set aside."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from deputize.kernel.clock import Clock


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file is full, and how many full ones are kept."""

    clock: Clock
    max_file_size: int
    """Bytes; a batch that would go beyond begins a new file."""
    kept_files: int = 0
    """0 keeps them all."""

    def is_due(self, size: int, addition: int) -> bool:
        """Whether `addition` bytes go to a new file rather than behind the `size` bytes that stand in this one."""
        return size > 0 and size + addition > self.max_file_size

    def set_aside(self, path: Path) -> None:
        """Give the file a name that says when (UTC), and remove the oldest ones beyond those kept. Raises `OSError`."""
        path.rename(self._free_name(path))
        if self.kept_files > 0:
            for old in sorted(path.parent.glob(f"{path.name}-*"))[: -self.kept_files]:
                old.unlink(missing_ok=True)

    def _free_name(self, path: Path) -> Path:
        moment = datetime.fromtimestamp(self.clock.now(), UTC).strftime("%Y.%m.%d-%H.%M.%S")
        names = (path.with_name(f"{path.name}-{moment}{f'.{number:03d}' if number else ''}") for number in count())
        return next(name for name in names if not name.exists())
