"""Writes the answers of one connection."""

import asyncio

import structlog

from deputize.http.connections import WriteFlow
from deputize.http.exchange import Exchange
from deputize.http.heads import CHUNKED, LAST_CHUNK, chunk, has_no_body, response_head
from deputize.http.listener.request_head import Refused
from deputize.http.listener.shared import Shared
from deputize.http.messages import BodyBroken, BodyTooLarge, HeaderError, Response
from deputize.http.sse import Boundary, is_event_stream
from deputize.kernel.errors import describe_failure

log = structlog.get_logger()


class AnswerFlow(WriteFlow):
    """Writes one answer after the other; `Connection` says when the last bytes of each may leave."""

    __slots__ = (
        "_answering",
        "_broken",
        "_close_after",
        "_events",
        "_lasting",
        "_listener",
        "_sent",
        "_task",
        "_unsent",
    )

    def __init__(self, listener: Shared) -> None:
        """Nothing has been sent."""
        super().__init__(listener.loop)
        self._listener = listener
        self._task: asyncio.Task[None] | None = None
        self._unsent: Response | None = None
        """A response whose task has not begun."""
        self._answering = False
        self._close_after = False
        self._lasting = False
        self._events: Boundary | None = None
        self._sent = 0
        self._broken: Refused | None = None
        """Why the request's body broke off."""

    def _is_to_close(self) -> bool:
        """Whether no other request will be answered here."""
        raise NotImplementedError

    def _conclude(self, exchange: Exchange, response: Response | None, last: bytes | None) -> None:
        """End the exchange with the `last` bytes of its answer; `None` when it breaks off."""
        raise NotImplementedError

    def _explain(self, exchange: Exchange, error: Exception) -> Response:
        if isinstance(error, BodyTooLarge):
            return Response(413)
        if self._broken is not None and isinstance(error, BodyBroken):
            return Response(self._broken.status)
        if isinstance(error, BodyBroken) and self.transport.is_closing():
            return Response(400)  # which nobody waits for: the client has left within its body
        log.error("the handler failed", transaction=exchange.transaction_id, **describe_failure(error))
        return Response(500)

    def _send(self, exchange: Exchange, response: Response) -> None:
        """Send the response, or begin to. Raises `HeaderError`, before anything has been sent."""
        listener, head = self._listener, exchange.received
        self._close_after = close = self._is_to_close()
        body, known = response.body, response.known
        content = body.buffered
        if known is not None and content and not close and head.method != "HEAD":
            self._answering = True
            self._sent = len(content)
            self._conclude(
                exchange, response, listener.known_heads.write(known, response, listener.date) + content
            )
            return
        # Without a framing line the body ends with the connection (RFC 9112 section 6.3).
        framing = CHUNKED if head.version == "1.1" else None
        if body.length is not None:
            framing = b"Content-Length: %d" % body.length
        written = response_head(head.method, response, listener.date, framing, close=close)
        self._answering = True
        if content is None:
            self._unsent = response
            self._task = self.loop.create_task(self._send_stream(exchange, response, written))
        elif not content or has_no_body(head.method, response.status):
            self._conclude(exchange, response, written)
        else:
            self._sent = len(content)
            self._conclude(exchange, response, written + content)

    async def _send_stream(self, exchange: Exchange, response: Response, head: bytes) -> None:
        """Pass chunks on as they come, and conclude with the last bytes.

        These are `None` when the body breaks or is not as long as announced. The piece that completes an
        announced body is kept until the body has ended and the exchange is recorded. All in one coroutine,
        for thousands of streams may be open, for hours.
        """
        self._unsent = None
        status, body = response.status, response.body
        is_bare, announced = has_no_body(exchange.received.method, status), body.length
        chunked = announced is None and exchange.received.version == "1.1"
        kept = LAST_CHUNK if chunked and not is_bare else b""
        last: bytes | None = None
        is_whole = False
        try:
            try:
                await self._wait_for_records()
                self.transport.write(head)
                if not is_bare:
                    self._begin_events(exchange, response)
                    del response, head  # what is open for hours keeps what it needs
                    async for data in body:
                        self._sent += len(data)
                        if announced is not None and self._sent > announced:
                            raise BodyBroken("the body is longer than announced")  # noqa: TRY301 - logged as others are
                        if announced is not None and self._sent == announced and data:
                            kept = data
                        elif data:
                            self.transport.write(chunk(data) if chunked else data)
                            if self._events is not None:
                                self._events.feed(data)
                        if self.stalled:
                            await self.drain()
                is_whole = is_bare or announced in {None, self._sent}
            except Exception as error:  # noqa: BLE001 - the head has left: breaking off is the only way to tell the client
                transaction, cause = exchange.transaction_id, type(error).__name__
                log.warning("a response broke off", transaction=transaction, reason=str(error), cause=cause)
            finally:
                self._end_events()
                await body.aclose()
            last = kept if is_whole else None
        except asyncio.CancelledError:
            # Nobody awaits this task. One that ends as cancelled keeps the frames it was cancelled in, and
            # these may lead to it.
            pass
        finally:
            self._conclude(exchange, Response(status, body=body), last)

    async def _send_instead(self, exchange: Exchange, response: Response, error: HeaderError) -> None:
        """Answer that a response cannot be sent."""
        self._unsent = None
        try:
            await response.body.aclose()
        except asyncio.CancelledError:
            self._conclude(exchange, None, None)
            return
        self._send(exchange, self._explain(exchange, error))

    def _begin_events(self, exchange: Exchange, response: Response) -> None:
        if not is_event_stream(response.headers):
            return
        self._lasting = True
        self._listener.gate.begin_stream()
        if exchange.comment_seconds is not None and _may_be_commented(response):
            self._events = Boundary()

    def _end_events(self) -> None:
        if self._lasting:
            self._lasting = False
            self._events = None
            self._listener.gate.end_stream()

    async def _wait_for_records(self) -> None:
        """Wait until everything recorded in this turn is written, for a stream the decision."""
        written: asyncio.Future[None] = self.loop.create_future()
        if self._listener.records.hold(lambda: None if written.done() else written.set_result(None)):
            await written


def _may_be_commented(response: Response) -> bool:
    """Whether a comment line changes neither the announced length nor what a decoder reads."""
    return response.body.length is None and "content-encoding" not in response.headers
