"""What a client cannot do: hold connections, memory or the handler for longer than the limits say."""

import asyncio
import resource
import socket

import pytest

from deputize.http.listener import Gate, serve
from deputize.http.messages import Body, Headers, Response
from support.patience import PATIENCE

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
QUICK = {
    "head_seconds": 0.08,
    "body_idle_seconds": 0.08,
    "keep_alive_seconds": 0.08,
    "write_seconds": 0.08,
    "linger_seconds": 0.08,
}


async def ok(exchange):
    return Response(200)


async def test_a_silent_connection_is_closed(loopback):
    listener = await loopback.listen(ok, **QUICK)
    wire = await loopback.connect(listener.port)
    assert await wire.rest() == b""


async def test_half_a_head_is_answered_408(loopback):
    listener = await loopback.listen(ok, **QUICK)
    wire = await loopback.connect(listener.port)
    await wire.send(b"GET / HTTP/1.1\r\nHo")
    assert (await wire.answer())[0] == 408
    assert await wire.is_closed()


async def test_a_head_that_trickles_in_does_not_hold_the_connection(loopback):
    listener = await loopback.listen(ok, **QUICK)
    wire = await loopback.connect(listener.port)

    async def trickle():
        for byte in GET * 100:
            await wire.send(bytes([byte]))
            await asyncio.sleep(0.02)

    trickling = asyncio.ensure_future(trickle())
    assert (await wire.answer())[0] == 408
    trickling.cancel()
    await asyncio.gather(trickling, return_exceptions=True)


async def test_an_idle_connection_is_closed_and_a_used_one_is_not(loopback):
    listener = await loopback.listen(ok, **QUICK)
    wire = await loopback.connect(listener.port)
    for _ in range(5):
        await wire.send(GET)
        assert (await wire.answer())[0] == 200
        await asyncio.sleep(0.04)
    assert await wire.rest() == b""


async def test_silence_within_a_body_is_answered_408(loopback, echo):
    listener = await loopback.listen(echo, **QUICK)
    wire = await loopback.connect(listener.port)
    await wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    assert (await wire.answer())[0] == 408
    assert await wire.is_closed()


async def uploading(loopback, echo, eventually):
    """A client within a body of which nothing has come, and its connection, to which time is told."""
    listener = await loopback.listen(echo, tick_seconds=3600)
    wire = await loopback.connect(listener.port)
    await wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
    await eventually(
        lambda: any(
            each._reader.body is not None and each._reader.body.waiting for each in listener._connections
        )
    )
    (connection,) = listener._connections
    connection.tick(1000.0)
    return wire, connection


async def test_a_body_that_trickles_in_does_not_hold_the_connection(loopback, echo, eventually):
    wire, connection = await uploading(loopback, echo, eventually)
    body = connection._reader.body
    for number in range(1, 4):
        await wire.send(b"x")
        await eventually(lambda number=number: body.total == number and body.waiting)
        connection.tick(1000.0 + 25 * number)
    assert (await wire.answer())[0] == 408


async def test_a_body_that_takes_long_because_it_is_long_is_not_a_trickle(loopback, echo, eventually):
    wire, connection = await uploading(loopback, echo, eventually)
    body = connection._reader.body
    for number in range(1, 11):
        await wire.send(b"x" * 10_000)
        if number < 10:
            await eventually(lambda number=number: body.total == 10_000 * number and body.waiting)
            connection.tick(1000.0 + 15 * number)
    assert (await wire.answer())[0] == 200


async def test_a_handler_that_takes_its_time_is_not_the_clients_silence(loopback):
    async def slow(exchange):
        await asyncio.sleep(0.3)
        return Response(200)

    listener = await loopback.listen(slow, **QUICK)
    assert (await loopback.ask(listener.port, GET))[0] == 200


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000001\r\n\r\n" + b"x" * 2_000_001, 413),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"186a0\r\n" + b"x" * 100_000 + b"\r\n" * 1,
            200,
        ),
    ],
)
async def test_refusals_have_no_body_and_close(loopback, echo, request_, status):
    listener = await loopback.listen(echo, body_bytes=2_000_000)
    wire = await loopback.connect(listener.port)
    await wire.send(request_ + (b"0\r\n\r\n" if status == 200 else b""))
    seen, fields, body = await wire.answer()
    assert seen == status
    if status != 200:
        assert (fields["connection"], body, sorted(fields)) == (
            "close",
            b"",
            ["connection", "content-length", "date"],
        )
        assert await wire.is_closed()


async def test_a_refusal_waits_for_the_answers_before_it(loopback):
    async def slow(exchange):
        await asyncio.sleep(0.02)
        return Response(200)

    listener = await loopback.listen(slow)
    wire = await loopback.connect(listener.port)
    await wire.send(GET + GET + b"GET /../ HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
    assert [(await wire.answer())[0] for _ in range(3)] == [200, 200, 400]
    assert await wire.is_closed()


async def test_a_body_beyond_the_limit_while_it_streams_is_answered_413(loopback, echo):
    listener = await loopback.listen(echo, body_bytes=10)
    wire = await loopback.connect(listener.port)
    await wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n")
    await asyncio.sleep(0.02)
    await wire.send(b"6\r\nfghijk\r\n")
    assert (await wire.answer())[0] == 413
    assert await wire.is_closed()


async def test_a_body_too_large_for_its_reader_is_answered_413(loopback):
    async def small(exchange):
        await exchange.request.body.read(3)
        return Response(200)

    listener = await loopback.listen(small)
    assert (
        await loopback.ask(listener.port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd")
    )[0] == 413


async def test_a_malformed_body_while_it_streams_is_answered_400(loopback, echo):
    listener = await loopback.listen(echo)
    wire = await loopback.connect(listener.port)
    await wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n")
    await asyncio.sleep(0.02)
    await wire.send(b"oops\r\n")
    assert (await wire.answer())[0] == 400


async def test_an_early_answer_reaches_a_client_that_is_still_sending(loopback):
    async def refuse(exchange):
        return Response(401, Headers(), Body(b"no"))

    listener = await loopback.listen(refuse)
    wire = await loopback.connect(listener.port)
    await wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n")
    sending = asyncio.ensure_future(wire.send(b"x" * 30_000_000))
    assert (await wire.answer())[::2] == (401, b"no")
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def test_a_body_is_read_only_as_fast_as_it_is_consumed(loopback):
    release = asyncio.Event()

    async def late(exchange):
        await release.wait()
        size = sum([len(piece) async for piece in exchange.request.body])
        return Response(200, Headers(), Body(b"%d" % size))

    listener = await loopback.listen(late, socket_buffer_bytes=65536)
    wire = await loopback.connect(listener.port)
    await wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000000\r\n\r\n")
    sending = asyncio.ensure_future(wire.send(b"x" * 40_000_000))
    await asyncio.sleep(0.1)
    assert not sending.done()
    (connection,) = listener._connections
    assert connection._reader.body._size < 400_000
    release.set()
    assert (await wire.answer())[2] == b"40000000"
    await sending


async def test_a_slow_reader_costs_no_memory_and_is_cut_off(loopback, eventually):
    closed = asyncio.Event()
    produced = 0

    async def endless():
        nonlocal produced
        try:
            while True:
                yield b"x" * 65536
                produced += 65536
        finally:
            closed.set()

    async def answer(exchange):
        stream = endless()
        return Response(200, Headers(), Body(None, stream, close=stream.aclose))

    listener = await loopback.listen(answer, **{**QUICK, "write_seconds": 0.3}, socket_buffer_bytes=65536)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wire = await loopback.connect(listener.port, limit=1024)
    await wire.send(GET)
    await asyncio.sleep(0.15)
    held = produced
    await asyncio.sleep(0.05)
    assert produced == held
    assert held < 8_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
    await asyncio.wait_for(closed.wait(), PATIENCE)
    await eventually(lambda: not listener._connections)


async def test_a_large_answer_nobody_takes_is_cut_off(loopback, eventually):
    async def large(exchange):
        return Response(200, Headers(), Body(b"x" * 20_000_000))

    listener = await loopback.listen(large, **QUICK, socket_buffer_bytes=65536)
    wire = await loopback.connect(listener.port, limit=1024)
    await wire.send(GET)
    await eventually(lambda: not listener._connections)


@pytest.mark.parametrize("closing", [b"", b"Connection: close\r\n"])
async def test_a_large_answer_that_is_taken_slowly_is_not(loopback, eventually, closing):
    async def large(exchange):
        return Response(200, Headers(), Body(b"x" * 600_000))

    listener = await loopback.listen(large, tick_seconds=3600, socket_buffer_bytes=4096)
    connected = socket.socket()
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connected.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connected, ("127.0.0.1", listener.port))
    reader, writer = await asyncio.open_connection(sock=connected, limit=4096)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n" + closing + b"\r\n")
    await reader.readuntil(b"\r\n\r\n")
    (connection,) = listener._connections
    for number in range(5):
        connection.tick(1000.0 + 20 * number)
        pending = connection.transport.get_write_buffer_size()
        await reader.readexactly(80_000)
        await eventually(lambda pending=pending: connection.transport.get_write_buffer_size() < pending)
    assert len(await reader.readexactly(200_000)) == 200_000
    writer.transport.abort()


async def test_connections_beyond_the_gate_are_closed(loopback, eventually):
    gate = Gate(connections=2)
    listener = await loopback.listen(ok, gate=gate)
    kept = [await loopback.connect(listener.port) for _ in range(2)]
    for wire in kept:
        await wire.send(GET)
        assert (await wire.answer())[0] == 200
    third = await loopback.connect(listener.port)
    assert await third.is_closed()
    kept[0].close()
    await eventually(lambda: gate.connections == 1)
    assert (await loopback.ask(listener.port, GET))[0] == 200


async def test_exchanges_beyond_the_gate_are_answered_503(loopback):
    release = asyncio.Event()

    async def slow(exchange):
        await release.wait()
        return Response(200)

    gate = Gate(exchanges=1)
    listener = await loopback.listen(slow, gate=gate)
    first = await loopback.connect(listener.port)
    await first.send(GET)
    await asyncio.sleep(0.02)
    second = await loopback.connect(listener.port)
    await second.send(GET)
    assert (await second.answer())[:2][0] == 503
    release.set()
    assert (await first.answer())[0] == 200
    assert gate.exchanges == 0
    await second.send(GET)
    assert (await second.answer())[0] == 200


async def test_event_streams_take_the_room_of_no_call(loopback, eventually):
    end = asyncio.Event()

    async def events():
        yield b":\n"
        await end.wait()

    async def answer(exchange):
        if exchange.received.method == "POST":
            return Response(200)
        return Response(200, Headers([(b"Content-Type", b"text/event-stream")]), Body(None, events()))

    gate = Gate(exchanges=1)
    listener = await loopback.listen(answer, gate=gate)
    streams = [await loopback.connect(listener.port) for _ in range(3)]
    for wire in streams:
        await wire.send(GET)
        assert (await wire.head())[0] == 200
        assert await wire.chunk() == b":\n"
    assert (gate.exchanges, gate.streams) == (0, 3)
    assert (await loopback.ask(listener.port, GET.replace(b"GET", b"POST")))[0] == 200
    streams[0].close()
    await eventually(lambda: gate.streams == 2)
    end.set()
    for wire in streams[1:]:
        assert await wire.chunk() == b""
    assert (gate.exchanges, gate.streams) == (0, 0)


async def test_a_graceful_close_lets_exchanges_finish(loopback):
    release = asyncio.Event()

    async def slow(exchange):
        await release.wait()
        return Response(200, Headers(), Body(b"done"))

    listener = await loopback.listen(slow)
    busy, idle = await loopback.connect(listener.port), await loopback.connect(listener.port)
    await busy.send(GET)
    await asyncio.sleep(0.02)
    closing = asyncio.ensure_future(listener.close(5))
    assert await idle.is_closed()
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", listener.port)
    release.set()
    status, fields, body = await busy.answer()
    assert (status, fields["connection"], body) == (200, "close", b"done")
    await asyncio.wait_for(closing, PATIENCE)


async def test_a_request_whose_client_leaves_before_its_task_begins_gives_its_place_back(
    loopback, eventually
):
    listener = await loopback.listen(ok)
    await loopback.connect(listener.port)
    await eventually(lambda: listener._connections)
    (connection,) = listener._connections
    connection.data_received(GET)
    connection.connection_lost(None)
    await asyncio.sleep(0.01)
    assert listener.gate.exchanges == 0


async def test_a_request_that_has_been_sent_when_the_listener_closes_is_answered(loopback):
    listener = await loopback.listen(ok)
    wire = await loopback.connect(listener.port)
    await wire.send(GET)
    assert (await wire.answer())[0] == 200
    (connection,) = listener._connections
    wire.writer.write(GET)
    listener.closing = True
    connection.retire()
    status, fields, _ = await wire.answer()
    assert (status, fields["connection"]) == (200, "close")


async def test_grace_ends(loopback):
    cancelled = asyncio.Event()

    async def stuck(exchange):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    listener = await loopback.listen(stuck)
    wire = await loopback.connect(listener.port)
    await wire.send(GET)
    await asyncio.sleep(0.02)
    await asyncio.wait_for(listener.close(0.05), PATIENCE)
    assert cancelled.is_set()
    assert await wire.is_closed()


async def test_the_handler_can_be_replaced_while_requests_come(loopback):
    listener = await loopback.listen(ok)
    wire = await loopback.connect(listener.port)
    await wire.send(GET)
    assert (await wire.answer())[0] == 200

    class Replaced:
        async def handle(self, exchange):
            return Response(204)

    listener.handler = Replaced()
    await wire.send(GET)
    assert (await wire.answer())[0] == 204


async def test_an_address_in_use_is_an_os_error(loopback):
    listener = await loopback.listen(ok)
    with pytest.raises(OSError, match="in use"):
        await serve(listener.handler, host="127.0.0.1", port=listener.port)


async def test_a_reader_that_stalls_costs_half_a_mebibyte_at_most(loopback, eventually):
    """Kernel buffers, which are bounded, and what the process holds; until the write deadline."""

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        while True:
            writer.write(b"data: x\n\n" * 4000)
            await writer.drain()

    upstream = loopback.upstream()
    proxy = await loopback.proxy(await loopback.server(talk), upstream=upstream, tick_seconds=3600)
    wire = await loopback.connect(proxy.port, limit=1024)
    await wire.send(GET)
    await eventually(lambda: any(each.stalled for each in proxy._connections))
    (client,), (pool,) = proxy._connections, upstream._pools.values()
    (server,) = pool.connections
    await eventually(lambda: not server._reading)
    kernel = [
        each.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, option)
        for each, option in ((client, socket.SO_SNDBUF), (server, socket.SO_RCVBUF))
    ]
    assert sum(kernel) + client.transport.get_write_buffer_size() + server._reader.body._size <= 512 * 1024
    client.tick(1000.0)
    client.tick(1031.0)
    await eventually(lambda: not upstream._pools and not proxy._connections)
