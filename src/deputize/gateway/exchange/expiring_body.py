"""A response body that ends when the token it was granted for does."""

import asyncio
from collections.abc import AsyncIterator

from deputize.http.messages import Body


class ExpiringBody(AsyncIterator[bytes]):
    """The chunks of `body` until an instant, or until `end()`.

    Then the stream ends as if the server had ended it.

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
        """Let the stream end now, also while a chunk is waited for."""
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
