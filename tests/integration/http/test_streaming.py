"""Streams through listener and upstream: event by event, and closing one side closes the other."""

import asyncio
import statistics
import time
import weakref

from deputize.http.listener import request_reader
from deputize.http.messages import Body, Headers, Response
from support.patience import PATIENCE

GET = b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def event(number):
    data = b"data: %d\n\n" % number
    return b"%x\r\n%b\r\n" % (len(data), data)


async def test_a_thousand_events_pass_one_by_one(loopback, record_property):
    """The upstream produces an event only after the client has got the one before."""
    got = asyncio.Queue()
    produced = []

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD)
        for number in range(1000):
            produced.append(time.perf_counter())
            writer.write(event(number))
            assert await asyncio.wait_for(got.get(), PATIENCE) == number
        writer.write(b"0\r\n\r\n")
        await reader.read()

    proxy = await loopback.proxy(await loopback.server(talk))
    wire = await loopback.connect(proxy.port)
    await wire.send(GET)
    status, fields = await wire.head()
    assert (status, fields["content-type"], fields["transfer-encoding"]) == (
        200,
        "text/event-stream",
        "chunked",
    )
    latencies = []
    for number in range(1000):
        assert await wire.chunk() == b"data: %d\n\n" % number
        latencies.append(time.perf_counter() - produced[number])
        got.put_nowait(number)
    assert await wire.chunk() == b""
    record_property("first_event_ms", round(latencies[0] * 1000, 2))
    record_property("median_event_ms", round(statistics.median(latencies) * 1000, 2))
    record_property("slowest_event_ms", round(max(latencies) * 1000, 2))


class StreamingServer:
    """Opens a stream for every request and counts those that are open."""

    def __init__(self):
        self.open = 0
        self.seen = 0
        self.end = asyncio.Event()

    async def talk(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        self.open += 1
        self.seen += 1
        writer.write(HEAD + event(0))
        left = asyncio.ensure_future(reader.read())
        ending = asyncio.ensure_future(self.end.wait())
        await asyncio.wait([left, ending], return_when=asyncio.FIRST_COMPLETED)
        left.cancel()
        ending.cancel()
        self.open -= 1
        writer.transport.abort()


async def test_clients_that_leave_close_fifty_upstream_streams(loopback, eventually):
    server = StreamingServer()
    upstream = loopback.upstream()
    proxy = await loopback.proxy(await loopback.server(server.talk), upstream=upstream)
    wires = [await loopback.connect(proxy.port) for _ in range(50)]
    for wire in wires:
        await wire.send(GET)
        await wire.head()
        await wire.chunk()
    assert server.open == 50
    for wire in wires:
        wire.close()
    await eventually(
        lambda: (
            server.open == 0
            and not upstream._pools
            and not proxy.gate.connections
            and not proxy.gate.exchanges
        )
    )


async def test_an_upstream_that_leaves_closes_fifty_clients(loopback, eventually):
    server = StreamingServer()
    upstream = loopback.upstream()
    proxy = await loopback.proxy(await loopback.server(server.talk), upstream=upstream)
    wires = [await loopback.connect(proxy.port) for _ in range(50)]
    for wire in wires:
        await wire.send(GET)
        await wire.head()
        await wire.chunk()
    server.end.set()
    for wire in wires:
        assert await wire.is_closed()
    await eventually(lambda: not proxy._connections and not upstream._pools)


async def test_a_client_that_leaves_before_the_head_closes_the_upstream(loopback, eventually):
    asked, closed = asyncio.Event(), asyncio.Event()

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        closed.set()

    proxy = await loopback.proxy(await loopback.server(talk))
    wire = await loopback.connect(proxy.port)
    await wire.send(GET)
    await asked.wait()
    wire.close()
    await asyncio.wait_for(closed.wait(), PATIENCE)
    await eventually(lambda: proxy.gate.exchanges == 0)


async def test_a_client_that_leaves_within_its_body_closes_the_upstream(loopback):
    asked, closed = asyncio.Event(), asyncio.Event()

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        closed.set()

    proxy = await loopback.proxy(await loopback.server(talk))
    wire = await loopback.connect(proxy.port)
    await wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
    await asked.wait()
    wire.close()
    await asyncio.wait_for(closed.wait(), PATIENCE)


async def test_a_body_streams_through_in_both_directions_at_once(loopback):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while line := await reader.readline():
            size = int(line, 16)
            piece = await reader.readexactly(size + 2)
            writer.write(line + piece)
            if not size:
                break
        await reader.read()

    proxy = await loopback.proxy(await loopback.server(talk))
    wire = await loopback.connect(proxy.port)
    await wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert (await wire.head())[0] == 200
    for number in range(50):
        await wire.send(event(number))
        assert await wire.chunk() == b"data: %d\n\n" % number
    await wire.send(b"0\r\n\r\n")
    assert await wire.chunk() == b""
    await wire.send(GET)


async def test_endings_are_told_once_with_what_happened(loopback, eventually):
    endings = []

    async def answer(exchange):
        exchange.endings.append(lambda _, ending: endings.append(ending))
        if exchange.request.target.path == "/whole":
            return Response(200, Headers(), Body(b"abc"))
        if exchange.request.target.path == "/never":
            await asyncio.sleep(60)

        async def stream():
            yield b"12345"
            await asyncio.sleep(0 if exchange.request.target.path == "/stream" else 60)

        stream = stream()
        return Response(200, Headers(), Body(None, stream, close=stream.aclose))

    listener = await loopback.listen(answer)

    async def ask(path, head, answer):
        wire = await loopback.connect(listener.port)
        await wire.send(b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % path)
        if answer:
            await wire.answer()
        elif head:
            await wire.head()
        else:
            await asyncio.sleep(0.02)
        wire.close()
        count = len(endings)
        await eventually(lambda: len(endings) > count or answer)
        ending = endings[-1]
        return ending.response and ending.response.status, ending.body_bytes, ending.complete

    assert await ask(b"whole", head=True, answer=True) == (200, 3, True)
    assert await ask(b"stream", head=True, answer=True) == (200, 5, True)
    assert await ask(b"break", head=True, answer=False) == (200, 5, False)
    assert await ask(b"never", head=False, answer=False) == (None, 0, False)
    assert len(endings) == 4


async def test_an_ending_that_fails_harms_nobody(loopback, capsys):
    def fail(_exchange, ending):
        raise RuntimeError("ending")

    async def answer(exchange):
        exchange.endings.append(fail)
        return Response(200)

    listener = await loopback.listen(answer)
    wire = await loopback.connect(listener.port)
    for _ in range(2):
        await wire.send(GET)
        assert (await wire.answer())[0] == 200
    assert "ending" in capsys.readouterr().out


async def test_an_open_stream_keeps_neither_the_head_it_was_sent_with_nor_its_fields(loopback, eventually):
    class Fields(Headers):
        __slots__ = ("__weakref__",)

    end, ended, kept = asyncio.Event(), [], []

    async def pieces():
        yield b"first"
        await end.wait()

    async def answer(exchange):
        fields = Fields([(b"Content-Type", b"text/event-stream")])
        kept.append(weakref.ref(fields))
        exchange.endings.append(lambda _, ending: ended.append((ending.response.status, ending.complete)))
        return Response(201, fields, Body(None, pieces()))

    listener = await loopback.listen(answer)
    wire = await loopback.connect(listener.port)
    await wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await wire.head())[1]["content-type"] == "text/event-stream"
    assert await wire.chunk() == b"first"
    await eventually(lambda: kept[0]() is None)
    end.set()
    assert await wire.chunk() == b""
    assert ended == [(201, True)]


async def test_a_silent_connection_keeps_no_parser_and_reads_on(loopback, eventually):
    listener = await loopback.listen(echo)
    wire = await loopback.connect(listener.port)
    (connection,) = await opened(listener, eventually)
    for number in range(3):
        await wire.send(b"GET /%d HTTP/1.1\r\nHo" % number)
        await eventually(lambda: connection._reader.in_head)
        for _ in range(2):
            connection.tick(connection.loop.time() + 1)
        await wire.send(b"st: a\r\n\r\n")
        assert (await wire.answer())[2] == b"/%d" % number
        await eventually(lambda: connection._reader._parser is request_reader._NO_PARSER)


async def echo(exchange):
    return Response(200, Headers(), Body(str(exchange.received.target).encode()))


async def opened(listener, eventually):
    await eventually(lambda: listener._connections)
    return listener._connections
