"""`FileAttributesFilter`: looks up a record in a file of separated values (gateway-config reference 4.12)."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Self

import structlog
from pydantic import PlainValidator

from deputize.gateway.config.settings import Charset, OneOrMore, Settings, TemplateText
from deputize.gateway.exchange.targets import TargetText
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Head
from deputize.http.plans import Plan, Prepare
from deputize.kernel.errors import DeputizeError

log = structlog.get_logger()
_LIMIT: Final = 16 * 1024 * 1024
_SEPARATORS: Final = {"COLON": ":", "COMMA": ",", "TAB": "\t"}
Records = Mapping[str, Mapping[str, str]]


class RecordsUnreadable(DeputizeError):
    """A file of records cannot be read."""


def _find_separator(value: object) -> str:
    separator = _SEPARATORS.get(str(value).upper(), value)
    if not isinstance(separator, str) or len(separator) != 1:
        raise ValueError("a separator is COLON, COMMA, TAB or one character")
    return separator


class FileAttributesFilter:
    """Keeps the record of a file of separated values whose key field has a value, as a map.

    Where there is none it keeps null. Where a key occurs twice, the first record counts. A file that changes
    is read again; one that cannot be read any more is told in the log, and what was read last stays.
    """

    class Config(Settings):
        """The file, the record, and where it is kept."""

        file: str
        """The file, of 16 MiB at most; a relative path is taken from the instance folder."""
        charset: Charset = "utf-8"
        """Its character set."""
        separator: Annotated[str, PlainValidator(_find_separator)] = ","
        """`COMMA`, `COLON`, `TAB`, or one character."""
        header: bool = True
        """Whether the first line names the fields."""
        fields: OneOrMore[str] = ()
        """The names of the fields; by default those of the first line."""
        key: str
        """The field that is compared."""
        value: TemplateText
        """A runtime expression that yields what the field has to be."""
        target: TargetText
        """The attribute that holds the record, such as `${attributes.record}`."""

    def __init__(self, config: Config, path: Path, context: BuildContext) -> None:
        """Raises `RecordsUnreadable`."""
        self._config = config
        self._context = context
        self._path = path
        self._version, self._records = self._version_of_file(), self._read()

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Read the file."""
        if config.target.message is not None:
            raise context.error("target", "only an attribute can hold a record", "write ${attributes.record}")
        if not config.header and not config.fields:
            raise context.error("fields", "nothing names the fields", 'list them, or set "header": true')
        try:
            return cls(config, context.instance.directory / config.file, context)
        except RecordsUnreadable as error:
            raise context.error("file", str(error), "name a readable file of separated values") from error

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass on behind a step that looks the record up, for the file may change."""

        def check(exchange: Exchange) -> None:
            self._read_again()
            value = self._context.text(self._config.value, head.at(exchange))
            record = None if value is None else self._records.get(value)
            self._config.target.put(exchange, record and {**record})

        return next(head).after(head, check=check)

    def _read_again(self) -> None:
        version = self._version_of_file()
        if version == self._version:
            return
        self._version = version
        try:
            self._records = self._read()
        except RecordsUnreadable as error:
            log.warning("records cannot be read again", file=str(self._path), reason=str(error))

    def _version_of_file(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size

    def _read(self) -> Records:
        config = self._config
        try:
            with self._path.open("rb") as file:
                content = file.read(_LIMIT + 1)
            if len(content) > _LIMIT:
                raise RecordsUnreadable(f"{self._path} has more than {_LIMIT} bytes")
            text = io.StringIO(content.decode(config.charset), newline="")
            rows = list(csv.reader(text, delimiter=config.separator, strict=True))
        except OSError as error:
            raise RecordsUnreadable(f"{self._path} cannot be read: {error.strerror}") from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise RecordsUnreadable(f"{self._path} is not a file of separated values: {error}") from error
        first, rows = (rows[0] if rows else [], rows[1:]) if config.header else ([], rows)
        names = config.fields or first
        if config.key not in names:
            raise RecordsUnreadable(f"{self._path} has no field {config.key!r}")
        at = names.index(config.key)
        return {row[at]: dict(zip(names, row, strict=False)) for row in reversed(rows) if len(row) > at}
