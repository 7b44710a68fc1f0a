import asyncio
import contextlib

import pytest

from deputize.authority import serve
from deputize.authority.guard import MAX_BODY_SIZE
from support.patience import PATIENCE


@contextlib.asynccontextmanager
async def connected(served):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(served.base_url.rpartition(":")[2]))
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def everything(reader) -> bytes:
    with contextlib.suppress(ConnectionError):
        return await asyncio.wait_for(reader.read(), PATIENCE)
    return b""


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: a"], ids=["silent", "half a head"])
async def test_a_peer_that_sends_no_head_is_let_go(served, monkeypatch, sent):
    monkeypatch.setattr(serve, "HEAD_SECONDS", 0.05)
    async with connected(served) as (reader, writer):
        writer.write(sent)
        assert await everything(reader) == b""


async def test_a_head_without_end_is_cut_off(served):
    async with connected(served) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(64):
                writer.write(b"X-Padding: " + b"a" * 4096 + b"\r\n")
                await writer.drain()
        assert b"200" not in await everything(reader)


async def test_the_next_request_of_a_connection_has_a_deadline_too(served, monkeypatch):
    async with connected(served) as (reader, writer):
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"200 OK" in await reader.readuntil(b"}")
        monkeypatch.setattr(serve, "HEAD_SECONDS", 0.05)
        writer.write(b"GET /health/live HTTP/1.1\r\n")
        assert await everything(reader) == b""


@pytest.mark.parametrize(
    ("length", "sent"),
    [(0, b"\r\n"), (1000, b"x"), (1000, b"x" * 999)],
    ids=["an empty line", "a body nobody reads", "almost all of it"],
)
async def test_bytes_that_begin_no_request_do_not_keep_a_connection(served, monkeypatch, length, sent):
    async with connected(served) as (reader, writer):
        writer.write(f"GET /health/live HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode())
        assert b"200 OK" in await reader.readuntil(b"}")
        monkeypatch.setattr(serve, "HEAD_SECONDS", 0.05)
        writer.write(sent)
        assert await asyncio.wait_for(reader.read(), PATIENCE) == b""


@pytest.mark.parametrize("target", [b"http://a", b"http://a:b/"])
async def test_a_target_without_path_is_refused(served, target):
    async with connected(served) as (reader, writer):
        writer.write(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await everything(reader)).startswith(b"HTTP/1.1 400")


async def test_a_connection_that_is_used_is_kept(served, monkeypatch):
    monkeypatch.setattr(serve, "HEAD_SECONDS", 0.05)
    async with connected(served) as (reader, writer):
        for _ in range(3):
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"200 OK" in await reader.readuntil(b"}")
            await asyncio.sleep(0.06)


async def test_a_body_larger_than_allowed_is_refused(served):
    async with connected(served) as (reader, writer):
        head = (
            f"POST {served.path}/as/token HTTP/1.1\r\nHost: a\r\nContent-Length: {MAX_BODY_SIZE + 1}\r\n\r\n"
        )
        writer.write(head.encode() + b"x" * (MAX_BODY_SIZE + 1))
        assert b"413" in await everything(reader)


@pytest.mark.parametrize(
    "fields",
    [
        b"",
        b"Host: a\r\nHost: a\r\n",
        b"Host: a\r\nHost: b\r\n",
        b"Host: a b\r\n",
        b"Host: a\r\nAuthorization: Basic eDp5\r\nAuthorization: Basic eDp6\r\n",
        b"Host: a\r\nTransfer-Encoding: gzip, chunked\r\n",
        b"Host: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        b"Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ],
)
async def test_a_head_that_can_be_read_in_two_ways_is_refused_and_ends_the_connection(served, fields):
    async with connected(served) as (reader, writer):
        writer.write(b"POST " + served.path.encode() + b"/as/token HTTP/1.1\r\n" + fields + b"\r\n0\r\n\r\n")
        answer = await everything(reader)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1
