"""Reads server-sent events while they pass to the client (HTML Living Standard section 9.2.6)."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from deputize.http.messages import Headers

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_RETURN = ord("\r")
_BLANK_LINES = (b"\n\n", b"\n\r\n", b"\r\r\n")
"""A line end and an empty line: here one event ends. After a carriage return its line feed may follow."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_EVENT_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")


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


class EventRewriter:
    """Puts other data in the place of that of events, and passes everything else on unchanged.

    An event leaves when it is complete. What is known of one longer than `limit` bytes is only that it is.
    """

    __slots__ = ("_is_too_long", "_kept", "_limit", "_rewrite", "_searched")

    def __init__(self, rewrite: Callable[[bytes | None], bytes | None], limit: int) -> None:
        """`rewrite` gets the data of an event, or `None` for one that is too long.

        It returns the same object to leave the event as it is, other data of one line, or `None` to drop it.
        """
        self._rewrite = rewrite
        self._limit = limit
        self._kept = bytearray()
        self._searched = 0
        self._is_too_long = False

    def feed(self, piece: bytes) -> bytes:
        """Return what `piece` completes, which may be nothing."""
        kept = self._kept
        kept += piece
        written: list[bytes] = []
        begin = 0
        while end := _EVENT_END.search(kept, max(begin, self._searched)):
            written.append(self._write(bytes(kept[begin : end.end()])))
            begin = self._searched = end.end()
        del kept[:begin]
        if len(kept) > self._limit:
            self._is_too_long = True
            del kept[:-3]
        self._searched = max(len(kept) - 3, 0)
        return b"".join(written)

    def end(self) -> bytes:
        """Return what is left when the stream ends: an event without an empty line, as some take it."""
        rest = bytes(self._kept)
        self._kept.clear()
        return self._write(rest + b"\n\n").removesuffix(b"\n\n") if rest else b""

    def _write(self, event: bytes) -> bytes:
        if self._is_too_long or len(event) > self._limit:
            self._is_too_long = False
            data, written = None, self._rewrite(None)
        else:
            found = EventReader(self._limit).feed(event)
            if not found:
                return event
            data = found[0].data
            written = self._rewrite(data)
        if written is data and data is not None:
            return event
        if written is None:
            return b""
        lines = [] if data is None else _LINE_END.split(event.removeprefix(_BYTE_ORDER_MARK))
        others = [line + b"\n" for line in lines if line and line.partition(b":")[0] != b"data"]
        return b"".join([*others, b"data: ", written, b"\n\n"])


class RewrittenChunks(AsyncIterator[bytes]):
    """The chunks of an event stream, through a rewriter."""

    __slots__ = ("_chunks", "_has_ended", "_rewriter")

    def __init__(self, chunks: AsyncIterator[bytes], rewriter: EventRewriter) -> None:
        """Take the chunks as the server sent them."""
        self._chunks = chunks
        self._rewriter = rewriter
        self._has_ended = False

    async def __anext__(self) -> bytes:
        """The next chunk in which something is complete."""
        while not self._has_ended:
            try:
                written = self._rewriter.feed(await anext(self._chunks))
            except StopAsyncIteration:
                self._has_ended = True
                written = self._rewriter.end()
            if written:
                return written
        raise StopAsyncIteration
