"""Upstreams that close behind an answer without having said so.

Nothing is sent to a connection that has died.
"""

import asyncio
import socket
import threading
from contextlib import suppress

import pytest

from deputize.http.messages import Body, Headers, Request
from deputize.kernel.uris import Origin, Target
from support.patience import PATIENCE

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def call(origin):
    return Request("POST", Target("/", None), Headers(), Body(b"{}"), origin)


def answer_and_close(connected):
    with connected, suppress(OSError):
        data = b""
        while not data.endswith(b"{}"):
            data += connected.recv(65536)
        # Corked, the answer and the end leave in one segment: an end that is still on its way cannot be
        # noticed by anybody.
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        connected.sendall(OK)
        connected.shutdown(socket.SHUT_WR)


@pytest.fixture
def closing():
    """A server in threads, so that its end of the connection is seen whenever it may be.

    Each connection is answered once.
    """
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)

    def accept():
        with suppress(OSError):
            while True:
                threading.Thread(target=answer_and_close, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield Origin("http", "127.0.0.1", listening.getsockname()[1])
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


@pytest.mark.parametrize("connections", [1, 3, 64])
async def test_no_queued_call_is_lost(loopback, eventually, closing, connections):
    upstream = loopback.upstream(connections=connections, connect=20.0)
    answers = await asyncio.gather(*(upstream.send(call(closing)) for _ in range(160)))
    assert [answer.status for answer in answers] == [200] * 160
    await eventually(lambda: not upstream._pools)


async def test_nor_is_one_in_the_same_turn_of_the_event_loop(loopback, eventually):
    async def talk(reader, writer):
        await reader.readuntil(b"{}")
        writer.write(OK)

    upstream = loopback.upstream(connections=2)
    origin = await loopback.server(talk)
    answers = await asyncio.gather(*(upstream.send(call(origin)) for _ in range(160)))
    assert [answer.status for answer in answers] == [200] * 160
    await eventually(lambda: not upstream._pools)


async def test_a_call_that_gives_up_when_it_is_its_turn_leaves_the_place_to_the_next(loopback, eventually):
    async def talk(reader, writer):
        with suppress(asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"{}")
                writer.write(OK)

    upstream = loopback.upstream(connections=1)
    origin = await loopback.server(talk)
    for _ in range(20):
        sending = [asyncio.ensure_future(upstream.send(call(origin))) for _ in range(5)]
        await sending[0]
        for each in sending[1:4]:
            each.cancel()
        assert (await asyncio.wait_for(sending[4], PATIENCE)).status == 200
        await asyncio.gather(*sending, return_exceptions=True)
    await upstream.aclose()
    await eventually(lambda: not upstream._pools)


@pytest.mark.parametrize("excess", [b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"HTTP", b"\0"])
@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("POST", OK),
        ("POST", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("POST", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        ("POST", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
    ],
)
async def test_a_connection_on_which_anything_followed_an_answer_is_never_used_again(
    loopback, method, answer, excess
):
    count = 0

    async def talk(reader, writer):
        nonlocal count
        count += 1
        with suppress(asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"{}")
                writer.write(answer + excess)

    origin = await loopback.server(talk)
    upstream = loopback.upstream()
    for number in range(1, 4):
        with suppress(Exception):
            await upstream.send(Request(method, Target("/", None), Headers(), Body(b"{}"), origin))
        assert count == number


@pytest.mark.parametrize("pieces", [1, 3, 100])
async def test_one_on_which_nothing_did_is_used_again_however_answers_are_split(loopback, pieces):
    count = 0

    async def talk(reader, writer):
        nonlocal count
        count += 1
        with suppress(asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"{}")
                for start in range(0, len(OK), pieces):
                    writer.write(OK[start : start + pieces])
                    await asyncio.sleep(0.0005)

    origin = await loopback.server(talk)
    upstream = loopback.upstream()
    for _ in range(4):
        response = await upstream.send(call(origin))
        assert await response.body.read(10) == b"ok"
    assert count == 1
