"""Requests, responses and their parts. Bytes are decoded only where text is asked for."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import compress
from typing import Final, Generic, TypeAlias, TypeVar

from deputize.kernel.errors import DeputizeError
from deputize.kernel.uris import Origin, Target


class BodyTooLarge(DeputizeError):
    """A body is longer than the limit its reader declared."""


class BodyBroken(DeputizeError):
    """A body ended, fell silent or turned malformed before it was complete."""


class HeaderError(DeputizeError):
    """A field name or value must not be in a message: it would change how the message is read."""


Field: TypeAlias = tuple[bytes, bytes]
"""A field's name and value as received."""
Names: TypeAlias = frozenset[bytes] | set[bytes]
"""Names of fields in lower case."""
Found = TypeVar("Found")
_MOST_REMEMBERED: Final = 1024
_LONGEST_REMEMBERED: Final = 64
_MOST_PARTS: Final = 6
"""Parts between the marks of a name whose spellings are held at hand."""
TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
"""The pattern of a token, such as a method or a field's name (RFC 9110 section 5.6.2)."""
_FIELD_NAME = re.compile(TOKEN.encode())
_VALUE = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")


class NameTable(dict[bytes, Found], Generic[Found]):
    """Remembers what `classify` returns for a field's name.

    Nearly all names of a message have been seen before, and looking one up takes no step of Python. Bounded,
    for clients choose names.
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


@lru_cache(maxsize=1024)
def field_name(name: str) -> bytes:
    """Return `name` as it is compared: lower-case bytes."""
    return name.lower().encode("latin-1", "replace")


_LOWERED: Final = NameTable(bytes.lower)


@lru_cache(maxsize=256)
def _twins(names: tuple[str, ...]) -> frozenset[bytes] | None:
    """Return `names` in every spelling that puts `_` for some `-`, or `None` where those are too many."""
    parts = [field_name(name).replace(b"_", b"-").split(b"-") for name in names]
    if any(len(each) > _MOST_PARTS for each in parts):
        return None
    spellings: set[bytes] = set()
    for first, *others in parts:
        ends = [first]
        for part in others:
            ends = [each + mark + part for each in ends for mark in (b"-", b"_")]
        spellings.update(ends)
    return frozenset(spellings)


class Headers:
    """Header fields in order, as received; names compare without regard to case (RFC 9110 section 5.1).

    The names in lower case are kept beside the fields, so that a name that is absent, as most that are asked
    for, is missed without a step of Python for each field. Only the methods of this class change the fields,
    and each changes both lists alike.
    """

    __slots__ = ("_fields", "_names")

    def __init__(self, raw: Iterable[Field] = ()) -> None:
        """Take (name, value) pairs as they are."""
        self._fields = list(raw)
        self._names = [_LOWERED[name] for name, _ in self._fields]

    @property
    def raw(self) -> tuple[Field, ...]:
        """The (name, value) pairs as received, in a tuple."""
        return tuple(self._fields)

    @property
    def names(self) -> tuple[bytes, ...]:
        """The name of each field in lower case, in a tuple."""
        return tuple(self._names)

    def get(self, name: str) -> str | None:
        """Return the first value of `name` as text, or `None`."""
        wanted = field_name(name)
        names = self._names
        return self._fields[names.index(wanted)][1].decode("latin-1") if wanted in names else None

    def get_all(self, name: str) -> list[str]:
        """Return every value of `name`, in order."""
        wanted = field_name(name)
        names = self._names
        count = names.count(wanted)
        if not count:
            return []
        if count == 1:
            return [self._fields[names.index(wanted)][1].decode("latin-1")]
        return [value.decode("latin-1") for _, value in self.select({wanted})]

    def select(self, wanted: Names) -> list[Field]:
        """Return the fields whose name in lower case is one of `wanted`, as received."""
        return list(compress(self._fields, map(wanted.__contains__, self._names)))

    def lines(self, unwanted: Names) -> list[bytes]:
        """Return the lines of a head for all fields but those whose name in lower case is `unwanted`."""
        named = zip(self._names, self._fields, strict=True)
        return [b": ".join(field) for name, field in named if name not in unwanted]

    def add(self, name: str, value: str) -> None:
        """Append a field, keeping others of that name.

        Raises `HeaderError` for what would change the message's framing.
        """
        self.extend((_encode_field(name, value),))

    def extend(self, fields: Sequence[Field]) -> None:
        """Append fields, which are taken as they are, keeping others of their names."""
        self._fields += fields
        self._names += [_LOWERED[name] for name, _ in fields]

    def set(self, name: str, value: str) -> None:
        """Replace every field of that name by one. Raises `HeaderError` as `add` does."""
        pair = _encode_field(name, value)
        self.remove(name)
        self.extend((pair,))

    def remove(self, *names: str) -> None:
        """Drop every field with one of these names, and those whose name differs by `_` for `-`.

        Many servers take these for the same.
        """
        unwanted = _twins(names)
        if unwanted is None:
            plain = {field_name(name).replace(b"_", b"-") for name in names}
            unwanted = frozenset(name for name in self._names if name.replace(b"_", b"-") in plain)
        self.drop(unwanted)

    def drop(self, unwanted: Names) -> None:
        """Drop every field whose name in lower case is one of `unwanted`, and no other."""
        names = self._names
        if unwanted.isdisjoint(names):
            return
        there = unwanted.intersection(names)
        if len(there) == 1:
            (name,) = there
            if names.count(name) == 1:
                at = names.index(name)
                del names[at], self._fields[at]
                return
        kept = [name not in unwanted for name in names]
        self._fields = list(compress(self._fields, kept))
        self._names = list(compress(names, kept))

    def copy(self) -> "Headers":
        """Return an independent copy."""
        return Headers(self._fields)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((key.decode("latin-1"), value.decode("latin-1")) for key, value in self._fields)

    def __contains__(self, name: str) -> bool:
        return field_name(name) in self._names


def _encode_field(name: str, value: str) -> Field:
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

    __slots__ = ("__weakref__", "_close", "_stream", "buffered", "length")

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
