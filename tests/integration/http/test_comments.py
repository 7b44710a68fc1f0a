"""Event streams that fall silent: a comment line now and then shows that the connection lives.

Time is told, not waited for.
"""

import asyncio

import pytest

from deputize.http.messages import Body, Headers, Response

EVENTS = (b"Content-Type", b"text/event-stream")
SECONDS = 15.0


class Stream:
    """What an upstream says, piece by piece, and a client that listens."""

    def __init__(self, *headers, length=None, seconds=SECONDS):
        self.pieces = asyncio.Queue()
        self.headers = headers or (EVENTS,)
        self.length = length
        self.seconds = seconds
        self.now = 1000.0

    async def handle(self, exchange):
        exchange.comment_seconds = self.seconds

        async def body():
            while (piece := await self.pieces.get()) is not None:
                yield piece

        return Response(200, Headers(self.headers), Body(None, body(), self.length))

    async def open(self, loopback, version=b"1.1"):
        listener = await loopback.listen(self, tick_seconds=3600)
        self.wire = await loopback.connect(listener.port)
        await self.wire.send(b"GET / HTTP/%b\r\nHost: a\r\n\r\n" % version)
        assert (await self.wire.head())[0] == 200
        (self.connection,) = listener._connections
        self.pass_time(0)
        return self

    def pass_time(self, seconds):
        self.now += seconds
        self.connection.tick(self.now)

    async def say(self, piece):
        """Say it; nothing but that is what the client gets next, so that nothing has been put in before."""
        self.pieces.put_nowait(piece)
        assert await self.wire.chunk() == piece
        self.pass_time(0)


async def test_a_silent_stream_gets_comments_from_its_beginning_on(loopback):
    stream = await Stream().open(loopback)
    for _ in range(3):
        stream.pass_time(SECONDS)
        assert await stream.wire.chunk() == b":\n"
        stream.pass_time(0)


@pytest.mark.parametrize(
    "piece",
    [b"data: a\n\n", b"data: a\r\n\r\n", b"data: a\n\r\n", b"data: a\r\r\n", b"data: a\r\n\n", b":abc\n\n"],
)
async def test_they_stand_between_events_only(loopback, piece):
    stream = await Stream().open(loopback)
    for part in (piece[:3], piece[3:-1], piece[-1:]):
        await stream.say(part)
        stream.pass_time(SECONDS)
    assert await stream.wire.chunk() == b":\n"
    stream.pieces.put_nowait(None)
    assert await stream.wire.chunk() == b""


@pytest.mark.parametrize(
    "piece", [b"data: a\r\r", b"data: a\n\r", b"data: a\r\n\r", b"data: a\n", b"data: a"]
)
async def test_and_never_where_a_line_or_its_end_may_go_on(loopback, piece):
    stream = await Stream().open(loopback)
    await stream.say(piece)
    for _ in range(3):
        stream.pass_time(SECONDS)
    await stream.say(b"\n\n")


OTHERS = [
    {"headers": [(b"Content-Type", b"application/json")]},
    {"headers": [(b"Content-Type", b"text/event-streams")]},
    {"headers": [EVENTS, (b"Content-Encoding", b"gzip")]},
    {"headers": [EVENTS], "length": 4},
    {"headers": [EVENTS], "seconds": None},
]


@pytest.mark.parametrize("other", OTHERS)
async def test_other_answers_get_none(loopback, other):
    stream = await Stream(
        *other["headers"], length=other.get("length"), seconds=other.get("seconds", SECONDS)
    ).open(loopback)
    for _ in range(3):
        stream.pass_time(SECONDS)
    stream.pieces.put_nowait(b"last")
    if "length" in other:
        stream.pieces.put_nowait(None)
        assert await stream.wire.reader.readexactly(4) == b"last"
    else:
        assert await stream.wire.chunk() == b"last"


async def test_a_client_of_http_1_0_gets_them_bare(loopback):
    stream = await Stream().open(loopback, b"1.0")
    for _ in range(2):
        stream.pass_time(SECONDS)
        stream.pass_time(0)
    assert await stream.wire.reader.readexactly(4) == b":\n:\n"


async def test_events_in_between_put_them_off(loopback):
    stream = await Stream().open(loopback)
    for _ in range(6):
        stream.pass_time(SECONDS - 1)
        await stream.say(b"data: a\n\n")
