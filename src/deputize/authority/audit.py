"""The authority's audit: events, written to the audit file and to the log alike.

A record names who did what, for whom, on what grounds, from where, and why it was refused. It never holds
tokens, secrets or passwords. Members are written as the gateway writes its own: in camel case, under the same
names where they mean the same.
"""

import json
import os
import pwd
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from deputize.audit.records import Record, timestamp_text
from deputize.audit.sinks.json_file import JsonFileSink
from deputize.audit.trail import Trail
from deputize.kernel.errors import DeputizeError
from deputize.kernel.ids import new_id
from deputize.kernel.redaction import printable, redact
from deputize.kernel.strict_json import JsonError, dumps
from deputize.kernel.values import JsonObject, JsonValue

TOPIC: Final = "authority"
MAX_TEXT: Final = 1024
_LEAST_RECORD: Final = 192
"""Bytes that the names of a record's members take in any case."""
_JSON: Final = json.JSONEncoder(separators=(",", ":"))
_PLAIN: Final = bytes(set(range(0x21, 0x7F)) - set(b"\\="))
"""The octets of plain texts: printable ASCII but blanks, what JSON escapes, what stands before secrets."""
_TRACKED: Final = ("jti", "subject_jti", "actor_jti")
_log = structlog.get_logger("deputize.authority")
_numbers = count()


class AuditUnusable(DeputizeError):
    """Audit files cannot be written; the message says what an operator can do."""


class Source(NamedTuple):
    """Where a request came from, and the ids that tie its records to others."""

    address: str | None = None
    """The client's, as the nearest trusted proxy saw it; `None` for a command."""
    port: int | None = None
    """`None` where a proxy told the address."""
    correlation_id: str = ""
    """What the caller was told; written as the record's transaction id."""
    caller_transaction_id: str | None = None
    """The `X-ForgeRock-TransactionId` that the caller sent: the gateway's own transaction.

    Its word, and never proof of anything.
    """


_NOWHERE: Final = Source()
SOURCE: ContextVar[Source] = ContextVar("deputize.source", default=_NOWHERE)
"""The source of the request or command under way, set by `authority.app`, so that every record names it."""


def _source() -> Source:
    """The source of what happens; of what the program does by itself, such as to start, only an id."""
    source = SOURCE.get()
    return source if source.correlation_id else source._replace(correlation_id=new_id())


@dataclass(slots=True)
class Event:
    """Something that happened."""

    name: str
    """In a few words, such as `token issued`."""
    timestamp: float
    """Seconds since the epoch."""
    environment: str | None
    """Its id."""
    members: Mapping[str, JsonValue]
    """What is to be known, by name in snake case; `None` says nothing and is left out."""
    reason: str | None = None
    """Why it was refused; `None` when it was not. For operators only."""
    source: Source = field(default_factory=_source)
    said: Mapping[str, JsonValue] = field(init=False, repr=False, compare=False)
    """`reason` and `members` without credentials, and short enough: computed once for file and log."""
    _text: bytes | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compute `said`, and write the record, which tells whether anything has to be made safe."""
        said = {name: value for name, value in self.members.items() if value is not None}
        if self.reason is not None:
            said = {"reason": self.reason, **said}
        self.said = said
        self._text = _compact(self._record())
        if self._text is None or not _is_plain(self._text):
            self.said = {name: _safe(value) for name, value in said.items()}
            self._text = None

    def json(self) -> str:
        """Write the record as one line of ASCII."""
        if self._text is not None:
            return self._text.decode("ascii")
        record = self._record()
        text = _compact(record)
        return (text if text is not None and text.isascii() else _JSON.encode(record).encode()).decode(
            "ascii"
        )

    def _record(self) -> dict[str, JsonValue]:
        source, members = self.source, self.members
        record: dict[str, JsonValue] = {
            "_id": f"{source.correlation_id}-{next(_numbers)}",
            "timestamp": timestamp_text(self.timestamp),
            "eventName": _event_name(self.name),
            "transactionId": source.correlation_id,
            "callerTransactionId": source.caller_transaction_id,
            "userId": None,
            "trackingIds": [members[name] for name in _TRACKED if members.get(name)],
            "client": {"ip": source.address, "port": source.port},
            "environmentId": self.environment,
            "decision": "PERMIT" if self.reason is None else "DENY",
            "reason": None,
        }
        for name, value in self.said.items():
            record[_camel_case(name)] = value
        return record

    def log(self, **request: JsonValue) -> None:
        """Write the log line, with what is to be known of the `request` that it happened in.

        At level info, or warning where something was refused.
        """
        line = dict(self.said)
        if self.environment:
            line["environment"] = self.environment
        if self.source.address:
            line["client_ip"] = self.source.address
        if self.source.correlation_id:
            line["correlation_id"] = self.source.correlation_id
        write = _log.info if self.reason is None else _log.warning
        write(self.name, **{**line, **request})


class AuditFile:
    """Appends events to `authority.audit.json` in a directory, at the end of the turn that made them."""

    def __init__(self, directory: Path) -> None:
        """Raise `AuditUnusable` when files cannot be written in `directory`."""
        trail = Trail()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sink = JsonFileSink(directory, [TOPIC], 0o600, trail=trail)
        except OSError as error:
            raise AuditUnusable(
                f"cannot write audit files in {directory}: {error.strerror}; name another folder with --audit"
            ) from error
        self._take = self._sink.taker(TOPIC)
        self.hold = trail.hold
        """Keeps what must not happen before the events of this turn are written; see `Trail.hold`."""

    def publish(self, event: Event) -> None:
        """Write the event's record at the end of this turn."""
        self._take(Record(TOPIC, event.json()))

    async def close(self) -> None:
        """Write what waits, and close the file."""
        await self._sink.close()


@asynccontextmanager
async def open_audit(directory: Path) -> AsyncGenerator[AuditFile]:
    """Open the audit file, and close it in the end. Raises `AuditUnusable`."""
    file = AuditFile(directory)
    try:
        yield file
    finally:
        await file.close()


def operator() -> dict[str, str | None]:
    """Return the account of the operating system that this process runs under.

    Behind `sudo` also the one it was called from.
    """
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        name = str(number)
    return {"os_user": name, "sudo_user": os.environ.get("SUDO_USER")}


def _is_plain(record: bytes) -> bool:
    """Whether nothing in a record has to be made safe, which one look at its JSON tells.

    No text can then be too long, hold what `printable` escapes, or what `redact` looks for: they are seldom
    more than ids and names of scopes.
    """
    return (
        len(record) <= MAX_TEXT + _LEAST_RECORD
        and not record.translate(None, _PLAIN)
        and b"eyJ" not in record
    )


def _compact(value: JsonObject) -> bytes | None:
    """The value as JSON, in a quarter of the standard library's time; `None` where only that can write it."""
    try:
        return dumps(value)
    except JsonError:
        return None


def _safe(value: JsonValue) -> JsonValue:
    """Replace what looks like a credential, and cut what is too long to be read."""
    if isinstance(value, str):
        return redact(printable(value, MAX_TEXT))
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {name: _safe(each) for name, each in value.items()}
    return [_safe(each) for each in value]


@lru_cache(maxsize=256)  # the names stand in our own code
def _event_name(name: str) -> str:
    return f"DEPUTIZE-{name.upper().replace(' ', '-')}"


@lru_cache(maxsize=256)
def _camel_case(name: str) -> str:
    return re.sub("_([a-z])", lambda match: match.group(1).upper(), name)
