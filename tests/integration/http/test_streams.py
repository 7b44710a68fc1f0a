"""Event streams last: they have a bound of their own, so that calls never wait for one to end."""

import asyncio
import random

import pytest

from deputize.http.messages import Body, Headers, Request
from deputize.http.upstream import PoolExhausted, StreamsExhausted, UpstreamError
from deputize.kernel.uris import Target
from support.patience import PATIENCE

CALLED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BEGUN = (
    b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\nTransfer-Encoding: "
    b"chunked\r\n\r\n3\r\n:a\n\r\n"
)
ENDED = b"0\r\n\r\n"


class McpServer:
    """Answers GET with an event stream that lasts until it is told, POST at once."""

    def __init__(self):
        self.connections = 0
        self.end = asyncio.Event()
        self.cut = False

    async def talk(self, reader, writer):
        self.connections += 1
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"POST"):
                writer.write(CALLED)
                continue
            writer.write(BEGUN)
            await self.end.wait()
            if self.cut:
                return
            writer.write(ENDED)


def opening(origin):
    return Request("GET", Target("/mcp", None), Headers(), Body(), origin)


def call(origin):
    return Request("POST", Target("/mcp", None), Headers(), Body(b"{}"), origin)


async def test_two_hundred_open_streams_keep_no_call_waiting(loopback):
    server = McpServer()
    proxy = await loopback.proxy(await loopback.server(server.talk))
    wires = []
    for _ in range(200):
        wire = await loopback.connect(proxy.port)
        await wire.send(b"GET /mcp HTTP/1.1\r\nHost: a\r\n\r\n")
        wires.append(wire)
    for wire in wires:
        assert (await wire.head())[0] == 200
        assert await wire.chunk() == b":a\n"
    async with asyncio.timeout(0.5):
        assert (
            await loopback.ask(proxy.port, b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
        )[2] == b"ok"


async def test_one_stream_too_many_is_refused_and_calls_go_on(loopback, eventually):
    server = McpServer()
    origin = await loopback.server(server.talk)
    upstream = loopback.upstream(connections=1, streams=2)
    held = [await upstream.send(opening(origin)) for _ in range(2)]
    with pytest.raises(StreamsExhausted, match="2 event streams"):
        await upstream.send(opening(origin))
    assert (await upstream.send(call(origin))).status == 200
    await held.pop().body.aclose()
    await eventually(lambda: len(upstream._pools[origin].connections) == 2)
    held.append(await upstream.send(opening(origin)))
    with pytest.raises(StreamsExhausted):
        await upstream.send(opening(origin))


@pytest.mark.parametrize("cut", [False, True])
async def test_streams_that_end_make_room_for_others(loopback, eventually, cut):
    server = McpServer()
    origin = await loopback.server(server.talk)
    upstream = loopback.upstream(connections=2, streams=3)
    for _ in range(3):
        server.end.clear()
        server.cut = cut
        held = [await upstream.send(opening(origin)) for _ in range(3)]
        with pytest.raises(StreamsExhausted):
            await upstream.send(opening(origin))
        server.end.set()
        for response in held:
            try:
                assert await response.body.read(100) == b":a\n"
            except UpstreamError:
                assert cut
        await eventually(lambda: not upstream._pools or not upstream._pools[origin]._streams)


async def test_the_connection_of_an_ended_stream_serves_the_next_call(loopback):
    server = McpServer()
    server.end.set()
    origin = await loopback.server(server.talk)
    upstream = loopback.upstream(connections=1)
    for _ in range(5):
        assert await (await upstream.send(opening(origin))).body.read(100) == b":a\n"
        assert (await upstream.send(call(origin))).status == 200
    assert server.connections == 1


async def test_a_call_that_waits_takes_the_place_of_a_stream_that_begins(loopback, eventually):
    asked = []

    async def talk(reader, writer):
        asked.append(writer)
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST"):
            writer.write(CALLED)
        await reader.read()

    origin = await loopback.server(talk)
    upstream = loopback.upstream(connections=1, waiting=1)
    stream = asyncio.ensure_future(upstream.send(opening(origin)))
    await eventually(lambda: asked)
    waiting = asyncio.ensure_future(upstream.send(call(origin)))
    await asyncio.sleep(0)
    with pytest.raises(PoolExhausted):
        await upstream.send(call(origin))
    asked[0].write(BEGUN)
    assert (await waiting).status == (await stream).status == 200


async def whimsical(reader, writer, chance):
    """A server whose streams end well, break, or last; and which sometimes closes between answers."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(CALLED if head.startswith(b"POST") else BEGUN)
        if head.startswith(b"GET"):
            await asyncio.sleep(chance.random() * 0.004)
            manner = chance.choice(["ends", "breaks", "lasts"])
            if manner == "lasts":
                await reader.read()
            if manner != "ends":
                return
            writer.write(ENDED)
        elif chance.random() < 0.1:
            return


async def test_the_places_add_up_however_streams_and_calls_end(loopback, eventually):
    chance = random.Random(64)
    origin = await loopback.server(lambda reader, writer: whimsical(reader, writer, chance))
    upstream = loopback.upstream(connections=3, streams=4, kept_seconds=0.1)
    done = {"called": 0, "read": 0, "refused": 0, "left": 0}

    async def client():
        for _ in range(chance.randrange(1, 8)):
            request = chance.choice([opening, call])(origin)
            try:
                response = await upstream.send(request)
            except StreamsExhausted:
                done["refused"] += 1
                continue
            except UpstreamError:
                continue
            try:
                for pool in upstream._pools.values():
                    assert (len(pool._streams) <= 4, pool._open <= 3, pool.connections >= pool._streams) == (
                        True,
                        True,
                        True,
                    )
                if request.method == "POST":
                    done["called"] += 1
                elif chance.random() < 0.5:
                    async with asyncio.timeout(0.01):
                        await response.body.read(100)
                    done["read"] += 1
            except (UpstreamError, TimeoutError):
                done["left"] += 1
            finally:
                await response.body.aclose()

    rounds = 0
    async with asyncio.timeout(PATIENCE):
        while rounds < 6 or not all(done.values()):  # on a busy machine some things happen later
            async with asyncio.TaskGroup() as clients:
                for _ in range(12):
                    clients.create_task(client())
            rounds += 1
    await eventually(lambda: not upstream._pools)


async def test_a_silent_stream_goes_on_with_its_connection_as_before(loopback, eventually):
    """Its parser is dropped meanwhile."""
    server = McpServer()
    origin = await loopback.server(server.talk)
    upstream = loopback.upstream()
    response = await upstream.send(opening(origin))
    (connection,) = upstream._pools[origin].connections
    await eventually(lambda: connection._reader._resting)
    server.end.set()
    assert await asyncio.wait_for(response.body.read(100), PATIENCE) == b":a\n"
    assert (await upstream.send(call(origin))).status == 200
    assert server.connections == 1


async def test_a_stream_that_nobody_holds_any_longer_is_closed(loopback, eventually):
    server = McpServer()
    upstream = loopback.upstream()
    response = await upstream.send(opening(await loopback.server(server.talk)))
    assert await anext(aiter(response.body)) == b":a\n"
    del response
    await eventually(lambda: not upstream._pools)
