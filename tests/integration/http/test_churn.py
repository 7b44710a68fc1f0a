"""Many clients at once that behave in every way: at the end nothing is left open and nothing was mixed up."""

import asyncio
import itertools
import random
from contextlib import suppress

from deputize.http.messages import Body, Headers, Response
from deputize.http.upstream import UpstreamError
from deputize.kernel.uris import Origin


async def answer_in_kind(exchange):
    """The path says how: at once, late, streamed, or in a stream that fails."""
    request = exchange.request
    number = request.target.query.encode()
    content = await request.body.read(1_000_000)
    manner = request.target.path

    async def stream():
        yield number + b":"
        await asyncio.sleep(0.001)
        yield content[: len(content) // 2]
        if manner == "/fail":
            raise RuntimeError("as asked")
        yield content[len(content) // 2 :]

    if manner == "/late":
        await asyncio.sleep(0.003)
    if manner in {"/stream", "/fail"}:
        return Response(200, Headers(), Body(None, stream()))
    return Response(200, Headers(), Body(number + b":" + content))


async def one_client(loopback, port, chance):
    wire = await loopback.connect(port)
    for _ in range(chance.randrange(1, 6)):
        manner = chance.choice(["now", "late", "stream", "fail"])
        number, content = chance.randrange(10**9), b"x" * chance.choice([0, 10, 40_000])
        head = f"POST /{manner}?{number} HTTP/1.1\r\nHost: a\r\n"
        if chance.random() < 0.5:
            framed = b"Content-Length: %d\r\n\r\n%b" % (len(content), content)
        else:
            framed = (
                b"Transfer-Encoding: chunked\r\n\r\n"
                + (b"%x\r\n%b\r\n" % (len(content), content) if content else b"")
                + b"0\r\n\r\n"
            )
        data = head.encode() + framed
        if chance.random() < 0.2:
            await wire.send(data[: chance.randrange(len(data))])
            await asyncio.sleep(0.002)
            return 0
        await wire.send(data)
        if chance.random() < 0.2:
            return 0
        status, _, body = await wire.answer()
        assert (status, body) == (200, b"%d:%b" % (number, content))
        assert manner != "fail"
    return 1


async def test_nothing_is_left_open_and_nothing_is_mixed_up(loopback, eventually):
    chance = random.Random(20261123)
    backend = await loopback.listen(answer_in_kind)
    upstream = loopback.upstream(connections=10, kept_seconds=0.1)
    proxy = await loopback.proxy(Origin("http", "127.0.0.1", backend.port), upstream=upstream)

    async def client():
        with suppress(asyncio.IncompleteReadError, ConnectionError, ValueError):
            wires = len(loopback.opened)
            await one_client(loopback, proxy.port, chance)
            return wires

    for _ in range(10):
        results = await asyncio.gather(*(client() for _ in range(30)), return_exceptions=True)
        assert not [each for each in results if isinstance(each, AssertionError | TimeoutError)]
        hang_ups, loopback.opened[:] = loopback.opened[3:], loopback.opened[:3]
        for hang_up in hang_ups:
            await hang_up()
    gates = (proxy.gate, backend.gate)
    await eventually(
        lambda: not upstream._pools and not any(gate.connections or gate.exchanges for gate in gates)
    )
    assert not proxy._connections
    assert not backend._connections


OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"


async def rude(reader, writer, chance):
    """A server that answers early, late, in pieces, too much, too little or never.

    What it answers names the request's number.
    """
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        number = head.split(b" ")[1].partition(b"?")[2]
        manner = chance.choice(["early", "whole", "whole", "pieces", "excess", "begun", "short", "never"])
        if manner != "early":
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            await reader.readexactly(length)
        answer = OK % (len(number), number)
        if manner == "pieces":
            writer.write(answer[:20])
            await asyncio.sleep(0.002)
            answer = answer[20:]
            if writer.is_closing():
                return
        elif manner == "excess":
            answer += OK % (4, b"evil")
        elif manner == "begun":
            answer += b"HTTP/1.1 200 OK\r\nX-Evil: "
        elif manner == "short":
            writer.write(answer[:-1])
            return
        elif manner == "never":
            await reader.read()
            return
        if writer.is_closing():
            return
        writer.write(answer)


async def impatient(loopback, port, chance, numbers):
    """A client that leaves anywhere: within its head, its body, before or within the answer.

    Yields how many answers it got.
    """
    wire = await loopback.connect(port)
    got = 0
    for _ in range(chance.randrange(1, 8)):
        number = b"%d" % next(numbers)
        data = b"POST /?%b HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n%b" % (number, b"x" * 30_000)
        cut = chance.randrange(1, len(data)) if chance.random() < 0.4 else len(data)
        await wire.send(data[:cut])
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random() * 0.004)
            wire.writer.transport.abort()
            return got
        await wire.send(data[cut:])
        status, fields, body = await wire.answer()
        assert status in {200, 502}
        assert status == 502 or (body, fields.get("x-evil")) == (number, None)
        got += status == 200
    return got


async def test_no_answer_reaches_another_client_however_rude_both_sides_are(loopback, eventually):
    chance = random.Random(7)
    numbers = itertools.count(10**6)
    origin = await loopback.server(lambda reader, writer: rude(reader, writer, chance))
    upstream = loopback.upstream(connections=6, kept_seconds=0.1, idle=0.05)

    async def send_on(exchange):
        exchange.request.origin = origin
        try:
            return await upstream.send(exchange.request)
        except UpstreamError:
            return Response(502)

    proxy = await loopback.listen(send_on)

    async def client():
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            return await impatient(loopback, proxy.port, chance, numbers)
        return 0

    got = [await asyncio.gather(*(client() for _ in range(20))) for _ in range(8)]
    assert sum(map(sum, got)) > 20
    await eventually(lambda: not upstream._pools and not proxy.gate.exchanges)
