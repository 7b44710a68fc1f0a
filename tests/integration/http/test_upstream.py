import asyncio
from contextlib import suppress

import pytest

from deputize.http.messages import Body, BodyBroken, HeaderError, Headers, Request, Response
from deputize.http.upstream import (
    ConnectFailed,
    ConnectionClosed,
    Deadlines,
    PoolExhausted,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
)
from deputize.kernel.uris import Origin, Target
from support.patience import PATIENCE

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def request_to(origin, method="GET", path="/", body=None, headers=()):
    return Request(method, Target(path, None), Headers(headers), body or Body(), origin)


async def read_request(reader):
    """The head and the body of a request with a length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        ),
        0,
    )
    return head, await reader.readexactly(length)


def answering(*answers, seen=None, end=False):
    """A server's talk: one answer a request, then silence, or the end of the connection."""

    async def talk(reader, writer):
        for answer in answers:
            request = await read_request(reader)
            if seen is not None:
                seen.append(request)
            writer.write(answer)
        if not end:
            await reader.read()

    return talk


async def test_an_answer_at_hand(loopback):
    origin = await loopback.server(answering(b"HTTP/1.1 201 Fine\r\nX-A: b\r\nContent-Length: 2\r\n\r\nok"))
    response = await loopback.upstream().send(request_to(origin))
    assert (response.status, response.headers.get("x-a"), response.body.buffered) == (201, "b", b"ok")


async def test_what_is_sent(loopback):
    seen = []
    origin = await loopback.server(answering(OK, seen=seen))
    fields = [
        (b"Host", b"client.example"),
        (b"X-Kept", b"1"),
        (b"Content-Length", b"99"),
        (b"Transfer-Encoding", b"chunked"),
        (b"TE", b"x"),
    ]
    request = request_to(
        origin,
        "POST",
        "/a%2Eb/c;d=%C3%A9",
        Body(b"body"),
        [*fields, (b"Expect", b"100-continue"), (b"Upgrade", b"h2c")],
    )
    await loopback.upstream().send(request)
    assert seen == [
        (
            f"POST /a%2Eb/c;d=%C3%A9 HTTP/1.1\r\nHost: 127.0.0.1:{origin.port}\r\nX-Kept: "
            f"1\r\nContent-Length: 4\r\n\r\n".encode(),
            b"body",
        )
    ]


async def test_a_post_without_body_says_so(loopback):
    seen = []
    origin = await loopback.server(answering(OK, OK, seen=seen))
    upstream = loopback.upstream()
    await upstream.send(request_to(origin, "POST"))
    await upstream.send(request_to(origin, "GET"))
    assert b"Content-Length: 0\r\n" in seen[0][0]
    assert b"ontent-" not in seen[1][0]


async def test_a_connection_is_used_again(loopback):
    ports = set()

    async def talk(reader, writer):
        ports.add(writer.get_extra_info("peername"))
        await answering(*[OK] * 20)(reader, writer)

    origin = await loopback.server(talk)
    upstream = loopback.upstream()
    for _ in range(20):
        await upstream.send(request_to(origin))
    assert len(ports) == 1


async def test_hop_by_hop_fields_of_an_answer_end_here(loopback):
    fields = (
        b"Connection: X-Private, keep-alive",
        b"Keep-Alive: timeout=5",
        b"X-Private: 1",
        b"X-Public: 2",
        b"Content-Length: 0",
    )
    origin = await loopback.server(answering(b"\r\n".join([b"HTTP/1.1 200 OK", *fields, b"", b""])))
    response = await loopback.upstream().send(request_to(origin))
    assert response.headers.raw == [(b"X-Public", b"2"), (b"Content-Length", b"0")]


async def test_a_redirect_is_an_answer(loopback):
    origin = await loopback.server(
        answering(b"HTTP/1.1 302 Found\r\nLocation: http://other/\r\nContent-Length: 0\r\n\r\n")
    )
    assert (await loopback.upstream().send(request_to(origin))).status == 302


async def test_interim_answers_are_skipped(loopback):
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    origin = await loopback.server(answering(interim + OK))
    response = await loopback.upstream().send(request_to(origin))
    assert (response.status, response.headers.get("link"), response.body.buffered) == (200, None, b"ok")


async def test_an_answer_to_head_has_no_body_and_the_connection_goes_on(loopback):
    origin = await loopback.server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", OK))
    upstream = loopback.upstream(connections=1)
    response = await upstream.send(request_to(origin, "HEAD"))
    assert (response.headers.get("content-length"), response.body.buffered) == ("5", b"")
    assert (await upstream.send(request_to(origin))).body.buffered == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"SMTP ready\r\n",
    ],
)
async def test_an_answer_that_could_be_read_in_two_ways_is_refused(loopback, answer):
    origin = await loopback.server(answering(answer))
    with pytest.raises(UpstreamProtocolError):
        await loopback.upstream().send(request_to(origin))


BEGUN = b"HTTP/1.1 200 OK\r\nSet-Cookie: evil\r\nX: "


@pytest.mark.parametrize(
    "excess", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"evil", b"\r\n", BEGUN, b"HTTP/1.1 2"]
)
async def test_what_follows_an_answer_is_never_taken_for_the_next_one(loopback, excess):
    first = True

    async def talk(reader, writer):
        nonlocal first
        answers, first = ([OK + excess, OK, OK] if first else [OK] * 3), False
        await answering(*answers)(reader, writer)

    origin = await loopback.server(talk)
    upstream = loopback.upstream()
    for _ in range(3):
        try:
            response = await upstream.send(request_to(origin))
        except UpstreamProtocolError:
            continue
        assert await response.body.read(10) == b"ok"


async def test_a_streamed_answer(loopback):
    goes_on = asyncio.Event()

    async def talk(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await goes_on.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")
        await answering(OK)(reader, writer)

    origin = await loopback.server(talk)
    upstream = loopback.upstream(connections=1)
    response = await upstream.send(request_to(origin))
    pieces = aiter(response.body)
    assert await anext(pieces) == b"one"
    goes_on.set()
    assert [piece async for piece in pieces] == [b"two"]
    assert (await upstream.send(request_to(origin))).status == 200


async def test_an_answer_that_ends_with_the_connection(loopback):
    origin = await loopback.server(answering(b"HTTP/1.1 200 OK\r\n\r\nall of it", end=True))
    response = await loopback.upstream().send(request_to(origin))
    assert await response.body.read(100) == b"all of it"


@pytest.mark.parametrize("framing", [b"Content-Length: 10", b"Transfer-Encoding: chunked"])
async def test_a_body_cut_short_is_an_error(loopback, framing):
    origin = await loopback.server(answering(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n5\r\nab", end=True))
    response = await loopback.upstream().send(request_to(origin))
    with pytest.raises(UpstreamProtocolError):
        await response.body.read(100)


async def test_giving_a_body_up_closes_the_socket(loopback):
    closed = asyncio.Event()

    async def talk(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await reader.read()
        closed.set()

    origin = await loopback.server(talk)
    response = await loopback.upstream().send(request_to(origin))
    await response.body.aclose()
    await asyncio.wait_for(closed.wait(), PATIENCE)


async def test_cancelling_closes_the_socket(loopback):
    asked, closed = asyncio.Event(), asyncio.Event()

    async def talk(reader, writer):
        await read_request(reader)
        asked.set()
        await reader.read()
        closed.set()

    origin = await loopback.server(talk)
    sending = asyncio.ensure_future(loopback.upstream().send(request_to(origin)))
    await asked.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await asyncio.wait_for(closed.wait(), PATIENCE)


async def test_cancelling_when_the_answer_has_come_leaves_the_next_exchange_alone(loopback, eventually):
    """The connection may already be another request's when the cancelled one gets to run."""
    asked = []
    origin = await loopback.server(answering(b"", OK, seen=asked))
    upstream = loopback.upstream(connections=1)
    first = asyncio.ensure_future(upstream.send(request_to(origin)))
    await eventually(lambda: asked)
    second = asyncio.ensure_future(upstream.send(request_to(origin)))
    await asyncio.sleep(0)
    (connection,) = upstream._pools[origin].connections
    connection.data_received(OK)
    first.cancel()
    assert (await second).body.buffered == b"ok"
    assert first.cancelled()


async def test_cancelling_when_a_stream_has_begun_closes_it(loopback, eventually):
    asked = []
    origin = await loopback.server(answering(b"", seen=asked))
    upstream = loopback.upstream()
    sending = asyncio.ensure_future(upstream.send(request_to(origin)))
    await eventually(lambda: asked)
    (connection,) = upstream._pools[origin].connections
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
    sending.cancel()
    await eventually(lambda: not upstream._pools)


async def test_a_response_that_gets_lost_closes_its_stream(loopback, eventually):
    origin = await loopback.server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"))
    upstream = loopback.upstream()

    async def fail():
        response = await upstream.send(request_to(origin))
        raise RuntimeError(response.status)

    with suppress(RuntimeError):
        await fail()
    await eventually(lambda: not upstream._pools)


async def test_a_streamed_request(loopback):
    bodies = []

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        bodies.append(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(OK)

    async def pieces():
        yield b"one"
        yield b""
        yield b"two!"

    origin = await loopback.server(talk)
    assert (
        await loopback.upstream().send(request_to(origin, "POST", body=Body(None, pieces())))
    ).status == 200
    assert bodies == [b"3\r\none\r\n4\r\ntwo!\r\n0\r\n\r\n"]


@pytest.mark.parametrize("announced", [2, 9])
async def test_a_request_body_of_another_length_than_announced_is_broken_off(loopback, announced):
    async def pieces():
        yield b"three"

    origin = await loopback.server(answering(OK))
    with pytest.raises(BodyBroken):
        await loopback.upstream().send(request_to(origin, "POST", body=Body(None, pieces(), announced)))


async def test_an_early_answer_ends_the_upload(loopback):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async def endless():
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0)

    origin = await loopback.server(talk)
    response = await loopback.upstream().send(request_to(origin, "POST", body=Body(None, endless())))
    assert response.status == 413


async def test_nobody_listens(loopback):
    with pytest.raises(ConnectFailed):
        await loopback.upstream().send(request_to(Origin("http", "127.0.0.1", 1)))
    with pytest.raises(ConnectFailed):
        await loopback.upstream().send(request_to(Origin("http", "a" * 70 + ".invalid", 80)))
    with pytest.raises(ConnectFailed):
        await loopback.upstream().send(request_to(None))


async def test_silence_before_the_head(loopback):
    origin = await loopback.server(answering(b""))
    with pytest.raises(UpstreamTimeout):
        await loopback.upstream().send(request_to(origin), deadlines=Deadlines(idle=0.05))


async def test_silence_within_the_body(loopback):
    origin = await loopback.server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"))
    response = await loopback.upstream(idle=0.05).send(request_to(origin))
    with pytest.raises(UpstreamTimeout):
        await response.body.read(100)


async def test_a_reader_that_takes_its_time_is_not_the_upstreams_silence(loopback):
    origin = await loopback.server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"))
    response = await loopback.upstream(idle=0.04, abandoned_seconds=0.4).send(request_to(origin))
    pieces = aiter(response.body)
    await asyncio.sleep(0.1)
    assert await anext(pieces) == b"ab"


async def test_an_abandoned_body_does_not_hold_its_connection_for_ever(loopback):
    origin = await loopback.server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"))
    upstream = loopback.upstream(connections=1, abandoned_seconds=0.05)
    held = await upstream.send(request_to(origin))
    assert (await upstream.send(request_to(origin))).status == held.status == 200


async def test_the_limit_of_connections_holds_and_the_queue_is_served(loopback):
    open_now = most = 0

    async def talk(reader, writer):
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        while True:
            await read_request(reader)
            await asyncio.sleep(0.001)
            writer.write(OK)

    origin = await loopback.server(talk)
    upstream = loopback.upstream(connections=3)
    responses = await asyncio.gather(*(upstream.send(request_to(origin)) for _ in range(40)))
    assert {response.status for response in responses} == {200}
    assert most == 3


async def test_a_full_queue_refuses(loopback):
    origin = await loopback.server(answering(b""))
    upstream = loopback.upstream(connections=1, waiting=1)
    sending = [asyncio.ensure_future(upstream.send(request_to(origin))) for _ in range(2)]
    await asyncio.sleep(0.02)
    with pytest.raises(PoolExhausted):
        await upstream.send(request_to(origin))
    for each in sending:
        each.cancel()
    await asyncio.gather(*sending, return_exceptions=True)


async def test_the_queue_has_a_deadline_and_gives_its_place_up(loopback):
    release = asyncio.Event()

    async def talk(reader, writer):
        await read_request(reader)
        await release.wait()
        writer.write(OK)
        await answering(OK)(reader, writer)

    origin = await loopback.server(talk)
    upstream = loopback.upstream(connections=1, connect=0.05)
    first = asyncio.ensure_future(upstream.send(request_to(origin)))
    await asyncio.sleep(0)
    with pytest.raises(UpstreamTimeout):
        await upstream.send(request_to(origin))
    release.set()
    assert (await first).status == 200
    assert (await upstream.send(request_to(origin))).status == 200


async def test_a_lost_connection_makes_room_for_who_waits(loopback):
    async def talk(reader, writer):
        await read_request(reader)
        await asyncio.sleep(0.01)

    origin = await loopback.server(talk)
    upstream = loopback.upstream(connections=1)
    results = await asyncio.gather(
        *(upstream.send(request_to(origin)) for _ in range(5)), return_exceptions=True
    )
    assert all(isinstance(each, ConnectionClosed) for each in results)


async def closing_after_one(loopback, seen):
    """A server that answers once a connection, and closes it when asked again.

    What a kept connection may meet.
    """

    async def talk(reader, writer):
        seen.append((await read_request(reader))[0].split(b" ")[0])
        writer.write(OK)
        seen.append((await read_request(reader))[0].split(b" ")[0])

    return await loopback.server(talk)


async def test_an_idempotent_request_survives_a_kept_connection_that_closes(loopback):
    seen = []
    origin = await closing_after_one(loopback, seen)
    upstream = loopback.upstream()
    for _ in range(2):
        assert (await upstream.send(request_to(origin))).status == 200
    assert seen == [b"GET"] * 3


async def test_a_tool_call_is_never_sent_twice(loopback):
    seen = []
    origin = await closing_after_one(loopback, seen)
    upstream = loopback.upstream()
    await upstream.send(request_to(origin))
    with pytest.raises(ConnectionClosed):
        await upstream.send(request_to(origin, "POST", body=Body(b"transfer")))
    assert seen == [b"GET", b"POST"]


async def test_what_may_be_repeated_survives_too_and_its_new_connection_is_looked_after(loopback, eventually):
    seen = []
    origin = await closing_after_one(loopback, seen)
    upstream = loopback.upstream(kept_seconds=0.05)
    for _ in range(2):
        request = request_to(origin, "POST", body=Body(b"token=a"))
        request.repeatable = True
        assert (await upstream.send(request)).status == 200
    assert seen == [b"POST"] * 3
    assert len(upstream._pools) == 1
    await eventually(lambda: not upstream._pools)


async def test_what_may_be_repeated_is_so_once_and_not_when_an_answer_has_begun(loopback):
    seen = []

    async def talk(reader, writer):
        seen.append(await read_request(reader))
        writer.write(OK)
        seen.append(await read_request(reader))
        writer.write(b"H")

    origin = await loopback.server(talk)
    upstream = loopback.upstream()
    request = request_to(origin, "POST", body=Body(b"token=a"))
    request.repeatable = True
    await upstream.send(request)
    with pytest.raises(UpstreamProtocolError, match="within its head"):
        await upstream.send(request)
    assert len(seen) == 2


async def test_a_connection_that_the_upstream_closed_is_not_used(loopback, eventually):
    origin = await loopback.server(answering(OK, end=True))
    upstream = loopback.upstream()
    for _ in range(3):
        assert (await upstream.send(request_to(origin, "POST"))).status == 200
        await eventually(lambda: not upstream._pools)


async def test_an_unused_connection_is_closed_in_time_and_its_origin_forgotten(loopback, eventually):
    origin = await loopback.server(answering(OK))
    upstream = loopback.upstream(kept_seconds=0.03)
    await upstream.send(request_to(origin))
    assert upstream._pools
    await eventually(lambda: not upstream._pools)


async def test_a_request_line_that_would_split_is_refused_and_nothing_sent(loopback):
    seen = []
    origin = await loopback.server(answering(OK, seen=seen))
    upstream = loopback.upstream()
    for bad in (
        request_to(origin, path="/a b"),
        request_to(origin, "G T"),
        request_to(origin, headers=[(b"X", b"a\r\nY: b")]),
    ):
        with pytest.raises(HeaderError):
            await upstream.send(bad)
    assert (await upstream.send(request_to(origin, path="/last"))).status == 200
    assert len(seen) == 1


async def test_back_pressure_reaches_the_upstream(loopback):
    written = 0

    async def talk(reader, writer):
        nonlocal written
        await read_request(reader)
        writer.transport.set_write_buffer_limits(0)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x" * 100_000)
            await writer.drain()
            written += 100_000

    origin = await loopback.server(talk)
    upstream = loopback.upstream(socket_buffer_bytes=65536)
    response = await upstream.send(request_to(origin))
    await asyncio.sleep(0.1)
    assert written < 8_000_000
    assert sum([len(piece) async for piece in response.body]) == 100_000_000


async def test_closing_ends_everything(loopback):
    origin = await loopback.server(answering(b""))
    upstream = loopback.upstream()
    sending = asyncio.ensure_future(upstream.send(request_to(origin)))
    await asyncio.sleep(0.02)
    await upstream.aclose()
    with pytest.raises(UpstreamError):
        await asyncio.wait_for(sending, PATIENCE)


async def test_through_both_sides(loopback, echo):
    origin = Origin("http", "127.0.0.1", (await loopback.listen(echo)).port)
    proxy = await loopback.proxy(origin)
    wire = await loopback.connect(proxy.port)
    for body in (b"", b"small", b"large" * 200_000):
        await wire.send(b"PUT /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        status, fields, answer = await wire.answer()
        assert (status, fields["x-request"], answer == body) == (200, "PUT /a?b", True)


async def test_a_gateway_error_is_the_handlers_to_map(loopback):
    proxy = await loopback.proxy(Origin("http", "127.0.0.1", 1))
    assert (await loopback.ask(proxy.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 500
    assert Response(500).body.buffered == b""
