"""`FileSystemSecretStore`: secrets in files of one directory."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from deputize.gateway.config.settings import Duration, Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.secrets.formats import FormatMapping, find_format, find_mapped_formats
from deputize.secrets.secret import FormatError, Secret, SecretError, SecretFormat

_SECRET_ID: Final = re.compile(r"(?!\.)[A-Za-z0-9_.\-]{1,128}")
_MAX_SIZE: Final = 256 * 1024
_Version = tuple[int, int, int]


class FileSystemSecretStore:
    """Secrets in files of one directory.

    A file is read when its secret is first asked for, and again whenever it has changed: rotation needs no
    restart. Ids are plain names, so that none leads out of the directory; symbolic links are followed, as
    orchestrators mount secrets through them.
    """

    class Config(Settings):
        """`leaseExpiry` and `autoRefresh` have no effect: a changed file is always read again."""

        directory: str
        """The folder; a relative one is taken from the instance folder. It must exist."""
        format: Reference = "BASE64"
        """How the files are written: `BASE64`, `PLAIN`, or a format object."""
        suffix: str = ""
        """What follows the secret's id in the file's name, such as `.pem`."""
        mappings: tuple[FormatMapping, ...] = ()
        """Secrets that are written in another format."""
        lease_expiry: Duration = 300.0
        """Accepted, without effect."""
        auto_refresh: dict[str, Any] | None = None
        """Accepted, without effect."""

    def __init__(
        self, directory: Path, suffix: str, format_: SecretFormat, formats: Mapping[str, SecretFormat]
    ) -> None:
        """`formats` maps secret ids to the format that goes before `format_`."""
        self._directory = directory
        self._suffix = suffix
        self._format = format_
        self._formats = formats
        self._read: dict[str, tuple[_Version, Secret]] = {}

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Look up directory and formats; the directory has to exist."""
        directory = context.instance.directory / Path(config.directory)
        if not directory.is_dir():
            raise context.error(
                "directory",
                f"{directory} is not a directory",
                "create it, or name the directory that holds the secrets",
            )
        if "/" in config.suffix:
            raise context.error("suffix", "a suffix is the end of a file's name and holds no '/'")
        formats = find_mapped_formats(config.mappings, context)
        return cls(directory, config.suffix, find_format(config.format, context, "format"), formats)

    def find(self, secret_id: str) -> Secret | None:
        """Read the secret's file, unless it is as it was when last read. Raises `SecretError`."""
        path = self._path(secret_id)
        try:
            status = path.stat()
            version = (status.st_mtime_ns, status.st_size, status.st_ino)
            known = self._read.get(secret_id)
            if known is not None and known[0] == version:
                return known[1]
            with path.open("rb") as file:
                stored = file.read(_MAX_SIZE + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._error(secret_id, f"cannot be read: {error.strerror}") from error
        if len(stored) > _MAX_SIZE:
            raise self._error(secret_id, f"is larger than {_MAX_SIZE} bytes")
        try:
            secret = self._formats.get(secret_id, self._format).decode(stored)
        except FormatError as error:
            raise self._error(secret_id, str(error)) from error
        self._read[secret_id] = (version, secret)
        return secret

    def place(self, secret_id: str) -> str:
        """The file's name."""
        return f"file {self._path(secret_id)}"

    def _path(self, secret_id: str) -> Path:
        if not _SECRET_ID.fullmatch(secret_id):
            reason = (
                "is not looked for: a secret id consists of letters, digits, '.', '_' and '-', and "
                "does not begin with a dot"
            )
            raise SecretError(type(self).__name__, secret_id[:128], "it", reason)
        return self._directory / f"{secret_id}{self._suffix}"

    def _error(self, secret_id: str, reason: str) -> SecretError:
        return SecretError(type(self).__name__, secret_id, self.place(secret_id), reason)
