"""Parses requests from bytes, however these are split: no socket, no clock."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import httptools

from deputize.http.exchange import Readings
from deputize.http.heads import Field
from deputize.http.listener.limits import ListenerLimits
from deputize.http.listener.request_head import ParsedHead, Refused, build_head, without_twins
from deputize.http.messages import Body, BodyBroken, BodyTooLarge, Request
from deputize.http.plans.memory import Cut, mark_varying
from deputize.http.received_body import ReceivedBody, nothing

_NO_PARSER = httptools.HttpRequestParser(object())
"""Replaces a parser that is not needed: a parser refers to its reader, and takes memory while all is silent.
"""


class Taken(NamedTuple):
    """What a head can be remembered by."""

    cut: Cut
    readings: Readings
    may_be_kept: bool
    """Whether it was parsed as one whose framing is all in its bytes, on a connection that goes on."""


class RequestReader:
    """Parses one connection's requests into `ready`, in order.

    A request that is complete within one `feed` has its body at hand. Any other is ready when its head is,
    and its body is a stream, which is `body` until it is complete. `last` is set when no request may follow.
    """

    __slots__ = (
        "_begun",
        "_chunks",
        "_continue",
        "_fed",
        "_head",
        "_headers",
        "_limits",
        "_line_at",
        "_loop",
        "_on_flow",
        "_parser",
        "_raw",
        "_reason",
        "_secure",
        "_size",
        "_skipping",
        "_taken",
        "_trailers_size",
        "_url",
        "body",
        "cut",
        "last",
        "messages",
        "ready",
        "taken",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: ListenerLimits,
        *,
        secure: bool,
        on_flow: Callable[[], None],
        on_continue: Callable[[], None],
    ) -> None:
        """Call `on_flow` when `full` of the open body changes, `on_continue` when the client waits for 100
        Continue.
        """
        self._loop = loop
        self._limits = limits
        self._secure = secure
        self._on_flow = on_flow
        self._continue = on_continue
        self._parser = _NO_PARSER
        self._reason: Refused | None = None
        self._skipping = False
        self.ready: list[Request] = []
        self.taken: list[Taken | None] = []
        """What the head of each of `ready` can be remembered by; `None`: not at all."""
        self.cut: Cut | None = None
        """The head that comes next, taken apart, where all of it is at hand."""
        self.body: ReceivedBody | None = None
        self.last = False
        self.messages = 0
        self._raw = b""
        self._line_at = 0
        self._begin()

    def _begin(self) -> None:
        self._begun = False
        self._url = b""
        self._headers: list[Field] = []
        self._trailers_size = 0
        self._head: ParsedHead | None = None
        self._taken: Taken | None = None
        self._chunks: list[bytes] = []
        self._size = 0
        self._fed = 0

    @property
    def is_between(self) -> bool:
        """Whether the next byte begins a request."""
        return not (self._begun or self._fed or self.last) and self._head is None and self.body is None

    @property
    def in_head(self) -> bool:
        """Whether a request has begun whose head is not complete."""
        return self._head is None and (bool(self._url) or self._fed > 0)

    def feed(self, data: bytes) -> None:
        """Parse the next bytes.

        Raises `Refused` when the connection cannot go on; requests before that are in `ready`.
        """
        messages = self.messages
        self._raw = self._raw + data if self._raw else data
        self._parse(data)
        head = self._head
        if head is not None:
            if self.body is None:  # the message is unfinished: its request is ready with a stream for a body
                waits = head.expects_continue and not self._chunks
                self.body = ReceivedBody(
                    self._loop, self._on_flow, first_wait=self._continue if waits else nothing
                )
                for chunk in self._chunks:
                    self.body.feed(chunk)
                head.request.body = Body(None, self.body, head.length, self.body.aclose)
                self._offer(head.request)
        elif self.messages == messages:
            # Bound a head that never ends: the parser keeps an unfinished field to itself.
            self._fed += len(data)
            if self._fed > self._limits.request_line_bytes + self._limits.header_bytes:
                self._break(Refused(431 if self._headers else 414, "the head does not end"))
        if self._head is not None or not self._begun:
            self._raw = b""
            self._line_at = 0

    def _parse(self, data: bytes) -> None:
        if self._parser is _NO_PARSER:
            self._parser = httptools.HttpRequestParser(self)
        rest: bytes | memoryview | None = data
        while rest is not None:
            try:
                self._parser.feed_data(rest)
                rest = None
            except httptools.HttpParserUpgrade as upgrade:
                self._decline_upgrade()
                rest = memoryview(rest)[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                self._break(error)
                rest = None

    def _break(self, error: Exception) -> None:
        """Tell the open body's reader.

        Raises `Refused`, which the connection answers if no body was open.
        """
        if self.last and self._head is None:
            return  # bytes after the last request: nobody waits for them
        reason = self._reason or (error if isinstance(error, Refused) else Refused(400, str(error)))
        self.give_up(reason)
        try:
            raise reason from error
        finally:
            del reason, error  # its traceback leads to this frame

    def give_up(self, reason: Refused) -> None:
        """Break off the open body, if there is one, and tell its reader why."""
        if self.body is not None:
            reason.in_body = True
            failure = BodyTooLarge if reason.status == 413 else BodyBroken
            self.body.fail(failure(str(reason)))
            self.body = None

    def rest(self) -> None:
        """Drop the parser between two requests, until the next begins."""
        if self.is_between:
            self._parser = _NO_PARSER

    def close(self) -> None:
        """Drop every reference back to this reader when no more bytes come.

        A circle would wait for the garbage collector.
        """
        if self.body is not None:
            self.body.fail(BodyBroken("the client has left"))
            self.body = None
        self._begin()
        self.ready.clear()
        self.taken.clear()
        self._reason = None
        self._on_flow = self._continue = nothing
        self._parser = _NO_PARSER

    def _decline_upgrade(self) -> None:
        """Read on in HTTP/1.1 with a fresh parser.

        The old one stops at an upgrade and takes the body for the new protocol's bytes.
        """
        head, self._parser = self._head, httptools.HttpRequestParser(self)
        if head is not None:
            framing = (
                b"Transfer-Encoding: chunked" if head.length is None else b"Content-Length: %d" % head.length
            )
            self._skipping = True
            self._parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n")
            self._skipping = False

    # Called by httptools.

    def on_message_begin(self) -> None:
        """Note the first byte of a request line. Behind the last request there is none."""
        if self.last and not self._skipping:
            raise Refused(400, "bytes behind the last request")
        self._begun = True

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request target."""
        if self._skipping:
            return
        self._url += url
        if len(self._url) > self._limits.request_line_bytes:
            self._refuse(414, "the request target is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; those of the trailers are dropped (RFC 9110 section 6.5.1)."""
        if self._head is not None:
            self._trailers_size += len(name) + len(value) + 4
            if self._trailers_size > self._limits.header_bytes:
                self._refuse(431, "the trailers are too long")
        else:
            # A value has no whitespace around it (RFC 9112 section 5.1); llhttp strips the leading only.
            self._headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Complete the head."""
        if self._skipping:
            return
        try:
            self._complete_head()
        except Refused as refused:
            self._reason = refused
            raise

    def _complete_head(self) -> None:
        """Build the head. Raises `Refused`."""
        parser, limits, headers = self._parser, self._limits, self._headers
        if len(headers) > limits.header_count or (
            len(self._raw) + len(headers) > limits.header_bytes  # else the fields are shorter still
            and sum(len(name) + len(value) + 4 for name, value in headers) > limits.header_bytes
        ):
            raise Refused(431, "too many or too long fields")
        taken, self.cut = self.cut, None
        readings = Readings()
        received = len(headers)
        marked = None if taken is None else mark_varying(headers, taken, readings)
        headers = without_twins(marked or headers, underscores=limits.underscores_in_headers)
        method, version = parser.get_method(), parser.get_http_version()
        head = build_head(method, self._url, version, headers, secure=self._secure)
        # llhttp tolerates more than one blank, and another protocol's name (RFC 9112 section 3). The line
        # begins where the last one was found to end, unless it comes after a body or an empty line.
        line = b"%b %b HTTP/%b\r\n" % (method, self._url, version.encode())
        at = self._line_at
        if not self._raw.startswith(line, at):
            at = self._raw.find(line, at)
        if at < 0:
            raise Refused(400, "the request line is not method, target and version with a blank between each")
        self._line_at = at + len(line)
        origin = head.request.origin
        if limits.host_names and (origin is None or origin.host not in limits.host_names):
            raise Refused(421, "Host names another host than this listener's (RFC 9110 section 15.5.20)")
        if limits.body_bytes is not None and head.length is not None and head.length > limits.body_bytes:
            raise Refused(413, "the announced body is too large")
        self.last = version == "1.0" or not parser.should_keep_alive()
        self._head = head
        if taken is not None and marked is not None:
            is_plain = not (self.last or head.length is None or head.expects_continue or head.wants_upgrade)
            self._taken = Taken(taken, readings, is_plain and taken.is_just(line, received))

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._size += len(data)
        if self._limits.body_bytes is not None and self._size > self._limits.body_bytes:
            self._refuse(413, "the body is too large")
        if self.body is not None:
            self.body.feed(data)
        else:
            self._chunks.append(data)

    def on_message_complete(self) -> None:
        """Complete the message, or only its head when llhttp has left the body to an upgrade."""
        head = self._head
        if head is None or (head.wants_upgrade and head.length != 0 and self._parser.should_upgrade()):
            return
        if self.body is not None:
            self.body.end()
            self.body = None
        else:
            chunks = self._chunks
            head.request.body = Body(chunks[0] if len(chunks) == 1 else b"".join(chunks))
            self._offer(head.request)
        self.messages += 1
        self._begin()

    def _offer(self, request: Request) -> None:
        self.ready.append(request)
        self.taken.append(self._taken)

    def _refuse(self, status: int, reason: str) -> None:
        self._reason = Refused(status, reason)
        raise self._reason
