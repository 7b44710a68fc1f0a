"""How long an upstream may take: for its head, for a body, and for an event stream, which may be quiet."""

import asyncio
import socket
from contextlib import suppress

import pytest

from deputize.http.messages import Body, Headers, Request
from deputize.http.upstream import UpstreamTimeout
from deputize.kernel.uris import Target
from support.patience import PATIENCE

BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def call(origin):
    return Request("POST", Target("/", None), Headers(), Body(b"{}"), origin)


def dripping(drop, seconds=0.01, first=b""):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first)
        while not writer.is_closing():
            writer.write(drop)
            await asyncio.sleep(seconds)

    return talk


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
        (b"HTTP/1.1 102 Processing\r\nX: ", b"a"),
    ],
)
async def test_a_head_that_drips_has_as_long_as_one_that_does_not_come(loopback, first, drop):
    origin = await loopback.server(dripping(drop, first=first))
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(UpstreamTimeout):
            await loopback.upstream(idle=0.1).send(call(origin))


async def test_a_body_that_drips_ends(loopback):
    origin = await loopback.server(dripping(b"a", first=BODY))
    response = await loopback.upstream(body=0.1).send(call(origin))
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(UpstreamTimeout, match="bytes of the body"):
            await response.body.read(10_000)


async def test_a_body_that_takes_long_because_it_is_long_does_not(loopback):
    origin = await loopback.server(dripping(b"a" * 1000, 0.03, BODY))
    response = await loopback.upstream(body=0.02).send(call(origin))
    assert len(await response.body.read(10_000)) == 9000


async def test_an_event_stream_may_be_quiet_and_may_drip(loopback):
    goes_on = asyncio.Queue()

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(EVENTS)
        while True:
            writer.write(await goes_on.get())

    origin = await loopback.server(talk)
    upstream = loopback.upstream(idle=10.0, body=20.0, tick_seconds=3600)
    response = await upstream.send(call(origin))
    (pool,) = upstream._pools.values()
    (connection,) = pool.connections
    pieces = aiter(response.body)
    for number in range(5):
        reading = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0)
        connection.tick(1000.0 + 100 * number)
        connection.tick(1099.0 + 100 * number)
        goes_on.put_nowait(b"3\r\n:a\n\r\n")
        assert await reading == b":a\n"
    await response.body.aclose()


async def test_how_quiet_is_a_setting(loopback):
    origin = await loopback.server(dripping(b"", 60, EVENTS))
    response = await loopback.upstream(stream=0.05).send(call(origin))
    with pytest.raises(UpstreamTimeout, match=r"0\.05"):
        await response.body.read(100)


async def test_exchanges_that_follow_at_once_each_have_their_own_time(loopback):
    asked, answer = asyncio.Queue(), asyncio.Queue()

    async def talk(reader, writer):
        with suppress(asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"{}")
                asked.put_nowait(1)
                await answer.get()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    origin = await loopback.server(talk)
    upstream = loopback.upstream(connections=1, idle=10.0, tick_seconds=3600)
    sending = [asyncio.ensure_future(upstream.send(call(origin))) for _ in range(5)]
    for number in range(5):
        await asked.get()
        (connection,) = upstream._pools[origin].connections
        connection.tick(1000.0 + 9 * number)
        answer.put_nowait(1)
    assert [(await each).status for each in sending] == [200] * 5
    assert connection._exchanges == 5


async def test_both_ends_are_asked_whether_they_live(loopback, eventually):
    async def talk(reader, writer):
        await reader.read()

    upstream = loopback.upstream()
    proxy = await loopback.proxy(await loopback.server(talk), upstream=upstream)
    wire = await loopback.connect(proxy.port)
    await wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await eventually(lambda: upstream._pools)
    connections = [
        *proxy._connections,
        *(each for pool in upstream._pools.values() for each in pool.connections),
    ]
    assert len(connections) == 2
    for each in connections:
        connected = each.transport.get_extra_info("socket")
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 120_000
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60


async def test_a_body_at_hand_may_take_its_time_to_leave(loopback):
    async def talk(reader, writer):
        for _ in range(40):
            await reader.readexactly(500_000)
            await asyncio.sleep(0.02)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    request = call(await loopback.server(talk))
    request.body = Body(b"x" * 20_000_000)
    assert (await loopback.upstream(idle=0.15).send(request)).status == 204
