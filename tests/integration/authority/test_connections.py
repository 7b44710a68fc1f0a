"""The authority behind the listener: what each deadline, limit and head that can be read in two ways gets.

How the listener works is tested where it is; here, that the authority has all of it.
"""

import asyncio
import asyncio.selector_events
import contextlib
import gc
from collections import Counter
from dataclasses import replace

import pytest

from deputize.authority import serve
from deputize.authority.endpoint import MAX_BODY_SIZE
from deputize.authority.serve import ServeOptions, listen
from deputize.http.listener.request_reader import RequestReader
from deputize.oauth.records.directory import Directory
from support.authority import basic, running_authority
from support.patience import PATIENCE

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


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


async def answer_to(served, sent) -> bytes:
    async with connected(served) as (reader, writer):
        writer.write(sent)
        return await everything(reader)


async def answer_to_all(served, sent) -> None:
    """Send, say that nothing more comes, and wait for the end."""
    async with connected(served) as (reader, writer):
        writer.write(sent)
        writer.write_eof()
        await everything(reader)


def post_to_token(served, fields, body=b"") -> bytes:
    return (
        b"POST "
        + served.path.encode()
        + b"/as/token HTTP/1.1\r\nHost: localhost\r\n"
        + fields
        + b"\r\n"
        + body
    )


async def test_a_peer_that_sends_nothing_is_let_go(impatient):
    assert await answer_to(impatient, b"") == b""


async def test_half_a_head_is_408(impatient):
    answer = await answer_to(impatient, b"GET / HTTP/1.1\r\nHost: localhost")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"Connection: close" in answer


async def test_half_a_body_is_408(impatient):
    answer = await answer_to(impatient, post_to_token(impatient, FORM + b"Content-Length: 2\r\n", b"a"))
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_head_without_end_is_431(served):
    async with connected(served) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(64):
                writer.write(b"X-Padding: " + b"a" * 4096 + b"\r\n")
                await writer.drain()
        answer = await everything(reader)
    assert not answer or answer.startswith(b"HTTP/1.1 431 ")


async def test_a_target_without_end_is_414(served):
    answer = await answer_to(served, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 414 ")


async def test_the_next_request_of_a_connection_has_a_deadline_too(impatient):
    async with connected(impatient) as (reader, writer):
        writer.write(LIVE)
        assert b"200 OK" in await reader.readuntil(b"}")
        writer.write(b"GET /health/live HTTP/1.1\r\n")
        assert (await everything(reader)).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    ("length", "sent"),
    [(0, b"\r\n"), (1000, b"x"), (1000, b"x" * 999)],
    ids=["an empty line", "a body nobody reads", "almost all of it"],
)
async def test_bytes_that_begin_no_request_do_not_keep_a_connection(impatient, length, sent):
    async with connected(impatient) as (reader, writer):
        head = f"GET /health/live HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        writer.write(head.encode())
        assert b"200 OK" in await reader.readuntil(b"}")
        writer.write(sent)
        assert b"200" not in await everything(reader)


async def test_a_connection_that_is_used_is_kept(impatient):
    async with connected(impatient) as (reader, writer):
        for _ in range(3):
            writer.write(LIVE)
            assert b"200 OK" in await reader.readuntil(b"}")
            await asyncio.sleep(0.06)


@pytest.mark.parametrize("target", [b"http://a", b"http://a:b/", b"/%2e/", b"/a//b", b"*"])
async def test_a_target_that_programs_read_in_two_ways_is_refused(served, target):
    answer = await answer_to(served, b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_a_body_larger_than_allowed_is_413_before_it_is_sent(served):
    length = MAX_BODY_SIZE + 1
    head = post_to_token(served, FORM + f"Content-Length: {length}\r\n".encode())
    assert (await answer_to(served, head)).startswith(b"HTTP/1.1 413 ")
    for fields in (b"Connection: close\r\n", b"Expect: 100-continue\r\n"):
        head = post_to_token(served, FORM + fields + f"Content-Length: {length}\r\n".encode())
        assert (await answer_to(served, head)).startswith(b"HTTP/1.1 413 ")
    old = post_to_token(served, FORM + f"Content-Length: {length}\r\n".encode()).replace(b"/1.1", b"/1.0", 1)
    assert (await answer_to(served, old)).startswith(b"HTTP/1.1 413 ")
    chunks = b"%x\r\n%b\r\n" % (length, b"x" * length)
    answer = await answer_to(served, post_to_token(served, FORM + b"Transfer-Encoding: chunked\r\n", chunks))
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_body_at_the_limit_is_read(served):
    body = b"grant_type=" + b"x" * (MAX_BODY_SIZE - len(b"grant_type="))
    credentials = f"Authorization: {basic()['Authorization']}\r\n".encode()
    async with connected(served) as (reader, writer):
        fields = FORM + credentials + b"Content-Length: %d\r\n" % len(body)
        writer.write(post_to_token(served, fields, body))
        answer = await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"unsupported_grant_type" in answer


@pytest.mark.parametrize("cut", [1, 7, 1000])
async def test_a_body_arrives_whole_however_it_was_cut(served, cut):
    body = b"grant_type=client_credentials&scope=agent"
    credentials = f"Authorization: {basic()['Authorization']}\r\n".encode()
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(body[at : at + cut]), body[at : at + cut]) for at in range(0, len(body), cut)
    )
    fields = FORM + credentials + b"Transfer-Encoding: Chunked\r\n"
    async with connected(served) as (reader, writer):
        writer.write(post_to_token(served, fields))
        for at in range(0, len(chunks), 5):
            writer.write(chunks[at : at + 5])
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        answer = await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"access_token":' in answer


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (b"", 400),
        (b"Host: localhost\r\nHost: localhost\r\n", 400),
        (b"Host: localhost\r\nHost: b\r\n", 400),
        (b"Host: a b\r\n", 400),
        (b"Host: a/b?client_id=evil&x=\r\n", 400),
        (b"Host: a/../c#\r\n", 400),
        (b"Host: [::1\r\n", 400),
        (b"Host: user@localhost\r\n", 400),
        (b"Host: localhost\r\nAuthorization: Basic eDp5\r\nAuthorization: Basic eDp6\r\n", 400),
        (b"Host: localhost\r\nTransfer-Encoding: gzip, chunked\r\n", 501),
        (b"Host: localhost\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501),
        (b"Host: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
    ],
)
async def test_a_head_that_can_be_read_in_two_ways_is_refused_and_ends_the_connection(served, fields, status):
    sent = b"POST " + served.path.encode() + b"/as/token HTTP/1.1\r\n" + fields + b"\r\n0\r\n\r\n"
    answer = await answer_to(served, sent)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("name", [b"X_Forwarded_For", b"X_ForgeRock_TransactionId"])
async def test_a_field_that_servers_take_for_another_is_not_seen(served, name):
    async with connected(served) as (reader, writer):
        writer.write(post_to_token(served, name + b": 6.6.6.6\r\nContent-Length: 0\r\n"))
        await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE)
    (record,) = await served.records("TOKEN-REFUSED")
    assert (record["client"]["ip"], record["callerTransactionId"]) == ("127.0.0.1", None)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:9080", 200),
        ("agents.example", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("10.0.0.1", 421),
    ],
)
async def test_on_a_loopback_address_only_its_own_names_are_answered(tmp_path, host, status):
    async with running_authority(tmp_path, "https://agents.example") as authority:
        listener = await listen(authority.services, ServeOptions("127.0.0.1", 0, authority.base_url))
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(f"GET /health/live HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert (await everything(reader)).startswith(f"HTTP/1.1 {status} ".encode())
        writer.close()
        await listener.close()


async def test_on_another_address_every_name_is_as_with_a_health_check_by_address(tmp_path):
    async with running_authority(tmp_path, "https://agents.example") as authority:
        listener = await listen(authority.services, ServeOptions("0.0.0.0", 0, authority.base_url))
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: 10.0.0.1\r\nConnection: close\r\n\r\n")
        assert (await everything(reader)).startswith(b"HTTP/1.1 200 ")
        writer.close()
        await listener.close()


async def test_a_record_is_written_before_the_answer_leaves(served, monkeypatch):
    on_file: list[int] = []
    transport = asyncio.selector_events._SelectorSocketTransport
    send = transport.write

    def watched(self, data):
        if data.startswith(b"HTTP/1.1 401 "):
            on_file.append(served.audit_file.read_text().count("TOKEN-REFUSED"))
        send(self, data)

    monkeypatch.setattr(transport, "write", watched)
    body = b"grant_type=client_credentials"
    async with connected(served) as (reader, writer):
        writer.write(post_to_token(served, FORM + b"Content-Length: %d\r\n" % len(body), body))
        await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE)
    assert on_file == [1]


async def test_requests_whose_heads_are_remembered_are_told_apart(served, monkeypatch):
    credentials = f"Authorization: {basic()['Authorization']}\r\n".encode()
    answers = []
    async with connected(served) as (reader, writer):

        async def ask(number, body):
            head = FORM + credentials + b"X-ForgeRock-TransactionId: gateway/%d\r\n" % number
            writer.write(post_to_token(served, head + b"Content-Length: %d\r\n" % len(body), body))
            answers.append(await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE))

        parsed = []
        read = RequestReader.feed
        monkeypatch.setattr(RequestReader, "feed", lambda self, data: (parsed.append(data), read(self, data)))
        for number in range(4):
            await ask(number, b"grant_type=password")
            await ask(number + 10, b"grant_type=client_credentials&scope=agent")
        assert len(parsed) == 1  # all others were answered by the plan of the first
        served.directory.current = Directory(served.directory.current.version + 1, {})
        await ask(99, b"grant_type=password")
    assert [answer[9:12] for answer in answers] == [b"400", b"200"] * 4 + [b"404"]
    refused, issued = await served.records("TOKEN-REFUSED"), await served.records("TOKEN-ISSUED")
    assert [each["callerTransactionId"] for each in refused] == [f"gateway/{number}" for number in range(4)]
    assert [each["callerTransactionId"] for each in issued] == [
        f"gateway/{number + 10}" for number in range(4)
    ]
    assert len({each["transactionId"] for each in refused + issued}) == 8


async def test_requests_leave_no_circles_to_the_garbage_collector(served):
    credentials = f"Authorization: {basic()['Authorization']}\r\n".encode()
    bodies = [b"grant_type=client_credentials&scope=agent", b"grant_type=password", b"%%%", b""]
    sent = [
        post_to_token(served, FORM + credentials + b"Content-Length: %d\r\n" % len(body), body)
        for body in bodies
    ]
    paths = ("/health/ready", f"{served.path}/as/jwks", "/nothing", served.authorize_url())
    sent += [f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for path in paths]
    sent.append(post_to_token(served, FORM + b"Content-Length: 5\r\n", b"x"))
    for request in sent:  # what is made once, such as templates, is made
        await answer_to_all(served, request)
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for request in sent:
            await answer_to_all(served, request)
        gc.collect()
        left = Counter(
            type(each).__name__ for each in gc.garbage if type(each).__module__.startswith("deputize")
        )
        assert left == {}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


async def test_beyond_its_connections_it_takes_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(serve, "MAX_CONNECTIONS", 1)
    async with running_authority(tmp_path) as authority:
        listener = await listen(authority.services, ServeOptions("127.0.0.1", 0, authority.base_url))
        served = replace(authority, base_url=f"http://127.0.0.1:{listener.port}")
        async with connected(served) as (reader, writer):
            writer.write(LIVE)
            assert b"200 OK" in await reader.readuntil(b"}")
            assert await answer_to(served, LIVE) == b""
        await listener.close()
