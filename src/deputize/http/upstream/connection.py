"""One connection to an upstream, and what it carries."""

import asyncio
import select
import socket
from collections.abc import Callable
from typing import Protocol, TypeAlias

from deputize.http.connections import LOW_WATER, Silence, WriteFlow, keep_alive
from deputize.http.heads import LAST_CHUNK, chunk
from deputize.http.messages import Body, BodyBroken, Response
from deputize.http.sse import is_event_stream
from deputize.http.upstream.errors import (
    ConnectionClosed,
    StreamsExhausted,
    UpstreamProtocolError,
    UpstreamTimeout,
)
from deputize.http.upstream.known_heads import KnownHeads
from deputize.http.upstream.limits import BODY_RATE, Deadlines, PoolLimits
from deputize.http.upstream.response_reader import ResponseReader

Answered: TypeAlias = Callable[[Response | Exception], None]
"""Takes what comes of a request: the answer, with its head complete, or why there is none."""

_NO_DEADLINES = Deadlines(None, None, None)


class Owner(Protocol):
    """The pool that a connection belongs to."""

    loop: asyncio.AbstractEventLoop
    limits: PoolLimits
    known_heads: KnownHeads
    connections: "set[UpstreamConnection]"

    def begin_stream(self, connection: "UpstreamConnection", /) -> None:
        """Count the connection among the streams. Raises `StreamsExhausted`."""
        ...

    def release(self, connection: "UpstreamConnection", /) -> None:
        """Take the connection back for another exchange."""
        ...

    def forget(self, connection: "UpstreamConnection", /) -> None:
        """Forget the connection, which is closed."""
        ...


class UpstreamConnection(WriteFlow):
    """Carries one exchange at a time, and returns to its pool by itself when an answer is complete."""

    __slots__ = (
        "_answered",
        "_body_silence",
        "_deadlines",
        "_exchanges",
        "_lasting",
        "_poll",
        "_pool",
        "_pumping",
        "_reader",
        "_reading",
        "_received",
        "_sent",
        "_silence",
        "is_busy",
        "was_used",
    )

    def __init__(self, pool: Owner) -> None:
        """Make a connection that will belong to `pool` once it is open."""
        super().__init__(pool.loop)
        self._pool = pool
        self._reader = ResponseReader(
            self.loop, pool.limits.head_bytes, self._regulate, self.abort, pool.known_heads
        )
        self._answered: Answered | None = None
        self._pumping: asyncio.Task[None] | None = None
        self._deadlines = _NO_DEADLINES
        self._lasting = False
        self._exchanges = 0
        self._reading = True
        self._received = 0
        self._sent = 0
        self._poll: Callable[[int], object] | None = None
        self._silence = Silence()
        self._body_silence: Silence | None = None
        self.is_busy = True
        self.was_used = False

    def is_fit(self) -> bool:
        """Whether an exchange may begin here: the upstream has neither closed nor sent anything in between.

        Asks the kernel, because the event loop may not have looked yet: what is sent to an upstream that has
        closed is lost.
        """
        poll = self._poll
        if poll is None:  # made here, for a connection with an event stream needs none
            polling = select.poll()
            polling.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
            poll = self._poll = polling.poll
        return not (self.transport.is_closing() or poll(0))

    def exchange(
        self, method: str, head: bytes, body: Body | bytes, deadlines: Deadlines, answered: Answered
    ) -> "SendingOnConnection":
        """Send a request with `method`, `head` and `body`, and call `answered` once with what comes of it.

        That is the answer when its head is complete, or the `UpstreamError`, or what reading `body` raised.
        `answered` must not raise; it is not called before this has returned.
        """
        self.is_busy = True
        self._exchanges += 1
        self._lasting = False
        self._deadlines = deadlines
        self._received = 0
        self._reader.expect(method)
        self._answered = answered
        if isinstance(body, bytes):
            self.transport.write(head + body if body else head)
        else:
            self.transport.write(head)
            self._pumping = self.loop.create_task(self._pump(body))
        return SendingOnConnection(self, self._exchanges)

    def give_up(self, exchange: int) -> None:
        """End that exchange, unless it is over: another one may be under way. `answered` is not called."""
        if self._exchanges == exchange and self.is_busy:
            self._answered = None
            if self._reader.body is not None:
                self._reader.body.close()
            self.abort()

    async def _pump(self, body: Body) -> None:
        """Send the body while the answer may be coming already; a body that breaks ends the exchange."""
        sent = 0
        try:
            async for data in body:
                if not data:
                    continue
                sent += len(data)
                if body.length is not None and sent > body.length:
                    raise BodyBroken("the request body is longer than announced")  # noqa: TRY301 - as other ends
                self.transport.write(chunk(data) if body.length is None else data)
                self._sent += 1
                if self.stalled:
                    await self.drain()
            if body.length is None:
                self.transport.write(LAST_CHUNK)
            elif sent != body.length:
                raise BodyBroken("the request body is shorter than announced")  # noqa: TRY301 - as other ends
        except Exception as error:  # noqa: BLE001 - the reader of the answer gets it, whatever it is
            self._end(error)
        self._pumping = None

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the pool."""
        super().connection_made(transport)
        self._pool.connections.add(self)
        connected = transport.get_extra_info("socket")
        keep_alive(connected)
        size = self._pool.limits.socket_buffer_bytes
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    def data_received(self, data: bytes) -> None:
        """Hand over the answer when its head is complete, and release the connection when its body is."""
        self._received += 1
        if not self.is_busy:
            self.abort()
            return
        reader = self._reader
        try:
            response = reader.feed(data)
            if response is not None and reader.body is not None and is_event_stream(response.headers):
                self._lasting = True
                self._pool.begin_stream(self)
        except (UpstreamProtocolError, StreamsExhausted) as error:
            self._end(error)
            return
        if response is None:
            if reader.complete:
                self._release()
            return
        answered, self._answered = self._answered, None
        if reader.complete:
            self._release()  # last but one, for it may begin the next exchange here
        if answered is not None:
            answered(response)

    def connection_lost(self, exc: Exception | None) -> None:
        """End what the upstream left unfinished."""
        self.let_go(exc)
        self._end(
            UpstreamProtocolError("the upstream closed within its head")
            if self._received
            else ConnectionClosed("the upstream closed")
        )
        self._pool.forget(self)

    def let_go(self, exc: Exception | None = None) -> None:
        """Tell the open answer and the pool that no more bytes will come."""
        self._reader.close(exc)

    # Ending.

    def _release(self) -> None:
        """Offer the connection for another request, if nothing of this one is left on the wire."""
        self.was_used = True
        if (
            self._pumping is not None
            or not self._reader.reusable
            or self.transport.is_closing()
            or self.transport.get_write_buffer_size()
        ):
            self.abort()
        else:
            if not self._reading:
                self._regulate()
            self.is_busy = False
            self._pool.release(self)

    def _end(self, error: Exception) -> None:
        answered, self._answered = self._answered, None
        self._reader.fail(error)
        self.abort()
        if answered is not None:
            answered(error)

    def abort(self) -> None:
        """Close now, whatever is in progress."""
        pumping, self._pumping = self._pumping, None
        if pumping is not None and pumping is not asyncio.current_task():
            pumping.cancel()
        self.is_busy = True
        self.transport.abort()

    def _regulate(self) -> None:
        """Read from the upstream only as fast as the body is consumed."""
        body = self._reader.body
        full = body is not None and body.full
        if full is self._reading and not self.transport.is_closing():
            self._reading = not full
            (self.transport.pause_reading if full else self.transport.resume_reading)()

    # Deadlines.

    def tick(self, now: float) -> None:
        """End an exchange in which the upstream is silent for too long, and close an unused connection."""
        limit = self._patience()
        body, deadlines = self._reader.body, self._deadlines
        # Until its head is complete an answer has not begun, whatever drips in.
        progress = self._sent - self.transport.get_write_buffer_size() // LOW_WATER
        if body is not None or not self.is_busy:
            progress += self._received
        silent = self._silence.lasts(((limit, self._exchanges), progress), now)
        if self._lasting and silent:
            self._reader.rest()
        if limit is not None and silent > limit:
            self._end(UpstreamTimeout(f"the upstream was silent for {limit:g} seconds"))
        elif body is not None and deadlines.body is not None and not self._lasting and body.waiting:
            # A body may come too slowly on the whole, although it never falls silent for long.
            silence = self._body_silence = self._body_silence or Silence()
            lasted = silence.lasts((None, self._exchanges), now)
            if lasted > deadlines.body + body.total / BODY_RATE:
                self._end(
                    UpstreamTimeout(
                        f"{body.total} bytes of the body took more than {deadlines.body:g} seconds"
                    )
                )

    def _patience(self) -> float | None:
        body = self._reader.body
        if not self.is_busy:
            return self._pool.limits.kept_seconds
        if self._pumping is not None and not self.stalled:
            return None  # the request's body is awaited: its sender has a deadline of its own
        if body is not None and not body.waiting:
            return self._pool.limits.abandoned_seconds
        return self._deadlines.stream if self._lasting else self._deadlines.idle


class SendingOnConnection:
    """One exchange on a connection, which may carry others before and after it."""

    __slots__ = ("_connection", "_exchange")

    def __init__(self, connection: UpstreamConnection, exchange: int) -> None:
        """`exchange` is its number on that connection."""
        self._connection = connection
        self._exchange = exchange

    def give_up(self) -> None:
        """End the exchange, unless it is over; an answer that has come is closed."""
        self._connection.give_up(self._exchange)
