"""Body bytes between the protocol that receives them and the one reader that consumes them."""

import asyncio
import sys
from collections.abc import Callable

from deputize.http.messages import Body, BodyBroken

HIGH_WATER = 32 * 1024
"""Buffered bytes above which the connection stops reading."""


def nothing() -> None:
    """Do nothing: the callback of a body whose connection is gone or has nothing to do."""


class ReceivedBody:
    """An asynchronous iterator of chunks, fed by a protocol.

    `flow_changed` is called when `full` changes, `first_wait` when a reader first finds nothing (a server
    then sends 100 Continue), `given_up` when the reader closes before the end.
    """

    __slots__ = (
        "_chunks",
        "_error",
        "_first_wait",
        "_flow_changed",
        "_given_up",
        "_loop",
        "_size",
        "_waiter",
        "ended",
        "full",
        "total",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        flow_changed: Callable[[], None],
        given_up: Callable[[], None] = nothing,
        first_wait: Callable[[], None] = nothing,
    ) -> None:
        """Start empty and open."""
        self._loop = loop
        self._flow_changed = flow_changed
        self._given_up = given_up
        self._first_wait = first_wait
        self._chunks: list[bytes] = []
        self._size = 0
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.total = 0
        self.full = False
        self.ended = False

    @property
    def waiting(self) -> bool:
        """Whether a reader waits for bytes that have not come."""
        return self._waiter is not None

    def feed(self, data: bytes) -> None:
        """Take bytes that have come; a reader that gave up does not get them."""
        if self.ended:
            return
        self._chunks.append(data)
        self._size += len(data)
        self.total += len(data)
        if self._size > HIGH_WATER and not self.full:
            self.full = True
            self._flow_changed()
        self._wake()

    def end(self) -> None:
        """Mark the body as complete."""
        self.ended = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """Mark the body as broken: `error` is raised to the reader after the bytes that have come already."""
        if not self.ended:
            self.ended = True
            self._error = error
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None:
            if not self._waiter.done():
                self._waiter.set_result(None)
            self._waiter = None

    def __aiter__(self) -> "ReceivedBody":
        return self

    async def __anext__(self) -> bytes:
        """Return everything that has come since the last call, waiting until something has."""
        while not self._chunks:
            if self._error is not None:
                raise self._take_error()
            if self.ended:
                raise StopAsyncIteration
            self._first_wait()
            self._first_wait = nothing
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        self._size = 0
        if self.full:
            self.full = False
            self._flow_changed()
        return data

    def _take_error(self) -> Exception:
        """Return why the body broke off; only once, for the error's traceback will lead back to this body."""
        error, self._error = self._error, BodyBroken("the body broke off before")
        return error or self._error

    async def aclose(self) -> None:
        """Give up what has not come yet."""
        self.close()

    def close(self) -> None:
        """Close like `aclose`, where nothing can be awaited."""
        if not self.ended:
            self.ended = True
            self._chunks.clear()
            self._given_up()


class StreamedBody(Body):
    """A body that is still being received, and given up when it is closed or collected.

    Whoever was to pass it on may have failed or been cancelled in between.
    """

    __slots__ = ("_received",)

    def __init__(self, received: ReceivedBody, length: int | None) -> None:
        """`length` is what was announced, if anything."""
        super().__init__(None, received, length)
        self._received = received

    async def aclose(self) -> None:
        """Give up what has not come yet."""
        self._received.close()

    def __del__(self) -> None:
        if not sys.is_finalizing():  # then there is no event loop any longer
            self._received.close()
