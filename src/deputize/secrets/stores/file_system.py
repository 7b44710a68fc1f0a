"""Secrets in a directory, one file each."""

import re
from collections.abc import Mapping
from pathlib import Path

from deputize.secrets.secret import FormatError, Secret, SecretError, SecretFormat

_SECRET_ID = re.compile(r"(?!\.)[A-Za-z0-9_.\-]{1,128}")
_MAX_SIZE = 256 * 1024
_Stamp = tuple[int, int, int]


class FileSystemSecretStore:
    """Reads `<directory>/<secret id><suffix>` when first asked, and again whenever the file has changed.

    Rotation needs no restart.

    Ids are plain names, so that no id can lead out of the directory; symbolic links are followed, as
    orchestrators mount secrets through them.
    """

    def __init__(
        self, directory: Path, suffix: str, format_: SecretFormat, formats: Mapping[str, SecretFormat]
    ) -> None:
        """`formats` maps secret ids to the format that goes before `format_`."""
        self._directory = directory
        self._suffix = suffix
        self._format = format_
        self._formats = formats
        self._read: dict[str, tuple[_Stamp, Secret]] = {}

    def find(self, secret_id: str) -> Secret | None:
        """As `SecretStore.find`."""
        path = self._path(secret_id)
        try:
            stamp = _stamp(path)
            known = self._read.get(secret_id)
            if known is None or known[0] != stamp:
                known = self._read[secret_id] = (stamp, self._decode(secret_id, path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._error(secret_id, f"cannot be read: {error.strerror}") from error
        return known[1]

    def place(self, secret_id: str) -> str:
        """As `SecretStore.place`."""
        return f"file {self._path(secret_id)}"

    def _path(self, secret_id: str) -> Path:
        if not _SECRET_ID.fullmatch(secret_id):
            reason = (
                "is not looked for: a secret id consists of letters, digits, '.', '_' and '-', and "
                "does not begin with a dot"
            )
            raise SecretError(type(self).__name__, secret_id[:128], "it", reason)
        return self._directory / f"{secret_id}{self._suffix}"

    def _decode(self, secret_id: str, path: Path) -> Secret:
        with path.open("rb") as file:
            stored = file.read(_MAX_SIZE + 1)
        if len(stored) > _MAX_SIZE:
            raise self._error(secret_id, f"is larger than {_MAX_SIZE} bytes")
        try:
            return self._formats.get(secret_id, self._format).decode(stored)
        except FormatError as error:
            raise self._error(secret_id, str(error)) from error

    def _error(self, secret_id: str, reason: str) -> SecretError:
        return SecretError(type(self).__name__, secret_id, self.place(secret_id), reason)


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino
