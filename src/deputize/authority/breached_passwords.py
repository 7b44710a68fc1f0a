"""A local list of passwords that became known elsewhere, which nobody here may choose.

It is a file of SHA-1 digests in hex, sorted, one a line, each perhaps with ":" and a count behind it, as Have
I Been Pwned publishes it. It may be larger than memory: a few dozen places of it are read for each password.
What somebody chooses leaves this machine in no form.
"""

import asyncio
import hashlib
import os
import re
from pathlib import Path
from typing import BinaryIO, Final

from deputize.kernel.errors import ConfigurationError, Position

_DIGEST: Final = 40
_LINE: Final = re.compile(rb"[0-9A-Fa-f]{40}(:[0-9]{1,20})?\r?")
_MOST: Final = 64
"""Bytes of a line, with its end, at most."""


class BreachedPasswords:
    """The list in a file, which may be replaced while the server runs."""

    def __init__(self, path: Path) -> None:
        """Look at both ends of the file. Raises `ConfigurationError` where it is no such list."""
        self._path = path
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                first, last = (_read_line(file, at, size)[1] for at in (0, max(size - 1, 0)))
        except OSError as error:
            reason = f"cannot be read: {error.strerror or type(error).__name__}"
            raise ConfigurationError(Position(str(path)), reason) from error
        for line, name in ((first, "first"), (last, "last")):
            if not _LINE.fullmatch(line):
                raise ConfigurationError(
                    Position(str(path)),
                    f"its {name} line is no SHA-1 digest in hex",
                    "write one a line, such as 5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:3",
                )
        if last[:_DIGEST].upper() < first[:_DIGEST].upper():
            reason = "its digests are not in ascending order"
            raise ConfigurationError(Position(str(path)), reason, "sort the file")

    async def include(self, password: str) -> bool:
        """Return whether the password is on the list. Raises `OSError` where the file is gone."""
        wanted = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
        return await asyncio.to_thread(self._find, wanted)

    def _find(self, wanted: bytes) -> bool:
        with self._path.open("rb") as file:
            low, high = 0, file.seek(0, os.SEEK_END)
            size = high
            while low < high:
                start, line = _read_line(file, (low + high) // 2, size)
                found = line[:_DIGEST].upper()
                if found == wanted:
                    return True
                low, high = (start + len(line) + 1, high) if found < wanted else (low, start)
        return False


def _read_line(file: BinaryIO, at: int, size: int) -> tuple[int, bytes]:
    """Return where the line begins that holds the byte `at` of a file, and the line without its end."""
    before = max(at - _MOST, 0)
    file.seek(before)
    window = file.read(min(2 * _MOST, size - before))
    start = window.rfind(b"\n", 0, at - before) + 1
    return before + start, window[start:].partition(b"\n")[0]
