"""Sending at once on a connection at hand, with a callback for the answer."""

import asyncio

import pytest

from deputize.http.heads import request_head
from deputize.http.messages import Body, Headers, Request, Response
from deputize.http.upstream import (
    ConnectFailed,
    ConnectionClosed,
    ConnectTimeout,
    Deadlines,
    Outgoing,
    UpstreamProtocolError,
    UpstreamTimeout,
)
from deputize.kernel.uris import Target
from support.patience import PATIENCE

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n:a\n\r\n"
)


def talking(*answers, seen):
    """A server's talk: one answer a request, `None` for none, then the end of the connection."""

    async def talk(reader, writer):
        for answer in answers:
            head = await reader.readuntil(b"\r\n\r\n")
            seen.append(
                head.split(b" ")[0] + (await reader.read(100) if b"Content-Length: 4" in head else b"")
            )
            if answer is not None:
                writer.write(answer)
            else:
                await reader.read()

    return talk


class Calls:
    """Calls of one kind, begun on the connections of one upstream."""

    def __init__(self, upstream, origin, method="POST", *, repeatable=False):
        self.upstream = upstream
        self.outgoing = Outgoing(origin, method, repeatable=repeatable)
        self.body = b"call" if method == "POST" else b""
        self.outcomes = asyncio.Queue()

    @property
    def request(self):
        outgoing = self.outgoing
        return Request(outgoing.method, Target("/", None), Headers(), Body(self.body), outgoing.origin)

    async def send(self):
        return await self.upstream.send(self.request)

    def begin(self, deadlines=None):
        head = request_head(self.request, self.outgoing.origin.authority)
        return self.upstream.begin(self.outgoing, head, self.body, deadlines, self.outcomes.put_nowait)

    async def outcome(self):
        return await asyncio.wait_for(self.outcomes.get(), PATIENCE)


async def test_nothing_is_begun_without_a_connection_at_hand(loopback):
    seen = []
    calls = Calls(loopback.upstream(), await loopback.server(talking(OK, OK, seen=seen)))
    assert calls.begin() is None
    await calls.send()
    assert seen == [b"POSTcall"]
    assert calls.begin() is not None
    assert calls.begin() is None
    assert (await calls.outcome()).body.buffered == b"ok"
    assert seen == [b"POSTcall"] * 2


async def test_answers_with_one_head_are_known_and_the_connection_is_free_when_they_come(loopback):
    calls = Calls(loopback.upstream(), await loopback.server(talking(*[OK] * 9, seen=[])))
    await calls.send()
    known = set()
    begun = []

    def answered(response):
        known.add(response.known)
        if len(begun) < 8:
            begun.append(calls.upstream.begin(calls.outgoing, head, calls.body, None, answered))
        else:
            calls.outcomes.put_nowait(response)

    head = request_head(calls.request, calls.outgoing.origin.authority)
    begun.append(calls.upstream.begin(calls.outgoing, head, calls.body, None, answered))
    assert (await calls.outcome()).status == 200
    assert None not in begun
    assert len(known) == 1
    assert None not in known


@pytest.mark.parametrize(
    ("method", "repeatable", "times"), [("POST", False, 1), ("POST", True, 2), ("GET", False, 2)]
)
async def test_what_may_be_repeated_is_so_once(loopback, method, repeatable, times):
    """As by `send`: the upstream reads the request and closes, as if it had closed before."""
    seen = []

    async def talk(reader, writer):
        await talking(OK, b"", seen=seen)(reader, writer)

    calls = Calls(loopback.upstream(), await loopback.server(talk), method, repeatable=repeatable)
    await calls.send()
    assert calls.begin()
    outcome = await calls.outcome()
    assert isinstance(outcome, ConnectionClosed if times == 1 else Response)
    assert len(seen) == 1 + times


async def test_the_second_time_ends_in_its_own_failure(loopback):
    """Only a connection that was kept is doubted."""
    answers = iter([(OK, b""), (b"",)])

    async def talk(reader, writer):
        await talking(*next(answers), seen=[])(reader, writer)

    calls = Calls(loopback.upstream(), await loopback.server(talk), "GET")
    await calls.send()
    assert calls.begin()
    assert isinstance(await calls.outcome(), ConnectionClosed)


async def test_nobody_can_be_reached_the_second_time(loopback):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.readuntil(b"\r\n\r\n")
        server.close()

    server = await asyncio.start_server(lambda *ends: closing(talk, *ends), "127.0.0.1", 0)
    calls = Calls(
        loopback.upstream(),
        (await loopback.server(talk))._replace(port=server.sockets[0].getsockname()[1]),
        "GET",
    )
    await calls.send()
    assert calls.begin()
    assert "no connection" in str(await calls.outcome())


async def closing(talk, reader, writer):
    await talk(reader, writer)
    writer.close()


@pytest.mark.parametrize("answer", [b"SMTP ready\r\n", b"HTTP/1.1 200 OK\r\nX"])
async def test_a_malformed_answer_is_the_outcome(loopback, answer):
    calls = Calls(loopback.upstream(), await loopback.server(talking(OK, answer, seen=[])))
    await calls.send()
    assert calls.begin()
    assert isinstance(await calls.outcome(), UpstreamProtocolError)


async def test_a_late_answer_is_a_timeout(loopback):
    calls = Calls(loopback.upstream(idle=0.05), await loopback.server(talking(OK, None, seen=[])))
    await calls.send()
    assert calls.begin()
    assert isinstance(await calls.outcome(), UpstreamTimeout)


@pytest.mark.parametrize("second", [False, True])
async def test_giving_up_ends_the_exchange_and_nothing_is_answered(loopback, eventually, second):
    seen = []
    answers = iter([(OK, b""), (None,)] if second else [(OK, None)])

    async def talk(reader, writer):
        await talking(*next(answers), seen=seen)(reader, writer)

    calls = Calls(loopback.upstream(), await loopback.server(talk), "GET")
    await calls.send()
    sending = calls.begin()
    await eventually(lambda: len(seen) == 2 + second)
    sending.give_up()
    await eventually(lambda: not calls.upstream._pools)
    assert calls.outcomes.empty()
    sending.give_up()


async def test_giving_up_closes_an_answer_that_has_come(loopback, eventually):
    calls = Calls(loopback.upstream(), await loopback.server(talking(OK, STREAM, None, seen=[])))
    await calls.send()
    sending = calls.begin()
    response = await calls.outcome()
    assert await anext(aiter(response.body)) == b":a\n"
    sending.give_up()
    assert [piece async for piece in response.body] == []
    await eventually(lambda: not calls.upstream._pools)


async def test_giving_up_what_is_over_leaves_the_next_exchange_alone(loopback):
    calls = Calls(loopback.upstream(), await loopback.server(talking(OK, OK, OK, seen=[])))
    await calls.send()
    over = calls.begin()
    await calls.outcome()
    assert calls.begin()
    over.give_up()
    assert (await calls.outcome()).status == 200


class Busy:
    """A server that answers when it is told to, and an upstream with one connection, which is in use."""

    def __init__(self, loopback, *, waiting=None, **limits):
        self.loopback = loopback
        self.upstream = loopback.upstream(connections=1, waiting=waiting, **limits)
        self.go_on = asyncio.Event()
        self.seen = []
        self.closes = False

    async def talk(self, reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            self.seen.append(await reader.readexactly(4))
            await self.go_on.wait()
            writer.write(OK)
            if self.closes:
                return

    async def fill(self):
        origin = await self.loopback.server(self.talk)
        self.first = asyncio.ensure_future(Calls(self.upstream, origin).send())
        while not self.seen:
            await asyncio.sleep(0.001)
        return Calls(self.upstream, origin)


async def test_what_finds_all_connections_in_use_is_sent_on_the_next_that_is_free(loopback):
    busy = Busy(loopback)
    calls = await busy.fill()
    begun = [calls.begin() for _ in range(5)]
    assert None not in begun
    begun.pop(2).give_up()
    assert len(busy.seen) == 1
    busy.go_on.set()
    for _ in begun:
        assert (await calls.outcome()).body.buffered == b"ok"
    assert (await busy.first).status == 200
    assert len(busy.seen) == 5
    assert calls.outcomes.empty()


async def test_and_on_a_new_one_when_the_upstream_closes_after_each_answer(loopback):
    busy = Busy(loopback)
    busy.closes = True
    calls = await busy.fill()
    begun = [calls.begin() for _ in range(3)]
    assert None not in begun
    busy.go_on.set()
    for _ in begun:
        assert (await calls.outcome()).body.buffered == b"ok"
    assert (await busy.first).status == 200


@pytest.mark.parametrize("closes", [False, True])
async def test_one_that_is_given_up_at_any_moment_takes_no_place_from_others(loopback, eventually, closes):
    busy = Busy(loopback)
    busy.closes = closes
    calls = await busy.fill()
    last = [calls.begin() for _ in range(12)]
    busy.go_on.set()
    for each in last[:8]:
        await asyncio.sleep(0)
        each.give_up()
    for _ in last[8:]:
        assert isinstance(await calls.outcome(), Response)
    assert (await busy.first).status == 200
    assert (await calls.send()).status == 200
    await asyncio.sleep(0.01)
    assert calls.outcomes.qsize() <= 8
    busy.closes = True
    assert (await calls.send()).status == 200
    await eventually(lambda: not busy.upstream._pools)


async def test_no_more_may_wait_than_allowed_and_what_may_be_repeated_waits_elsewhere(loopback):
    busy = Busy(loopback, waiting=1)
    calls = await busy.fill()
    assert Calls(busy.upstream, calls.outgoing.origin, "GET").begin() is None
    assert calls.begin() is not None
    assert calls.begin() is None
    busy.first.cancel()


async def test_who_waits_too_long_for_a_connection_gets_a_timeout(loopback):
    busy = Busy(loopback)
    calls = await busy.fill()
    assert calls.begin(Deadlines(connect=0.05))
    assert isinstance(await calls.outcome(), ConnectTimeout)
    busy.go_on.set()
    assert (await busy.first).status == 200
    assert (await calls.send()).status == 200
    assert len(busy.seen) == 2


async def test_who_waits_learns_that_the_upstream_is_gone(loopback):
    busy = Busy(loopback)
    calls = await busy.fill()
    assert calls.begin()
    await loopback.opened.pop()()  # the server, whose connections break
    assert isinstance(await calls.outcome(), ConnectFailed)
    with pytest.raises(ConnectionClosed):
        await busy.first


async def test_who_waits_when_the_upstream_is_closed_learns_it_and_opens_no_connection(loopback):
    busy = Busy(loopback)
    calls = await busy.fill()
    waiting = asyncio.ensure_future(calls.send())
    await asyncio.sleep(0)
    assert calls.begin()
    await busy.upstream.aclose()
    assert isinstance(await calls.outcome(), ConnectFailed)
    with pytest.raises(ConnectFailed):
        await waiting
    with pytest.raises(ConnectionClosed):
        await busy.first
    assert not busy.upstream._pools


async def test_a_queued_request_whose_answer_streams_is_given_up_like_any(loopback, eventually):
    ready = asyncio.Event()

    async def talk(reader, writer):
        for answer in (OK, STREAM):
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(4)
            await ready.wait()
            writer.write(answer)
        await reader.read()

    calls = Calls(loopback.upstream(connections=1), await loopback.server(talk))
    first = asyncio.ensure_future(calls.send())
    await asyncio.sleep(0.01)
    sending = calls.begin()
    ready.set()
    response = await calls.outcome()
    sending.give_up()
    assert [piece async for piece in response.body] in ([], [b":a\n"])
    await eventually(lambda: not calls.upstream._pools)
    assert (await first).status == 200
