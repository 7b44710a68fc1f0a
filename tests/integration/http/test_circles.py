"""Exchanges leave nothing for the garbage collector, which is told to look seldom.

Memory would grow until it does.
"""

import asyncio
import gc
from collections import Counter
from contextlib import suppress

import pytest

from deputize.http.messages import Response
from deputize.http.upstream import UpstreamError
from deputize.kernel.uris import Origin

POST = b"POST /%b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n:a\n\r\n"
)
ANSWERS = {
    b"call": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"stream": STREAM,
    b"broken": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
    b"malformed": b"SMTP ready\r\n",
    b"malformed-later": STREAM + b"oops\r\n",
    b"silent": b"",
}
CLOSING = {b"broken", b"malformed"}


async def talk(reader, writer):
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        kind = head.split(b" ")[1][1:]
        writer.write(ANSWERS[kind])
        if kind in CLOSING:
            return


async def call(wire, kind):
    await wire.send(POST % (kind, 0))
    await wire.answer()


async def hang_up(wire, kind):
    await wire.send(POST % (kind, 0))
    await wire.head()


async def leave(wire, kind):
    await wire.send(POST % (kind, 0))
    await asyncio.sleep(0.01)


async def upload(wire, kind):
    await wire.send(POST % (kind, 9) + b"half")
    await asyncio.sleep(0.01)


async def refuse(wire, kind):
    await wire.send(b"GET /" + kind + b" HTTP/1.1\r\n\r\n")
    await wire.answer()


async def refuse_body(wire, kind):
    await wire.send(b"POST /" + kind + b" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    await asyncio.sleep(0.005)
    await wire.send(b"oops\r\n")
    await wire.answer()


async def nothing(wire, kind):
    await asyncio.sleep(0)


WAYS = [
    (call, b"call"),
    (hang_up, b"stream"),
    (hang_up, b"broken"),
    (hang_up, b"malformed-later"),
    (call, b"malformed"),
    (call, b"silent"),
    (leave, b"silent"),
    (upload, b"silent"),
    (refuse, b"call"),
    (refuse_body, b"silent"),
    (nothing, b""),
]


class Sending:
    """Sends every exchange on, and answers failures."""

    def __init__(self, upstream, origin):
        self.upstream = upstream
        self.origin = origin

    async def handle(self, exchange):
        exchange.request.origin = self.origin
        try:
            return await self.upstream.send(exchange.request)
        except UpstreamError:
            return Response(502)


async def garbage_of(loopback, proxy, upstream, eventually, way, kind, times):
    """Return what each exchange left: as many of a type at least as there were exchanges.

    Fewer are of exchanges before these, whose connections end whenever the machine comes to it.
    """

    async def once():
        wire = await loopback.connect(proxy.port)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await way(wire, kind)
        loopback.opened.pop()
        wire.writer.transport.abort()
        await eventually(lambda: not proxy.gate.connections)

    await once()
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(times):
            await once()
        await asyncio.sleep(0.02)
        gc.collect()
        left = map(type, gc.garbage)
        counts = Counter(each.__name__ for each in left if each.__module__.startswith("deputize"))
        return {name: count for name, count in counts.items() if count >= times}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


@pytest.mark.parametrize(
    ("way", "kind"), WAYS, ids=lambda each: each.__name__ if callable(each) else each.decode()
)
async def test_nothing_is_left_for_the_collector(loopback, eventually, way, kind):
    upstream = loopback.upstream(idle=0.05)
    origin = await loopback.server(talk)
    proxy = await loopback.listen(Sending(upstream, origin))
    assert not await garbage_of(loopback, proxy, upstream, eventually, way, kind, 5)


async def test_nor_is_by_an_upstream_that_cannot_be_reached(loopback, eventually):
    upstream = loopback.upstream()
    proxy = await loopback.listen(Sending(upstream, Origin("http", "127.0.0.1", 1)))
    assert not await garbage_of(loopback, proxy, upstream, eventually, call, b"call", 5)
