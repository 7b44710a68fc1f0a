import asyncio

import pytest
from structlog.testing import capture_logs

from deputize.gateway.exchange.conditions import Undecidable
from deputize.http.messages import Body, Headers, Response
from support.patience import PATIENCE

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"


def post(body, *extra):
    return b"\r\n".join(
        [b"POST /mcp?q HTTP/1.1", b"Host: a", b"Content-Length: %d" % len(body), *extra, b"", body]
    )


async def test_a_request_is_answered_and_the_connection_kept(loopback, echo):
    listener = await loopback.listen(echo)
    wire = await loopback.connect(listener.port)
    for body in (b"", b"one", b"two" * 10_000):
        await wire.send(post(body))
        status, fields, answer = await wire.answer()
        assert (status, answer) == (200, body)
        assert fields["x-request"] == "POST /mcp?q"
        assert fields["content-length"] == str(len(body))
        assert "date" in fields
        assert not {"server", "connection"} & fields.keys()


async def test_pipelined_requests_are_answered_in_order(loopback):
    async def slow_first(exchange):
        await asyncio.sleep(0.05 if exchange.request.target.path == "/0" else 0)
        return Response(200, Headers(), Body(exchange.request.target.path.encode()))

    listener = await loopback.listen(slow_first, pipelined=4)
    wire = await loopback.connect(listener.port)
    await wire.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(2000)))
    assert [(await wire.answer())[2] for _ in range(2000)] == [b"/%d" % number for number in range(2000)]


async def test_head_has_no_body_but_its_length(loopback):
    async def answer(exchange):
        return Response(200, Headers(), Body(b"twelve bytes"))

    listener = await loopback.listen(answer)
    wire = await loopback.connect(listener.port)
    await wire.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
    assert (await wire.answer("HEAD"))[1]["content-length"] == "12"
    assert (await wire.answer())[2] == b"twelve bytes"


@pytest.mark.parametrize("status", [204, 304])
async def test_some_statuses_have_no_body(loopback, status):
    async def answer(exchange):
        return Response(status, Headers(), Body(b"ignored"))

    listener = await loopback.listen(answer)
    wire = await loopback.connect(listener.port)
    await wire.send(GET + GET)
    for _ in range(2):
        seen, fields, _ = await wire.answer()
        assert seen == status
        assert "content-length" not in fields


async def test_http_1_0_is_closed_and_never_chunked(loopback):
    async def stream():
        yield b"one"
        yield b"two"

    async def answer(exchange):
        return Response(200, Headers(), Body(None, stream()))

    listener = await loopback.listen(answer)
    wire = await loopback.connect(listener.port)
    await wire.send(b"GET / HTTP/1.0\r\n\r\n")
    status, fields, body = await wire.answer()
    assert (status, fields["connection"], body) == (200, "close", b"onetwo")
    assert "transfer-encoding" not in fields


async def test_what_is_asked_about_the_server_itself_is_answered_here(loopback, echo):
    listener = await loopback.listen(echo)
    wire = await loopback.connect(listener.port)
    await wire.send(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
    status, fields, _ = await wire.answer()
    assert (status, fields["content-length"], "x-request" in fields) == (200, "0", False)
    assert "x-request" in (await wire.answer())[1]


async def test_connection_close_is_honoured(loopback, echo):
    listener = await loopback.listen(echo)
    wire = await loopback.connect(listener.port)
    await wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET)
    _, fields, _ = await wire.answer()
    assert fields["connection"] == "close"
    assert await wire.is_closed()


async def test_a_chunked_request_body_streams(loopback):
    seen = asyncio.Queue()

    async def answer(exchange):
        async for piece in exchange.request.body:
            await seen.put(piece)
        return Response(200)

    listener = await loopback.listen(answer)
    wire = await loopback.connect(listener.port)
    await wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for piece in (b"one", b"two"):
        await wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        assert await asyncio.wait_for(seen.get(), PATIENCE) == piece
    await wire.send(b"0\r\nTrailer: dropped\r\n\r\n")
    assert (await wire.answer())[0] == 200


async def test_continue_is_sent_when_the_body_is_wanted(loopback, echo):
    listener = await loopback.listen(echo)
    wire = await loopback.connect(listener.port)
    await wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert (await wire.head())[0] == 100
    await wire.send(b"abc")
    assert (await wire.answer())[2] == b"abc"


async def test_no_continue_for_a_request_that_is_refused_unread(loopback):
    async def refuse(exchange):
        return Response(401)

    listener = await loopback.listen(refuse)
    wire = await loopback.connect(listener.port)
    await wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    status, fields, _ = await wire.answer()
    assert (status, fields["connection"]) == (401, "close")
    assert await wire.is_closed()


async def test_an_offered_upgrade_is_ignored(loopback, echo):
    listener = await loopback.listen(echo)
    wire = await loopback.connect(listener.port)
    offer = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__")
    await wire.send(
        post(b"abc", *offer)
        + post(b"")
        + b"GET / HTTP/1.1\r\nHost: a\r\n"
        + b"\r\n".join(offer)
        + b"\r\n\r\n"
        + GET
    )
    assert [(await wire.answer())[::2] for _ in range(4)] == [
        (200, b"abc"),
        (200, b""),
        (200, b""),
        (200, b""),
    ]


async def test_a_failing_handler_is_a_bare_500_and_a_log_line(loopback, capsys):
    async def fail(exchange):
        raise RuntimeError("the secret cause")

    listener = await loopback.listen(fail)
    wire = await loopback.connect(listener.port)
    await wire.send(GET + GET)
    assert (await wire.answer())[::2] == (500, b"")
    assert (await wire.answer())[0] == 500
    logged = capsys.readouterr().out
    assert "the secret cause" in logged
    assert "transaction" in logged


async def test_a_failure_that_is_an_operators_is_one_line_without_a_traceback(loopback):
    async def fail(exchange):
        raise Undecidable("the condition at mcp.json at /condition compares what no filter has left")

    listener = await loopback.listen(fail)
    with capture_logs() as lines:
        assert (await loopback.ask(listener.port, GET))[0] == 500
    [line] = [line for line in lines if line["event"] == "the handler failed"]
    assert line["reason"].startswith("the condition at mcp.json at /condition compares")
    assert "exc_info" not in line


async def test_a_header_that_would_split_the_response_is_a_500(loopback):
    async def split(exchange):
        return Response(200, Headers([(b"X", b"a\r\nSet-Cookie: b")]), Body(b"x"))

    listener = await loopback.listen(split)
    assert (await loopback.ask(listener.port, GET))[::2] == (500, b"")


async def test_a_body_shorter_than_announced_breaks_off(loopback):
    async def short():
        yield b"abc"

    async def answer(exchange):
        return Response(200, Headers(), Body(None, short(), length=5))

    listener = await loopback.listen(answer)
    wire = await loopback.connect(listener.port)
    await wire.send(GET)
    assert (await wire.head())[1]["content-length"] == "5"
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await wire.reader.readexactly(5)
