"""Requests, responses and their parts. Bytes are decoded only where text is asked for."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import ClassVar, Final, Generic, TypeAlias, TypeVar

from deputize.kernel.errors import DeputizeError
from deputize.kernel.uris import Origin, Target


class BodyTooLarge(DeputizeError):
    """A body is longer than the limit its reader declared."""


class BodyBroken(DeputizeError):
    """A body ended, fell silent or turned malformed before it was complete."""


class HeaderError(DeputizeError):
    """A field name or value must not be in a message: it would change how the message is read."""


Field: TypeAlias = tuple[bytes, bytes]
"""The name and the value of a field."""
Found = TypeVar("Found")
_MOST_REMEMBERED: Final = 1024
_LONGEST_REMEMBERED: Final = 64
TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
"""The pattern of a token, such as a method or a field's name (RFC 9110 section 5.6.2)."""
_FIELD_NAME = re.compile(TOKEN.encode())
_VALUE = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")


class NameTable(dict[bytes, Found], Generic[Found]):
    """Remembers what `classify` returns for a field name as it was received.

    Nearly all names of a message have been seen before: looking one up takes half as long as lowering and
    comparing it, and this is done for each field several times a request. Bounded, for clients choose names.
    """

    __slots__ = ("_classify",)

    def __init__(self, classify: Callable[[bytes], Found]) -> None:
        """Start empty."""
        super().__init__()
        self._classify = classify

    def __missing__(self, name: bytes) -> Found:
        found = self._classify(name)
        if len(name) <= _LONGEST_REMEMBERED:
            if len(self) >= _MOST_REMEMBERED:
                self.clear()
            self[name] = found
        return found


def known_names(names: frozenset[bytes]) -> NameTable[bytes]:
    """Return a table that gives a field's name in lower case where it is one of `names`, else nothing."""
    return NameTable(lambda name: lowered if (lowered := name.lower()) in names else b"")


@lru_cache(maxsize=1024)
def field_name(name: str) -> bytes:
    """Return `name` as it is compared: lower-case bytes."""
    return name.lower().encode("latin-1", "replace")


@lru_cache(maxsize=256)
def _twins(names: tuple[str, ...]) -> NameTable[bool]:
    """Whether a field's name is one of `names`, or differs from it by `_` for `-` or by case only."""
    plain = frozenset(field_name(name).replace(b"_", b"-") for name in names)
    return NameTable(lambda name: name.lower().replace(b"_", b"-") in plain)


class KnownHead:
    """The head of a response like which one was received before: all of it but two values.

    Only the values of `Content-Length`, which is the length of their bodies, and of `Date` differ between the
    responses that have the same object: what depends on nothing else can be worked out once for it.
    """

    __slots__ = ("_date_at", "_fields", "_length_at", "number", "status")
    _numbers: ClassVar = count()

    def __init__(self, status: int, fields: Sequence[Field], length_at: int, date_at: int | None) -> None:
        """Take the fields as received, and the places of `Content-Length` and `Date` among them."""
        self.status = status
        self.number = next(self._numbers)
        """Stands for it where nobody is to keep it: that of no other is the same."""
        self._fields = tuple(fields)
        self._length_at = length_at
        self._date_at = date_at

    def fields(self, length: bytes, date: bytes | None) -> list[Field]:
        """Return the fields of a response whose `Content-Length` and `Date` have these values."""
        fields = list(self._fields)
        fields[self._length_at] = (fields[self._length_at][0], length)
        if self._date_at is not None and date is not None:
            fields[self._date_at] = (fields[self._date_at][0], date)
        return fields


class Headers:
    """Header fields in order, as received; names compare without regard to case (RFC 9110 section 5.1).

    Fields that came in a known head are put together only when somebody asks for them.
    """

    __slots__ = ("_length", "_raw", "date", "known")

    known: KnownHead | None
    """The head that these fields came in, for as long as nobody has changed them."""
    date: bytes | None
    """The value of `Date` that came with the `known` head; `None` when it has no such field."""

    def __init__(self, raw: Iterable[Field] = ()) -> None:
        """`raw` holds (name, value) pairs."""
        self.known = self.date = None
        self._raw: Sequence[Field] | None = list(raw)

    @classmethod
    def of_known(cls, known: KnownHead, length: bytes, date: bytes | None) -> "Headers":
        """Return the fields of `known` with these values of `Content-Length` and `Date`."""
        headers = cls.__new__(cls)
        headers.known = known
        headers.date = date
        headers._length = length  # noqa: SLF001 - its own
        headers._raw = None  # noqa: SLF001 - its own
        return headers

    @property
    def raw(self) -> Sequence[Field]:
        """The fields as (name, value) pairs.

        Never changed in place, for other messages may share it: changes put another list in its place.
        """
        raw = self._raw
        if raw is None:
            known = self.known
            raw = self._raw = known.fields(self._length, self.date) if known is not None else []
        return raw

    @raw.setter
    def raw(self, fields: Sequence[Field]) -> None:
        self._raw = fields
        self.known = None

    def get(self, name: str) -> str | None:
        """Return the first value of `name` as text, or `None`."""
        wanted = field_name(name)
        size = len(wanted)
        for key, value in self.raw:
            if len(key) == size and key.lower() == wanted:
                return value.decode("latin-1")
        return None

    def get_all(self, name: str) -> list[str]:
        """Return every value of `name`, in order."""
        wanted = field_name(name)
        size = len(wanted)
        values: list[str] = []
        for key, value in self.raw:
            if len(key) == size and key.lower() == wanted:
                values.append(value.decode("latin-1"))
        return values

    def add(self, name: str, value: str) -> None:
        """Append a field, keeping others of that name.

        Raises `HeaderError` for what would change the message's framing.
        """
        self.raw = [*self.raw, _encode_field(name, value)]

    def set(self, name: str, value: str) -> None:
        """Replace every field of that name by one. Raises `HeaderError` as `add` does."""
        pair = _encode_field(name, value)
        self.remove(name)
        self.raw = [*self.raw, pair]

    def remove(self, *names: str) -> None:
        """Drop every field with one of these names, and those whose name differs by `_` for `-`.

        Many servers take these for the same.
        """
        unwanted = _twins(names)
        kept = [pair for pair in self.raw if not unwanted[pair[0]]]
        if len(kept) != len(self.raw):
            self.raw = kept

    def copy(self) -> "Headers":
        """An independent copy."""
        return Headers(self.raw)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((key.decode("latin-1"), value.decode("latin-1")) for key, value in self.raw)

    def __contains__(self, name: str) -> bool:
        wanted = field_name(name)  # names alone, for reading a value may make a plan one of its call only
        return any(key.lower() == wanted for key, _ in self.raw)


def _encode_field(name: str, value: str) -> tuple[bytes, bytes]:
    try:
        pair = (name.encode("ascii"), value.encode("latin-1"))
    except UnicodeEncodeError as error:
        raise HeaderError(
            f"the header {name[:64]!r} holds characters that HTTP fields cannot carry"
        ) from error
    if not _FIELD_NAME.fullmatch(pair[0]) or not _VALUE.fullmatch(pair[1]):
        raise HeaderError(
            f"the header {name[:64]!r} is not a field name with a value of one line (RFC 9110 section 5.5)"
        )
    return pair


class Body:
    """A message body: bytes at hand, or a stream that is read once and closed by whoever holds it last."""

    __slots__ = ("_close", "_stream", "buffered", "length")

    def __init__(
        self,
        buffered: bytes | None = b"",
        stream: AsyncIterator[bytes] | None = None,
        length: int | None = None,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Take either `buffered`, or `stream` with `buffered=None` and its `length` in bytes if it is known.

        `close` releases what feeds the stream.
        """
        self.buffered = buffered
        self.length = len(buffered) if buffered is not None else length
        self._stream = stream
        self._close = close

    async def read(self, limit: int) -> bytes:
        """Return the whole body, and keep it so that it can be read and forwarded again.

        Raises `BodyTooLarge` beyond `limit` bytes.
        """
        if self.length is not None and self.length > limit:
            raise BodyTooLarge(f"body larger than {limit} bytes")
        if self.buffered is None:
            chunks: list[bytes] = []
            size = 0
            async for chunk in self:
                size += len(chunk)
                if size > limit:
                    raise BodyTooLarge(f"body larger than {limit} bytes")
                chunks.append(chunk)
            self.buffered = b"".join(chunks)
            self.length = len(self.buffered)
        return self.buffered

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the stream itself, so that passing a chunk on costs no second generator."""
        if self.buffered is None and self._stream is not None:
            return self._stream
        return _at_hand(self.buffered)

    async def aclose(self) -> None:
        """Give up the rest of the body and release what feeds it."""
        if self._close is not None:
            close, self._close = self._close, None
            await close()


async def _at_hand(buffered: bytes | None) -> AsyncIterator[bytes]:
    if buffered:
        yield buffered


@dataclass(slots=True)
class Request:
    """A request. `target` was checked on receipt; every condition and the upstream see the same one."""

    method: str
    target: Target
    headers: Headers
    body: Body = field(default_factory=Body)
    origin: Origin | None = None
    """Where the request goes (from Host on receipt, replaced by `baseURI`); `None` when Host was absent."""
    version: str = "1.1"
    repeatable: bool = False
    """Whether its sender knows that it may be sent twice, whatever its method, because it changes nothing."""


@dataclass(slots=True)
class Response:
    """A response on its way back to the client."""

    status: int
    headers: Headers = field(default_factory=Headers)
    body: Body = field(default_factory=Body)
    reason: str | None = None

    @property
    def known(self) -> KnownHead | None:
        """The head that this response came with and still has, if one like it was received before.

        Its body may be another one than came. `headers.date` is the value of `Date`.
        """
        known = self.headers.known
        return known if known is not None and known.status == self.status and self.reason is None else None


def settle(waiter: asyncio.Future[Response], outcome: Response | Exception) -> None:
    """Wake the task that waits for an answer, unless it is being cancelled: it gives up what has come."""
    if waiter.done():
        return
    if isinstance(outcome, Exception):
        waiter.set_exception(outcome)
    else:
        waiter.set_result(outcome)
