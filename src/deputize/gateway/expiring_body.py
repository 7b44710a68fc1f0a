"""A response body that ends when the token it was granted for does."""

import asyncio
from collections.abc import AsyncIterator

from deputize.http.messages import Body


class ExpiringBody(AsyncIterator[bytes]):
    """The chunks of `body` until `seconds` from now; then the stream ends as if the server had ended it.

    The client asks again, with a token that is still good or without success: a stream is no way to outlive a token.
    """

    def __init__(self, body: Body, seconds: float) -> None:
        """Needs a running event loop."""
        self._body = body
        self._chunks = aiter(body)
        self._loop = asyncio.get_running_loop()
        self._ends = self._loop.time() + seconds

    async def __anext__(self) -> bytes:
        """The next chunk, while there is time."""
        deadline = asyncio.timeout_at(self._ends)
        try:
            async with deadline:
                chunk = await anext(self._chunks)
        except TimeoutError:
            if not deadline.expired():
                raise
        else:
            if self._loop.time() < self._ends:
                return chunk
        await self._body.aclose()
        raise StopAsyncIteration


def expiring(body: Body, seconds: float) -> Body:
    """`body`, cut off after `seconds`; bytes that are at hand already are left as they are."""
    if body.buffered is not None:
        return body
    return Body(None, ExpiringBody(body, seconds), close=body.aclose)
