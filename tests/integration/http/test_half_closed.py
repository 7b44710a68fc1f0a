"""A client that has sent everything may close its side and wait for the answer.

One that has left is noticed.
"""

import asyncio

import pytest

from deputize.http.messages import Body, Headers, Response

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def release():
    return asyncio.Event()


@pytest.fixture
def answer(release):
    async def pieces():
        yield b"one"
        await release.wait()
        yield b"two"

    async def handle(exchange):
        path = exchange.request.target.path
        if path == "/streamed":
            return Response(200, Headers(), Body(None, pieces()))
        if path == "/events":
            return Response(200, Headers([(b"Content-Type", b"text/event-stream")]), Body(None, pieces()))
        if path != "/now":
            await release.wait()
        return Response(200, Headers(), Body(path.encode()))

    return handle


async def test_it_gets_the_answer_it_waits_for_and_then_the_end(loopback, answer, release):
    listener = await loopback.listen(answer)
    wire = await loopback.connect(listener.port)
    await wire.send(GET % b"late")
    wire.writer.write_eof()
    assert (await wire.head())[0] == 100
    await asyncio.sleep(0.06)
    release.set()
    status, fields, body = await wire.answer()
    assert (status, fields["connection"], body) == (200, "close", b"/late")
    assert await wire.is_closed()


async def test_it_gets_all_answers_it_waits_for(loopback, answer, release):
    listener = await loopback.listen(answer)
    wire = await loopback.connect(listener.port)
    await wire.send(GET % b"late" + GET % b"now" + GET % b"later")
    wire.writer.write_eof()
    release.set()
    answers = await wire.rest()
    assert [each in answers for each in (b"/late", b"/now", b"/later")] == [True] * 3
    assert answers.count(b"Connection: close") == 1


async def test_it_gets_an_answer_that_streams(loopback, answer, release):
    listener = await loopback.listen(answer)
    wire = await loopback.connect(listener.port)
    await wire.send(GET % b"streamed")
    wire.writer.write_eof()
    release.set()
    assert (await wire.rest()).endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


async def test_it_gets_a_refusal(loopback, answer):
    listener = await loopback.listen(answer)
    wire = await loopback.connect(listener.port)
    await wire.send(b"GET /late\r\n\r\n")
    wire.writer.write_eof()
    assert (await wire.answer())[0] == 505
    assert await wire.is_closed()


async def test_a_client_of_http_1_0_is_sent_no_interim_answer(loopback, answer, release):
    listener = await loopback.listen(answer)
    wire = await loopback.connect(listener.port)
    await wire.send(b"GET /late HTTP/1.0\r\n\r\n")
    wire.writer.write_eof()
    await asyncio.sleep(0.03)
    release.set()
    assert (await wire.answer())[::2] == (200, b"/late")


async def test_nothing_is_kept_for_one_that_waits_for_nothing(loopback, answer, eventually):
    listener = await loopback.listen(answer)
    for said in (
        b"",
        GET % b"now",
        b"GET /now HT",
        b"POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
    ):
        wire = await loopback.connect(listener.port)
        await wire.send(said)
        if said.endswith(b"\r\n\r\n"):
            await wire.answer()
        wire.writer.write_eof()
        await wire.rest()
    await eventually(lambda: not listener.gate.connections and not listener.gate.exchanges)


@pytest.mark.parametrize("path", [b"late", b"streamed", b"events"])
async def test_one_that_has_left_ends_what_was_begun_for_it(loopback, answer, eventually, path):
    listener = await loopback.listen(answer)
    wire = await loopback.connect(listener.port)
    await wire.send(GET % path)
    if path == b"late":
        await eventually(lambda: listener.gate.exchanges)
    else:
        await wire.head()
        await wire.chunk()
    wire.close()
    await eventually(lambda: not listener.gate.connections and not listener.gate.exchanges)
