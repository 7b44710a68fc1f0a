import asyncio
from contextlib import suppress

import pytest
import uvloop

from deputize.http.listener import Gate, ListenerLimits, serve
from deputize.http.messages import Body, Headers, Response
from deputize.http.upstream import Deadlines, PoolLimits, Upstream
from deputize.kernel.uris import Origin
from support.patience import PATIENCE


def pytest_asyncio_loop_factories():
    """The loop that programs run on, and the one that embedders may have."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


class FunctionHandler:
    """A handler made of one coroutine function."""

    def __init__(self, function):
        self.handle = function


class Proxy:
    """Sends every exchange to one origin."""

    def __init__(self, upstream, origin):
        self.upstream = upstream
        self.origin = origin

    def handle(self, exchange):
        exchange.request.origin = self.origin
        return self.upstream.send(exchange.request)


class Wire:
    """A client that says exactly what it is told to, and reads answers one by one."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def head(self):
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        return int(first.split(" ")[1]), {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }

    async def chunk(self):
        size = int(await asyncio.wait_for(self.reader.readline(), PATIENCE), 16)
        return (await asyncio.wait_for(self.reader.readexactly(size + 2), PATIENCE))[:-2]

    async def answer(self, method="GET"):
        status, fields = await self.head()
        if method == "HEAD" or status in {204, 304}:
            return status, fields, b""
        if fields.get("transfer-encoding") == "chunked":
            body = b""
            while piece := await self.chunk():
                body += piece
            return status, fields, body
        if "content-length" in fields:
            return (
                status,
                fields,
                await asyncio.wait_for(self.reader.readexactly(int(fields["content-length"])), PATIENCE),
            )
        return status, fields, await asyncio.wait_for(self.reader.read(), PATIENCE)

    async def rest(self):
        return await asyncio.wait_for(self.reader.read(), PATIENCE)

    async def is_closed(self):
        try:
            return await self.rest() == b""
        except ConnectionError:
            return True

    def close(self):
        self.writer.close()


class Loopback:
    """Everything a test opens, closed again at its end."""

    def __init__(self):
        self.opened = []

    async def listen(self, function, *, ssl=None, gate=None, host="127.0.0.1", **limits):
        limits = {"tick_seconds": 0.02, **limits}
        handler = function if hasattr(function, "handle") else FunctionHandler(function)
        listener = await serve(
            handler, host=host, port=0, ssl=ssl, limits=ListenerLimits(**limits), gate=gate or Gate()
        )
        self.opened.append(lambda: listener.close(0.2))
        return listener

    async def connect(self, port, **options):
        wire = Wire(*await asyncio.open_connection("127.0.0.1", port, **options))
        self.opened.append(lambda: self._hang_up(wire))
        return wire

    async def _hang_up(self, wire):
        wire.close()
        with suppress(Exception):
            await wire.writer.wait_closed()

    async def ask(self, port, data, method="GET"):
        wire = await self.connect(port)
        await wire.send(data)
        return await wire.answer(method)

    def upstream(self, *, connect=2.0, idle=2.0, body=300.0, stream=None, ssl_context=None, **limits):
        limits = {"tick_seconds": 0.02, **limits}
        upstream = Upstream(
            limits=PoolLimits(**limits),
            deadlines=Deadlines(connect, idle, body, stream),
            ssl_context=ssl_context,
        )
        self.opened.append(upstream.aclose)
        return upstream

    async def server(self, talk):
        """A bare TCP server: `talk(reader, writer)` for each connection, which is closed after it."""
        tasks = set()

        async def run(reader, writer):
            tasks.add(asyncio.current_task())
            try:
                with suppress(ConnectionError, asyncio.IncompleteReadError):
                    await talk(reader, writer)
                writer.close()
            except asyncio.CancelledError:
                writer.transport.abort()

        server = await asyncio.start_server(run, "127.0.0.1", 0)

        async def stop():
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)

        self.opened.append(stop)
        return Origin("http", "127.0.0.1", server.sockets[0].getsockname()[1])

    async def proxy(self, origin, *, upstream=None, **limits):
        return await self.listen(Proxy(upstream or self.upstream(), origin), **limits)

    async def close(self):
        for each in reversed(self.opened):
            await each()


@pytest.fixture
async def loopback():
    opened = Loopback()
    yield opened
    await opened.close()


@pytest.fixture
def echo():
    """Answers with the method, target and body it got."""

    async def handle(exchange):
        request = exchange.request
        body = await request.body.read(10_000_000)
        return Response(
            200, Headers([(b"X-Request", f"{request.method} {request.target}".encode())]), Body(body)
        )

    return handle


@pytest.fixture
async def eventually():

    async def wait(condition, within=PATIENCE):
        async with asyncio.timeout(within):
            while not condition():
                await asyncio.sleep(0.005)

    return wait
