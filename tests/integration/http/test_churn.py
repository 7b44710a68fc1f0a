"""Many clients at once that behave in every way: at the end nothing is left open and nothing was mixed up."""

import asyncio
import random
from contextlib import suppress

from deputize.http.messages import Body, Headers, Response
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
            framed = b"Transfer-Encoding: chunked\r\n\r\n" + (b"%x\r\n%b\r\n" % (len(content), content) if content else b"") + b"0\r\n\r\n"
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
    await eventually(lambda: not upstream._pools and not any(gate.connections or gate.exchanges for gate in gates))
    assert not proxy._connections
    assert not backend._connections
