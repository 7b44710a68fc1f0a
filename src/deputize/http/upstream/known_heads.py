"""The heads of answers seen before, which need not be parsed again."""

import re
from typing import Final, TypeAlias

from deputize.http.heads import has_no_body
from deputize.http.messages import Body, Field, Headers, KnownHead, Response

LONGEST: Final = 4096
"""The longest head remembered, in bytes."""
MOST: Final = 2048
"""Heads remembered at most."""
MOST_RECENT: Final = 256
"""Heads remembered at most with their `Content-Length` and `Date`."""
MOST_BYTES: Final = 1024 * 1024
"""Bytes of heads remembered at most."""
PAUSE: Final = 8 * MOST
"""Answers for which no head is remembered after heads that did not come again."""
_DIGITS: Final = 18
"""The most digits of a `Content-Length` that is recognised."""
_DATE: Final = re.compile(
    rb"(\r\n[Dd]ate: )([A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT)(?=\r\n)"
)
Around: TypeAlias = tuple[bytes, bytes]
"""What is before and behind the value of `Content-Length` in a head."""


class KnownHeads:
    """Recognises answers whose heads differ in the values of `Content-Length` and `Date` only from one seen.

    These have a strict syntax, so that a parser makes the same of any two such heads. Only answers with a
    body of that length are remembered, on connections that are kept open after them.

    A head that has just come is recognised as it is: its `Date` is the same for a second, and many answers
    are of one length. Next come those of another length. Bounded in number and bytes: when there are too many
    heads, all are forgotten. If hardly one has come again, as when an upstream numbers its answers, no more
    are remembered for a while: that takes twice as long as parsing.
    """

    __slots__ = ("_around", "_bytes", "_came_again", "_heads", "_longest", "_paused", "_recent")

    def __init__(self, head_bytes: int) -> None:
        """Know nothing. `head_bytes` is the longest head accepted, so none near it is remembered."""
        self._longest = min(LONGEST, head_bytes - _DIGITS)
        self._heads: dict[tuple[bytes, ...], KnownHead] = {}
        self._around: dict[Around, tuple[KnownHead, bytes | None]] = {}
        self._recent: dict[bytes, tuple[KnownHead, bytes, int, bytes | None]] = {}
        """By the head: what it is, `Content-Length` as text and number, and `Date`."""
        self._bytes = 0
        self._came_again = 0
        self._paused = 0

    def recognise(self, data: bytes) -> tuple[Response, int] | None:
        """Return the answer that `data` begins with, if its head is known, and the size of what has not come.

        Its body is what has come. Nothing may follow it in `data`.
        """
        if self._paused:
            self._paused -= 1
            return None
        head, end, body = data.partition(b"\r\n\r\n")
        if not end:  # a head that breaks off can look like a whole one with another length
            return None
        found = self._recent.get(head) or self._look_up(head)
        if found is None:
            return None
        known, length, size, date = found
        missing = size - len(body)
        if missing < 0:
            return None
        return Response(known.status, Headers.of_known(known, length, date), Body(body)), missing

    def remember(self, data: bytes, status: int, fields: list[Field], received: int) -> None:
        """Remember the head that `data` begins with, which a parser has read as `status` and `fields`.

        These are what is passed on of the fields `received`, in number.
        """
        if self._paused:
            return
        head, end, _ = data.partition(b"\r\n\r\n")
        before, _, behind = _cut(head)
        # What a parser skips or tolerates around a head and within is not recognised, nor is any other field
        # taken for one of the two.
        lines = head.count(b"\r\n")
        names = [name.lower() for name, _ in fields]
        if (
            not end
            or len(head) > self._longest
            or not head.startswith(b"HTTP/1.1 %d " % status)
            or not received == lines == head.count(b"\r") == head.count(b"\n")
            or not before.lower().endswith((b"\r\ncontent", b"\r\nconten"))
            or names.count(b"content-length") != 1
            or has_no_body("", status)
        ):
            return
        key, date = _cut_date(before, behind)
        if names.count(b"date") != (date is not None):
            return
        if len(self._heads) >= MOST or self._bytes >= MOST_BYTES:
            self._paused = PAUSE if self._came_again < len(self._heads) else 0
            for table in (self._heads, self._around, self._recent):
                table.clear()
            self._bytes = self._came_again = 0
        self._bytes += len(head)
        date_at = None if date is None else names.index(b"date")
        self._heads[key] = KnownHead(status, fields, names.index(b"content-length"), date_at)

    def _look_up(self, head: bytes) -> tuple[KnownHead, bytes, int, bytes | None] | None:
        """Look up a head that has not come in this form, and remember it for the next like it."""
        before, length, behind = _cut(head)
        if not length.isdigit() or len(length) > _DIGITS:
            return None
        found = self._around.get((before, behind)) or self._find(before, behind)
        if found is None:
            return None
        known, date = found
        if len(self._recent) >= MOST_RECENT:
            self._recent.clear()
        recent = self._recent[head] = known, length, int(length), date
        return recent

    def _find(self, before: bytes, behind: bytes) -> tuple[KnownHead, bytes | None] | None:
        """Look up a head without its `Date`, and remember this date for the next like it."""
        key, date = _cut_date(before, behind)
        known = self._heads.get(key)
        if known is None:
            return None
        self._came_again += 1
        if len(self._around) >= MOST:
            self._around.clear()
        found = self._around[before, behind] = known, date
        return found


def _cut(head: bytes) -> tuple[bytes, bytes, bytes]:
    """Return what is before the value of `Content-Length`, the value, and the lines behind it.

    What is before it tells how the name is spelled.
    """
    before, _, rest = head.partition(b"t-Length: ")
    if not rest:
        before, _, rest = head.partition(b"-length: ")
    length, _, behind = rest.partition(b"\r\n")
    return before, length, behind


def _cut_date(before: bytes, behind: bytes) -> tuple[tuple[bytes, ...], bytes | None]:
    """Return a head without the values of `Content-Length` and `Date`, and the latter."""
    parts = _DATE.split(b"%b\r\n%b\r\n" % (before, behind))
    if len(parts) != 4:
        return tuple(parts), None
    date = parts[2]
    del parts[2]
    return tuple(parts), date
