"""The heads of answers seen before, which need not be parsed again."""

import re
from typing import Final, TypeAlias

from deputize.http.heads import has_no_body
from deputize.http.messages import Body, Field, Headers, KnownHead, Response

LONGEST: Final = 4096
"""The longest head remembered, in bytes."""
MOST: Final = 512
"""Heads remembered at most."""
_LONGEST_LENGTH: Final = 18
"""Digits of a `Content-Length` at most."""
_DATE: Final = r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
Key: TypeAlias = tuple[bool, bool, bytes, bytes | None, bytes | None]
"""Spelling and order of the two fields, and what is before, between and behind their values."""


def _values(length: str, date: str) -> re.Pattern[bytes]:
    """The values that are cut out, of fields spelled like this.

    Strict, so that a parser makes the same of any two heads that differ in these values only.
    """
    return re.compile(rf"\r\n(?:{length}: ([0-9]{{1,{_LONGEST_LENGTH}}})|{date}: ({_DATE}))(?=\r\n)".encode())


_TITLE = _values("Content-Length", "Date")
_LOWER = _values("content-length", "date")


class KnownHeads:
    """Recognises answers by their heads without the values of `Content-Length` and `Date`.

    Bounded in number and, as each has a longest, in bytes: when there are too many, all are forgotten.
    """

    __slots__ = ("_heads", "_longest")

    def __init__(self, head_bytes: int) -> None:
        """Know nothing. `head_bytes` is the longest head accepted, so none near it is remembered."""
        self._heads: dict[Key, KnownHead] = {}
        self._longest = min(LONGEST, head_bytes - _LONGEST_LENGTH)

    def recognise(self, data: bytes) -> Response | None:
        """Return the answer that `data` is as a whole, if its head is known."""
        end = data.find(b"\r\n\r\n")
        if not 0 < end <= self._longest:
            return None
        key, length, date = _cut(data[: end + 2])
        known = self._heads.get(key)
        if known is None:
            return None
        size = 0 if length is None or has_no_body("", known.status) else int(length)
        if len(data) != end + 4 + size:
            return None
        return Response(known.status, Headers.of_known(known, length, date), Body(data[end + 4 :]))

    def remember(self, data: bytes, status: int, fields: list[Field], received: int) -> None:
        """Remember the head that `data` begins with, which a parser has read as `status` and `fields`.

        These are what is passed on of the fields `received`, in number.
        """
        end = data.find(b"\r\n\r\n")
        head = data[: end + 2]
        # What a parser skips or tolerates around a head and within is not recognised.
        if (
            not 0 < end <= self._longest
            or not head.startswith(b"HTTP/1.1 %d " % status)
            or not head.count(b"\r\n") == head.count(b"\r") == head.count(b"\n") == received + 1
        ):
            return
        key, length, date = _cut(head)
        names = [name.lower() for name, _ in fields]
        if (names.count(b"content-length"), names.count(b"date")) != (length is not None, date is not None):
            return
        if length is None and not has_no_body("", status):
            return
        if len(self._heads) >= MOST:
            self._heads.clear()
        self._heads[key] = KnownHead(
            status,
            fields,
            None if length is None else names.index(b"content-length"),
            None if date is None else names.index(b"date"),
        )


def _cut(head: bytes) -> tuple[Key, bytes | None, bytes | None]:
    """Return `head`, which ends with the line break of its last field, without the two values, and these.

    Nothing is cut out where a field is there twice.
    """
    lower = b"\r\ncontent-length: " in head
    parts = (_LOWER if lower else _TITLE).split(head)
    if len(parts) == 7:
        before, length, date, between, other_length, other_date, behind = parts
        if length is not None and other_date is not None:
            return (lower, True, before, between, behind), length, other_date
        if date is not None and other_length is not None:
            return (lower, False, before, between, behind), other_length, date
    elif len(parts) == 4:
        before, length, date, behind = parts
        return (lower, length is not None, before, None, behind), length, date
    return (lower, False, head, None, None), None, None
