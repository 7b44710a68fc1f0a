"""Parses responses from bytes, however these are split: no socket, no clock."""

import asyncio
from collections.abc import Callable

import httptools

from deputize.http.heads import FRAMING, has_no_body, without_named
from deputize.http.messages import Body, Field, Headers, Response, known_names
from deputize.http.received_body import ReceivedBody, StreamedBody, nothing
from deputize.http.upstream.errors import UpstreamProtocolError
from deputize.http.upstream.known_heads import KnownHeads

_FRAMING = known_names(FRAMING)
_NO_BODY_YET = Body()
_TAKEN = Response(200)
_NO_PARSER = httptools.HttpResponseParser(object())
"""Replaces a parser that is no longer needed, because a parser refers to its reader."""
_UNTIL_CHUNKS = {
    True: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    False: b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
}
"""What brings a parser to where a chunk begins, on a connection that may be reused or not."""


class ResponseReader:
    """Parses the answers on one connection, one request after the other.

    `feed` returns the answer when its head is complete. Its body is at hand if that same `feed` completed it,
    and otherwise a stream, which is `body` until it is complete. `reusable` says whether another request may
    follow.
    """

    __slots__ = (
        "_at_chunk",
        "_chunked",
        "_chunks",
        "_fed",
        "_head",
        "_headers",
        "_interim",
        "_known",
        "_last",
        "_limit",
        "_loop",
        "_method",
        "_missing",
        "_on_flow",
        "_on_given_up",
        "_parser",
        "_plain",
        "_received",
        "_resting",
        "_trailers_size",
        "_until_close",
        "body",
        "complete",
        "reusable",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        head_bytes: int,
        on_flow: Callable[[], None],
        on_given_up: Callable[[], None],
        known: KnownHeads | None = None,
    ) -> None:
        """Call `on_flow` when `full` of the open body changes, `on_given_up` when its reader closes early.

        Answers whose heads are in `known` are not parsed, and those that are parsed are added to it.
        """
        self._loop = loop
        self._known = known
        self._limit = head_bytes
        self._on_flow = on_flow
        self._on_given_up = on_given_up
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[Field] = []
        self._interim = False
        self._missing = 0
        self._resting = False
        self._until_close = False
        self.reusable = True
        self.complete = True
        self.body: ReceivedBody | None = None
        self._method = "GET"
        self._start()

    def expect(self, method: str) -> None:
        """Prepare for the answer to a request with `method`."""
        self._method = method
        self.complete = False
        if self._fed:
            self._start()

    def _start(self) -> None:
        """Forget the answer that was parsed last."""
        self._head: Response | None = None
        self._chunks: list[bytes] = []
        self._at_chunk = False
        self._chunked = False
        self._last = b""
        self._fed = 0
        self._plain = False
        self._received = 0
        self._trailers_size = 0

    def feed(self, data: bytes) -> Response | None:
        """Take the next bytes, and return the answer if these complete its head.

        Raises `UpstreamProtocolError`.
        """
        if self._missing:
            self._take(data)
            return None
        known = None
        if not (self._fed or self.complete or self._method == "HEAD"):
            known = self._known
            recognised = None if known is None else known.recognise(data)
            if recognised is not None:
                response, self._missing = recognised
                self.reusable = True
                self.complete = not self._missing
                if self._missing:
                    self._open_body(response, [response.body.buffered or b""])
                return response
        self._parse(data)
        head = self._head
        if head is None:
            self._check_size(self._fed)
            return None
        if head is _TAKEN:
            return None
        if known is not None and self._plain:
            known.remember(data, head.status, list(head.headers.raw), self._received)
        if self.complete:
            chunks = self._chunks
            head.body = Body(chunks[0] if len(chunks) == 1 else b"".join(chunks))
        else:
            self._open_body(head, self._chunks)
        self._head = _TAKEN  # so that an answer that gets lost is noticed
        return head

    def _parse(self, data: bytes) -> None:
        self._fed += len(data)
        self._at_chunk = False
        if self._resting:
            self._parser = httptools.HttpResponseParser(self)
            self._parser.feed_data(_UNTIL_CHUNKS[self.reusable])
            self._resting = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            raise UpstreamProtocolError("the upstream switched protocols unasked") from error
        except httptools.HttpParserError as error:
            raise UpstreamProtocolError(f"not an HTTP/1.1 response: {error.__context__ or error}") from error
        if self.complete and self.reusable:
            # Whether `data` ends with the answer: llhttp skips line breaks after it, unexpected as they are.
            last, self._last = self._last, b""
            if last and not self._chunked:
                self.reusable = data.endswith(last)
            else:
                self.reusable = data.endswith(b"\r\n\r\n") and data[-5:-4] not in b"\r\n"

        # Behind the line break of a chunk, nothing of the next has come.
        self._at_chunk = self._at_chunk and data.endswith(b"\n")

    def rest(self) -> None:
        """Drop the parser of a body that is silent between two chunks, until the next comes.

        It takes a fifth of the memory of an idle stream.
        """
        if self._at_chunk and not self._resting and not self.complete:
            self._resting = True
            self._parser = _NO_PARSER

    def _check_size(self, size: int) -> None:
        if size > self._limit:
            raise UpstreamProtocolError(f"the head or the trailers are longer than {self._limit} bytes")

    def _open_body(self, head: Response, begun: list[bytes]) -> None:
        """Give the answer a stream for a body, of which `begun` has come."""
        body = self.body = ReceivedBody(self._loop, self._on_flow, self._on_given_up)
        for data in begun:
            if data:
                body.feed(data)
        stated = None if self._until_close else head.headers.get("content-length")
        head.body = StreamedBody(body, None if stated is None else int(stated))

    def _take(self, data: bytes) -> None:
        """Take a piece of the body of an answer that was recognised."""
        missing = self._missing
        piece = data[:missing] if len(data) > missing else data
        self._missing = missing - len(piece)
        if self.body is not None:
            self.body.feed(piece)
        if not self._missing:
            self._complete()
            if len(data) > missing:
                self._parse(data[missing:])  # which refuses what nobody asked for

    def _complete(self) -> None:
        self.complete = True
        if self.body is not None:
            body, self.body = self.body, None
            body.end()

    def close(self, error: Exception | None) -> None:
        """End a body that is framed by the closing of the connection; any other fails with `error`.

        Drops every reference back to this reader, for a circle waits for the garbage collector.
        """
        body, self.body = self.body, None
        self.reusable = False
        self._on_flow = self._on_given_up = nothing
        self._parser = _NO_PARSER
        if body is None:
            return
        if self._until_close and error is None:
            self.complete = True
            body.end()
        else:
            body.fail(
                error
                if isinstance(error, UpstreamProtocolError)
                else UpstreamProtocolError("the upstream closed within a body")
            )

    def fail(self, error: Exception) -> None:
        """Tell the open body's reader that no more will come."""
        self.reusable = False
        if self.body is not None:
            body, self.body = self.body, None
            body.fail(error)

    # Called by httptools.

    def on_message_begin(self) -> None:
        """Refuse a first byte after an answer.

        It would be read as the beginning of the next answer, which another client waits for.
        """
        if self.complete and not self._resting:
            raise UpstreamProtocolError("bytes behind an answer that nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; those of the trailers are dropped."""
        if self._resting:
            return
        if self._head is not None:
            self._trailers_size += len(name) + len(value) + 4
            self._check_size(self._trailers_size)
        else:
            self._headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Take the head: that of the answer, or an interim one, which is skipped (RFC 9110 section 15.2)."""
        if self._resting:
            return
        if self._head is not None:
            raise UpstreamProtocolError("a response nobody asked for")
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._interim = True
            return
        if not 200 <= status <= 599:
            raise UpstreamProtocolError(f"status {status}")
        if self._fed > self._limit:
            self._check_size(sum(len(name) + len(value) + 4 for name, value in self._headers))
        kept, framed = self._sort_out()
        self._until_close = not framed and not has_no_body(self._method, status)
        self.reusable = not self._until_close and self._parser.should_keep_alive()
        self._plain = self._plain and self.reusable and not self._chunked
        self._head = Response(status, Headers(kept), _NO_BODY_YET)
        self._headers = []
        if self._method == "HEAD":
            # The answer ends with its head, which llhttp cannot know. The next answer gets a fresh parser.
            self.complete = True
            self._parser = httptools.HttpResponseParser(self)

    def _sort_out(self) -> tuple[list[Field], bool]:
        """Return the end-to-end fields, and whether one of them frames the body.

        Refuses transfer codings that would hide where the body ends.
        """
        kept: list[Field] = []
        options: list[bytes] = []
        framed = False
        self._received = len(self._headers)
        for pair in self._headers:
            name = _FRAMING[pair[0]]
            if not name:
                kept.append(pair)
            elif name == b"content-length":
                kept.append(pair)
                framed = True
            elif name == b"connection":
                options.append(pair[1])
            elif name == b"transfer-encoding":
                if pair[1].lower() != b"chunked":
                    raise UpstreamProtocolError("a transfer coding other than chunked")
                framed = self._chunked = True
        self._plain = all(option.lower() == b"keep-alive" for option in options)
        return (without_named(kept, options) if options else kept), framed

    def on_chunk_header(self) -> None:
        """Take the size of a chunk; an answer to HEAD has none, whatever its fields say."""
        if self.complete:
            raise UpstreamProtocolError("a body where none may be")
        self._at_chunk = False

    def on_chunk_complete(self) -> None:
        """Note that the next chunk begins here."""
        self._at_chunk = True

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        if self.complete:
            raise UpstreamProtocolError("a body where none may be")
        self._last = data
        if self.body is not None:
            self.body.feed(data)
        else:
            self._chunks.append(data)

    def on_message_complete(self) -> None:
        """Complete the answer, or skip an interim one."""
        if self._interim:
            self._interim = False
            self._headers = []
            return
        self._complete()
