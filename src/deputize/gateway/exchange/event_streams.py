"""Event streams that end with the token they were granted for, whether it expires or is revoked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from deputize.http.exchange import Ending, Exchange
from deputize.http.messages import Body, Response
from deputize.http.sse import is_event_stream

log = structlog.get_logger()
Ask = Callable[[Exchange], Awaitable[str | None]]
"""Why the token of an exchange is not accepted any more; `None` while it is.

Raises anything when that cannot be said.
"""


class ExpiringBody(AsyncIterator[bytes]):
    """The chunks of `body` until an instant, or until `end()`: then as if the server had ended the stream.

    The client asks again, with a token that is still good or without success: a stream is no way to outlive a
    token.
    """

    def __init__(self, body: Body, seconds: float | None) -> None:
        """`seconds` from now, `None` without limit. Needs a running event loop."""
        self._body = body
        self._chunks = aiter(body)
        self._loop = asyncio.get_running_loop()
        self._ends = None if seconds is None else self._loop.time() + seconds
        self._waiting: asyncio.Timeout | None = None

    def end(self) -> None:
        """End the stream now, also while a chunk is waited for."""
        self._ends = self._loop.time()
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(self._ends)

    async def __anext__(self) -> bytes:
        """The next chunk, while there is time."""
        deadline = asyncio.timeout_at(self._ends)
        try:
            async with deadline:
                self._waiting = deadline
                chunk = await anext(self._chunks)
        except TimeoutError:
            if not deadline.expired():
                raise
        else:
            if self._ends is None or self._loop.time() < self._ends:
                return chunk
        finally:
            self._waiting = None
        await self._body.aclose()
        raise StopAsyncIteration


class StreamWatch:
    """Asks about the token of one open stream each `interval` seconds; ends the stream once it is refused.

    When that cannot be said, the stream goes on until the next question; when it cannot be said then either,
    it ends.
    """

    def __init__(self, stream: ExpiringBody, exchange: Exchange, interval: float, ask: Ask) -> None:
        """Begins at once; needs a running event loop."""
        self._stream = stream
        self._exchange: Exchange | None = exchange
        self._interval = interval
        self._ask = ask
        self._doubtful = False
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(interval, self._begin)
        exchange.endings.append(self._stop)

    def _stop(self, _: Exchange | None = None, __: Ending | None = None) -> None:
        """Let go of the exchange: it holds this object, and a circle would wait for the collector."""
        self._exchange = None
        self._timer.cancel()

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._check())

    async def _check(self) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        try:
            reason = await self._ask(exchange)
            self._doubtful = False
        except Exception as error:  # noqa: BLE001 - whatever keeps the answer away, a stream does not outlive its token
            log.warning(
                "the token of an event stream cannot be checked",
                reason=str(error),
                transaction=exchange.transaction_id,
            )
            reason = "nobody can say whether the token is still active" if self._doubtful else None
            self._doubtful = True
        self._task = None
        if self._exchange is None:
            return
        if reason is None:
            self._timer = self._loop.call_later(self._interval, self._begin)
            return
        log.info("an event stream is ended", reason=reason, transaction=exchange.transaction_id)
        self._stream.end()
        self._stop()


def is_open_stream(response: Response) -> bool:
    """Whether `response` is an event stream that is still being sent."""
    return response.body.buffered is None and is_event_stream(response.headers)


def watch(
    exchange: Exchange, response: Response, lifetime: float | None, interval: float | None, ask: Ask
) -> None:
    """End the event stream in `response` after `lifetime` seconds, or when `ask` gives a reason to.

    `ask` is put each `interval` seconds. `None` for either: without end, never asked.
    """
    body = response.body
    stream = ExpiringBody(body, lifetime)
    if interval is not None:
        StreamWatch(stream, exchange, interval, ask)
    response.body = Body(None, stream, close=body.aclose)
