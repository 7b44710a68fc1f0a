"""One connection to an upstream: a request, its answer, and so on."""

import asyncio
import select
import socket
from typing import TYPE_CHECKING

from deputize.http.connections import LOW_WATER, Silence, WriteFlow, keep_alive
from deputize.http.heads import LAST_CHUNK, chunk
from deputize.http.messages import Body, BodyBroken, Request, Response
from deputize.http.received_body import ReceivedBody
from deputize.http.sse import is_event_stream
from deputize.http.upstream.errors import (
    ConnectionClosed,
    StreamsExhausted,
    UpstreamProtocolError,
    UpstreamTimeout,
)
from deputize.http.upstream.limits import BODY_RATE, Deadlines
from deputize.http.upstream.response_reader import ResponseReader

if TYPE_CHECKING:
    from deputize.http.upstream.pool import Pool


class UpstreamConnection(WriteFlow):
    """Carries one exchange at a time; goes back to its pool by itself when an answer is complete."""

    __slots__ = (
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
        "_waiter",
        "is_busy",
        "was_used",
    )

    def __init__(self, pool: "Pool") -> None:
        """A connection of `pool`."""
        super().__init__(pool.loop)
        self._pool = pool
        self._reader = ResponseReader(self.loop, pool.limits.head_bytes, self._regulate, self.abort)
        self._waiter: asyncio.Future[Response] | None = None
        self._pumping: asyncio.Task[None] | None = None
        self._deadlines = Deadlines()
        self._lasting = False
        self._exchanges = 0
        self._poll = select.poll()
        self._reading = True
        self._received = 0
        self._sent = 0
        self._silence = Silence()
        self._body_silence = Silence()
        self.is_busy = True
        self.was_used = False

    @property
    def is_fit(self) -> bool:
        """Whether an exchange may begin here.

        The upstream has neither closed nor said anything since the last one ended.

        Asks the kernel, because the event loop may not have looked yet: what is sent to an upstream that has
        closed is lost.
        """
        return not (self.transport.is_closing() or self._poll.poll(0))

    def exchange(self, head: bytes, request: Request, deadlines: Deadlines) -> asyncio.Future[Response]:
        """Send `request`, whose head is `head`.

        The future is the answer with its head complete, or an `UpstreamError`.

        Whoever does not wait for it any longer calls `give_up`.
        """
        self.is_busy = True
        self._exchanges += 1
        self._lasting = False
        self._deadlines = deadlines
        self._received = 0
        self._reader.expect(request.method)
        self._waiter = waiter = self.loop.create_future()
        content = request.body.buffered
        if content is None:
            self.transport.write(head)
            self._pumping = self.loop.create_task(self._pump(request.body))
        else:
            self.transport.write(head + content if content else head)
        return waiter

    async def give_up(self, waiter: asyncio.Future[Response]) -> None:
        """End the exchange that `waiter` stands for, unless it is over.

        Then another one may be under way here.
        """
        if self._waiter is waiter:
            self.abort()
        elif not waiter.cancelled() and waiter.exception() is None:
            await waiter.result().body.aclose()

    async def _pump(self, body: Body) -> None:
        """Send the body as it comes, while the answer may be coming already.

        A body that breaks ends the exchange.
        """
        try:
            await self._send_pieces(body)
        except Exception as error:  # noqa: BLE001 - the reader of the answer gets it, whatever it is
            self._end(error)
        self._pumping = None

    async def _send_pieces(self, body: Body) -> None:
        sent = 0
        async for data in body:
            if not data:
                continue
            sent += len(data)
            if body.length is not None and sent > body.length:
                raise BodyBroken("the request body is longer than announced")
            self.transport.write(chunk(data) if body.length is None else data)
            self._sent += 1
            if self.stalled:
                await self.drained()
        if body.length is None:
            self.transport.write(LAST_CHUNK)
        elif sent != body.length:
            raise BodyBroken("the request body is shorter than announced")

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the pool."""
        super().connection_made(transport)
        self._pool.connections.add(self)
        connected = transport.get_extra_info("socket")
        self._poll.register(connected.fileno(), select.POLLIN)
        keep_alive(connected)
        size = self._pool.limits.socket_buffer_bytes
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    def data_received(self, data: bytes) -> None:
        """Parse.

        Hand the answer over when its head is complete, and the connection back when all of it is.
        """
        self._received += 1
        if not self.is_busy:
            self.abort()
            return
        reader = self._reader
        try:
            reader.feed(data)
        except UpstreamProtocolError as error:
            self._end(error)
            return
        response = reader.take()
        if response is not None and self._waiter is not None:
            if reader.body is not None and is_event_stream(response.headers):
                self._lasting = True
                self._hand_over_stream(response)
            else:
                self._hand_over(response)
        if reader.complete:
            self._release()

    def _hand_over_stream(self, response: Response) -> None:
        try:
            self._pool.begin_stream(self)
        except StreamsExhausted as error:
            self._end(error)
        else:
            self._hand_over(response)

    def _hand_over(self, response: Response) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(response)

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
        """No bytes will come, or none any more."""
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
            self._regulate()
            self.is_busy = False
            self._pool.release(self)

    def _end(self, error: Exception) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        self._reader.fail(error)
        self.abort()

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
        """End an exchange in which the upstream has been silent for too long, and a connection nobody has
        used.
        """
        limit = self._patience()
        body = self._reader.body
        # Until its head is complete an answer has not begun, whatever drips in.
        progress = self._sent - self.transport.get_write_buffer_size() // LOW_WATER
        if body is not None or not self.is_busy:
            progress += self._received
        silent = self._silence.lasts(((limit, self._exchanges), progress), now)
        if limit is not None and silent > limit:
            self._end(UpstreamTimeout(f"the upstream was silent for {limit:g} seconds"))
        elif body is not None and self._drips(body, now):
            self._end(
                UpstreamTimeout(
                    f"{body.total} bytes of the body took more than {self._deadlines.body:g} seconds"
                )
            )

    def _drips(self, body: ReceivedBody, now: float) -> bool:
        """Whether a body comes too slowly on the whole, although it never falls silent for long."""
        limit = self._deadlines.body
        if limit is None or self._lasting or not body.waiting:
            return False
        return self._body_silence.lasts((None, self._exchanges), now) > limit + body.total / BODY_RATE

    def _patience(self) -> float | None:
        body = self._reader.body
        if not self.is_busy:
            return self._pool.limits.kept_seconds
        if self._pumping is not None and not self.stalled:
            return None  # the request's body is awaited: its sender has a deadline of its own
        if body is not None and not body.waiting:
            return self._pool.limits.abandoned_seconds
        return self._deadlines.stream if self._lasting else self._deadlines.idle
