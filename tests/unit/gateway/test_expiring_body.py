import asyncio

import pytest

from deputize.gateway.expiring_body import expiring
from deputize.http.messages import Body


class Stream:
    """Gives some chunks, then stays silent, fails or ends."""

    def __init__(self, *chunks, then="silence"):
        self.chunks, self.then, self.closed = chunks, then, False

    async def _produce(self):
        for chunk in self.chunks:
            yield chunk
        if self.then == "silence":
            await asyncio.Event().wait()
        if self.then == "timeout":
            raise TimeoutError("the server's own")

    async def _close(self):
        self.closed = True

    def body(self):
        return Body(None, self._produce(), close=self._close)


async def collected(body):
    return [chunk async for chunk in body]


async def test_a_silent_stream_ends_in_time_and_is_closed():
    stream = Stream(b"a", b"b")
    assert await collected(expiring(stream.body(), 0.02)) == [b"a", b"b"]
    assert stream.closed


async def test_a_busy_stream_ends_in_time():
    stream = Stream(*[b"x"] * 10)
    assert len(await collected(expiring(stream.body(), -1))) <= 1
    assert stream.closed


async def test_a_stream_that_ends_by_itself_is_passed_on_whole():
    stream = Stream(b"a", b"b", then="end")
    assert await collected(expiring(stream.body(), 60)) == [b"a", b"b"]


async def test_the_servers_own_timeout_is_not_the_end_of_the_token():
    with pytest.raises(TimeoutError, match="own"):
        await collected(expiring(Stream(b"a", then="timeout").body(), 60))


async def test_giving_up_closes_the_stream():
    stream = Stream(b"a")
    body = expiring(stream.body(), 60)
    await body.aclose()
    assert stream.closed


def test_bytes_at_hand_stay():
    body = Body(b"x")
    assert expiring(body, 0) is body
