"""Event streams that end with the token they were granted for, whether it expires or is revoked."""

import asyncio
import math
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


class Alarms:
    """Wake streams when it is time to: those that are due at about the same time, by one timer."""

    __slots__ = ("_due", "_resolution")

    def __init__(self, resolution: float = 0.25) -> None:
        """Streams that are due within the same `resolution` seconds are woken in the next such time."""
        self._resolution = resolution
        self._due: dict[int, set[WatchedStream]] = {}

    def set(self, stream: "WatchedStream", when: float) -> "set[WatchedStream]":
        """Wake `stream` at `when`, by the loop's clock, unless it is taken out of the returned set before."""
        number = math.ceil(when / self._resolution)
        due = self._due.get(number)
        if due is None:
            due = self._due[number] = set()
            asyncio.get_running_loop().call_at(number * self._resolution, self._ring, number)
        due.add(stream)
        return due

    def _ring(self, number: int) -> None:
        due = self._due.pop(number)
        self._wake(due, self._resolution / (len(due) or 1))

    def _wake(self, due: "set[WatchedStream]", pause: float) -> None:
        """Wake one after the other: if all put their questions at once, each would open a connection."""
        if due:
            due.pop().wake()
        if due:
            asyncio.get_running_loop().call_later(pause, self._wake, due, pause)


class WatchedStream(AsyncIterator[bytes]):
    """The chunks of a body until an instant, or until its token is refused: as if the server had ended it.

    The client asks again, with a token that is still good or without success: a stream is no way to outlive a
    token. When nobody can say whether it is good, the stream goes on until the next question; when nobody can
    say then either, it ends.

    Thousands of these wait at a time, each with one alarm for whatever comes first: a timer for each took a
    twentieth of the memory of a stream.
    """

    __slots__ = (
        "_alarm",
        "_alarms",
        "_ask",
        "_body",
        "_chunks",
        "_doubtful",
        "_ends",
        "_exchange",
        "_interval",
        "_is_to_ask",
        "_loop",
        "_task",
        "_waiting",
    )

    def __init__(
        self,
        body: Body,
        exchange: Exchange,
        lifetime: float | None,
        interval: float | None,
        ask: Ask,
        alarms: Alarms,
    ) -> None:
        """Begins at once; needs a running event loop. See `watch`."""
        self._body = body
        self._chunks = aiter(body)
        self._exchange: Exchange | None = exchange
        self._interval = interval
        self._ask = ask
        self._doubtful = False
        self._loop = asyncio.get_running_loop()
        self._ends = None if lifetime is None else self._loop.time() + lifetime
        self._task: asyncio.Task[None] | None = None
        self._alarms = alarms
        self._alarm: set[WatchedStream] | None = None
        self._is_to_ask = False
        """Whether the alarm is for the next question, not for the end."""
        self._waiting: asyncio.Timeout | None = None
        exchange.endings.append(self._stop)
        self._wait()

    async def __anext__(self) -> bytes:
        """The next chunk, while there is time."""
        if not self._is_over():
            try:
                async with asyncio.timeout(None) as waiting:
                    self._waiting = waiting
                    chunk = await anext(self._chunks)
            except TimeoutError:
                if not self._is_over():
                    raise
            else:
                if not self._is_over():
                    return chunk
            finally:
                self._waiting = None
        await self._body.aclose()
        raise StopAsyncIteration

    def end(self) -> None:
        """End the stream now, also while a chunk is waited for."""
        self._ends = self._loop.time()
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(self._ends)

    def _is_over(self) -> bool:
        return self._ends is not None and self._ends <= self._loop.time()

    def _wait(self) -> None:
        """Wait for the next question or the end, whichever comes first."""
        next_question = None if self._interval is None else self._loop.time() + self._interval
        if next_question is None or (self._ends is not None and self._ends <= next_question):
            self._wait_for_end()
        else:
            self._is_to_ask = True
            self._alarm = self._alarms.set(self, next_question)

    def _wait_for_end(self) -> None:
        self._is_to_ask = False
        self._alarm = None if self._ends is None else self._alarms.set(self, self._ends)

    def _stop(self, _: Exchange | None = None, __: Ending | None = None) -> None:
        """Let go of the exchange: it holds this object, and a circle would wait for the collector."""
        self._exchange = None
        self._cancel_alarm()

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.discard(self)
            self._alarm = None

    def wake(self) -> None:
        """Put the next question, or end: it is time to."""
        self._alarm = None
        if self._is_to_ask:
            self._wait_for_end()  # the answer may be a long time coming
            self._task = self._loop.create_task(self._check())
        else:
            self.end()

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
        self._cancel_alarm()
        if reason is None:
            self._wait()
            return
        log.info("an event stream is ended", reason=reason, transaction=exchange.transaction_id)
        self.end()
        self._stop()


def is_open_stream(response: Response) -> bool:
    """Whether `response` is an event stream that is still being sent."""
    return response.body.buffered is None and is_event_stream(response.headers)


def watch(
    exchange: Exchange,
    response: Response,
    lifetime: float | None,
    interval: float | None,
    ask: Ask,
    alarms: Alarms,
) -> None:
    """End the event stream in `response` after `lifetime` seconds, or when `ask` gives a reason to.

    `ask` is put each `interval` seconds. `None` for either: without end, never asked. `alarms` are shared by
    streams.
    """
    body = response.body
    stream = WatchedStream(body, exchange, lifetime, interval, ask, alarms)
    response.body = Body(None, stream, close=body.aclose)
