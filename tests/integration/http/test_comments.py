"""Event streams that fall silent: a comment line now and then shows that the connection lives."""

import asyncio

import pytest

from deputize.http.messages import Body, Headers, Response

EVENTS = (b"Content-Type", b"text/event-stream")


class Stream:
    """What an upstream says, piece by piece."""

    def __init__(self, *headers, length=None, seconds=0.03):
        self.pieces = asyncio.Queue()
        self.headers = headers or (EVENTS,)
        self.length = length
        self.seconds = seconds

    async def handle(self, exchange):
        exchange.comment_seconds = self.seconds

        async def body():
            while (piece := await self.pieces.get()) is not None:
                yield piece

        return Response(200, Headers(self.headers), Body(None, body(), self.length))


async def opened(loopback, stream, version=b"1.1"):
    listener = await loopback.listen(stream)
    wire = await loopback.connect(listener.port)
    await wire.send(b"GET / HTTP/%b\r\nHost: a\r\n\r\n" % version)
    return wire, await wire.head()


async def is_silent(wire):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.09):
            await wire.reader.read(1)
    return True


async def test_a_silent_stream_gets_comments_from_its_beginning_on(loopback):
    wire, (status, _) = await opened(loopback, Stream())
    assert (status, [await wire.chunk() for _ in range(3)]) == (200, [b":\n"] * 3)


@pytest.mark.parametrize("piece", [b"data: a\n\n", b"data: a\r\n\r\n", b"data: a\n\r\n", b"data: a\r\r\n", b"data: a\r\n\n", b":abc\n\n"])
async def test_they_stand_between_events_only(loopback, piece):
    stream = Stream()
    wire, _ = await opened(loopback, stream)
    for part in (piece[:3], piece[3:-1], piece[-1:]):
        if part:
            stream.pieces.put_nowait(part)
            assert await wire.chunk() == part
            if part != piece[-1:]:
                assert await is_silent(wire)
    assert await wire.chunk() == b":\n"
    stream.pieces.put_nowait(None)
    assert await wire.chunk() == b""


@pytest.mark.parametrize("piece", [b"data: a\r\r", b"data: a\n\r", b"data: a\r\n\r", b"data: a\n", b"data: a"])
async def test_and_never_where_a_line_or_its_end_may_go_on(loopback, piece):
    stream = Stream()
    wire, _ = await opened(loopback, stream)
    stream.pieces.put_nowait(piece)
    assert await wire.chunk() == piece
    assert await is_silent(wire)


@pytest.mark.parametrize(
    "stream",
    [
        Stream((b"Content-Type", b"application/json")),
        Stream((b"Content-Type", b"text/event-streams")),
        Stream(EVENTS, (b"Content-Encoding", b"gzip")),
        Stream(EVENTS, length=4),
        Stream(seconds=None),
    ],
)
async def test_other_answers_get_none(loopback, stream):
    stream.pieces = asyncio.Queue()
    wire, _ = await opened(loopback, stream)
    assert await is_silent(wire)


async def test_a_client_of_http_1_0_gets_them_bare(loopback):
    wire, _ = await opened(loopback, Stream(), b"1.0")
    assert await wire.reader.readexactly(4) == b":\n:\n"


async def test_events_in_between_put_them_off(loopback):
    stream = Stream(seconds=0.2)
    wire, _ = await opened(loopback, stream)
    for _ in range(6):
        await asyncio.sleep(0.06)
        stream.pieces.put_nowait(b"data: a\n\n")
        assert await wire.chunk() == b"data: a\n\n"
