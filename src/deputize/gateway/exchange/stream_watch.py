"""Event streams that end with the token they were granted for, whether it expires or is revoked."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from deputize.gateway.exchange.expiring_body import ExpiringBody
from deputize.http.exchange import Ending, Exchange
from deputize.http.messages import Body, Response
from deputize.http.sse import is_event_stream

log = structlog.get_logger()
Ask = Callable[[Exchange], Awaitable[str | None]]
"""Why the token of an exchange is not accepted any more; `None` while it is.

Raises anything when that cannot be said.
"""


class StreamWatch:
    """Asks about the token of one open stream each `interval` seconds, and ends the stream when it is not
    accepted any more.

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

    def _stop(self, _: Ending | None = None) -> None:
        """The stream has ended.

        The exchange holds this object and so may not be held by it: a circle would wait for the collector.
        """
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
    """End the event stream in `response` after `lifetime` seconds, or when `ask`, put each `interval`
    seconds, says why.

    Either may be `None`: without end, never asked.
    """
    body = response.body
    stream = ExpiringBody(body, lifetime)
    if interval is not None:
        StreamWatch(stream, exchange, interval, ask)
    response.body = Body(None, stream, close=body.aclose)
