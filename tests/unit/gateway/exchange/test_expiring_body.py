import asyncio

import pytest

from deputize.gateway.exchange.expiring_body import ExpiringBody
from deputize.http.messages import Body
from support.patience import PATIENCE


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


def expiring(stream, seconds):
    return ExpiringBody(stream.body(), seconds)


async def collected(body):
    return [chunk async for chunk in body]


async def test_a_silent_stream_ends_in_time_and_is_closed():
    stream = Stream(b"a", b"b")
    assert await collected(expiring(stream, 0.02)) == [b"a", b"b"]
    assert stream.closed


async def test_a_busy_stream_ends_in_time():
    stream = Stream(*[b"x"] * 10)
    assert len(await collected(expiring(stream, -1))) <= 1
    assert stream.closed


async def test_a_stream_that_ends_by_itself_is_passed_on_whole():
    for seconds in (60, None):
        assert await collected(expiring(Stream(b"a", b"b", then="end"), seconds)) == [b"a", b"b"]


@pytest.mark.parametrize("seconds", [60, None])
async def test_a_silent_stream_can_be_ended_from_outside(seconds):
    stream = Stream(b"a")
    body = expiring(stream, seconds)
    assert await anext(body) == b"a"
    waiting = asyncio.ensure_future(anext(body, "over"))
    await asyncio.sleep(0)
    body.end()
    assert await asyncio.wait_for(waiting, PATIENCE) == "over"
    assert stream.closed


async def test_a_stream_ended_between_chunks_gives_no_more():
    stream = Stream(b"a", b"b")
    body = expiring(stream, None)
    assert await anext(body) == b"a"
    body.end()
    assert await collected(body) == []
    assert stream.closed


async def test_the_servers_own_timeout_is_not_the_end_of_the_token():
    with pytest.raises(TimeoutError, match="own"):
        await collected(expiring(Stream(b"a", then="timeout"), 60))
