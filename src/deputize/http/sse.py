"""Reads server-sent events while they pass to the client (HTML Living Standard section 9.2.6)."""

from dataclasses import dataclass

from deputize.http.messages import Headers

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_RETURN = ord("\r")
_BLANK_LINES = (b"\n\n", b"\n\r\n", b"\r\r\n")
"""A line end and an empty line: here one event ends. After a carriage return its line feed may follow."""


def is_event_stream(headers: Headers) -> bool:
    """Whether a response with these headers carries events. Of several types a client may go by any."""
    for value in headers.get_all("content-type"):  # `any` would be three calls more for each answer
        if value.partition(";")[0].strip().lower() == "text/event-stream":
            return True
    return False


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event: its `data` lines joined by line feeds, its type, and the last id that was set."""

    data: bytes
    kind: str = "message"
    id: str | None = None


class EventReader:
    """Finds the events that each piece of a stream completes, however its bytes are split.

    The bytes themselves are forwarded unchanged. An event longer than `limit` bytes is skipped and counted in
    `skipped`, so that no stream makes an observer hold more than that.
    """

    __slots__ = (
        "_after_return",
        "_data",
        "_id",
        "_kind",
        "_limit",
        "_line",
        "_size",
        "_started",
        "_too_long",
        "skipped",
    )

    def __init__(self, limit: int = 1024 * 1024) -> None:
        """Start at the beginning of a stream."""
        self._limit = limit
        self._line = bytearray()
        self._started = False
        self._after_return = False
        self._id: str | None = None
        self.skipped = 0
        self._begin()

    def _begin(self) -> None:
        self._data: list[bytes] = []
        self._kind = ""
        self._size = 0
        self._too_long = False

    def feed(self, piece: bytes) -> list[SseEvent]:
        """Return the events that `piece` completes, in order."""
        if self._after_return and piece:
            piece = piece.removeprefix(b"\n")
            self._after_return = False
        self._after_return = piece.endswith(b"\r")
        if _RETURN in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = piece.split(b"\n")
        events: list[SseEvent] = []
        for line in lines[:-1]:
            self._extend(line)
            event = self._end_line()
            if event is not None:
                events.append(event)
        self._extend(lines[-1])
        return events

    def pass_over(self, piece: bytes) -> bool:
        """Leave `piece` out, with its ids, if it begins and ends between two events; say whether it was."""
        if self._size or self._after_return or not piece.endswith(_BLANK_LINES):
            return False
        self._started = True
        return True

    def _extend(self, part: bytes) -> None:
        """Keep a part of a line; of an event that is too long, only whether the line is empty."""
        self._size += len(part)
        if self._size > self._limit:
            self._too_long = True
            self._data.clear()
            del self._line[1:]
            part = part[: 1 - len(self._line)]
        self._line += part

    def _end_line(self) -> SseEvent | None:
        line, self._line = bytes(self._line), bytearray()
        if not self._started:
            self._started = True
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            data, kind, too_long = self._data, self._kind, self._too_long
            self._begin()
            self.skipped += too_long
            return SseEvent(b"\n".join(data), kind or "message", self._id) if data else None
        name, _, value = line.partition(b":")  # a comment has an empty name
        value = value.removeprefix(b" ")
        if self._too_long:
            return None
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._kind = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        return None


class Boundary:
    """Finds out whether a stream is between two events, where a comment may be inserted.

    After a carriage return it is not: the line feed that belongs to it may follow.
    """

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        """Start at the beginning of a stream."""
        self._tail = b"\n\n"

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the stream, which is not empty."""
        self._tail = (self._tail + piece[-3:])[-3:]

    @property
    def reached(self) -> bool:
        """Whether the stream is between two events: the last line is complete and empty."""
        return self._tail.endswith(_BLANK_LINES)
