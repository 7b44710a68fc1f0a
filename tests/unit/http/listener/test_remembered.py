"""Requests whose heads are remembered are served as those whose heads are not."""

import asyncio

from deputize.http.messages import Body, Headers, Response
from deputize.http.plans import Plan
from support.in_memory import CLIENT, connect, listener_in_memory

ASK = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /%b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


class Planning:
    """Answers with path, body and the values of Mcp-Name, and counts the heads it has planned for."""

    def __init__(self):
        self.planned = 0
        self.endings = []

    def plan(self, head):
        self.planned += 1
        names, path = head.reader("Mcp-Name"), head.target.path

        async def answer(exchange):
            exchange.endings.append(lambda _, ending: self.endings.append(ending))
            body = await exchange.body.read(1 << 20)
            return Response(200, Headers(), Body(f"{path} {body!r} {names(exchange)}".encode()))

        def answer_at_once(exchange):
            exchange.endings.append(lambda _, ending: self.endings.append(ending))
            content = exchange.body.buffered
            if content is None:
                return answer(exchange)
            return Response(200, Headers(), Body(f"{path} {content!r} {names(exchange)}".encode()))

        return Plan.answering(head, answer_at_once)


def said(transport):
    """The bodies of the answers, in order, and forget them."""
    written, transport.written = transport.written, b""
    return [part.partition(b"\r\n\r\n")[2].decode() for part in written.split(b"HTTP/1.1 ")[1:]]


async def test_a_head_is_planned_for_once():
    handler = Planning()
    connection, transport = connect(listener_in_memory(handler))
    for name in (b"x", b"y"):
        connection.data_received(b"GET /a HTTP/1.1\r\nHost: a\r\nMcp-Name: %b\r\n\r\n" % name)
    assert said(transport) == ["/a b'' ['x']", "/a b'' ['y']"]
    assert handler.planned == 1


async def test_empty_lines_are_not_what_a_plan_is_remembered_by():
    """Whoever sends nothing but these would get the answer that another client was given."""
    for blank in (b"\r\n\r\n", b"\n\r\n\r\n", b"\r\n\r\n\r\n"):
        handler = Planning()
        listener = listener_in_memory(handler)
        first, one = connect(listener)
        first.data_received(blank + ASK % b"secret")
        assert said(one) == ["/secret b'' []"]
        second, two = connect(listener, (CLIENT[0], 50124))
        second.data_received(blank)
        assert said(two) == []
        third, three = connect(listener)
        third.data_received(blank)
        third.data_received(ASK % b"other")
        fourth, four = connect(listener)
        fourth.data_received(blank)
        assert (said(three), said(four)) == (["/other b'' []"], [])


async def test_nothing_is_answered_while_the_client_does_not_read():
    handler = Planning()
    connection, transport = connect(listener_in_memory(handler))
    connection.data_received(ASK % b"a")
    connection.data_received(ASK % b"b")
    said(transport)
    connection.pause_writing()
    connection.data_received(ASK % b"c")  # not remembered yet
    connection.data_received(ASK % b"a")
    connection.data_received(ASK % b"b")
    assert said(transport) == []
    connection.resume_writing()
    assert said(transport) == ["/c b'' []", "/a b'' []", "/b b'' []"]


async def test_the_limit_of_a_head_is_the_same_for_one_that_is_remembered():
    """What varies may be too long: names and values count as if a blank stood before each value."""
    fields = b"".join(b"X-%d:a\r\n" % number for number in range(30))
    for size in range(312, 336):
        statuses = []
        for plans in (0, 100):
            listener = listener_in_memory(Planning(), plans=plans, header_bytes=600)
            connection, transport = connect(listener)
            for value in (b"x", b"x" * size):
                connection.data_received(
                    b"GET / HTTP/1.1\r\nHost: a\r\n%bMcp-Name: %b\r\n\r\n" % (fields, value)
                )
            statuses.append(transport.written.count(b"HTTP/1.1 200"))
        assert statuses[0] == statuses[1], size


async def test_a_body_that_does_not_come_before_the_client_leaves_is_an_exchange_all_the_same():
    for plans in (0, 100):
        handler = Planning()
        listener = listener_in_memory(handler, plans=plans)
        connection, _ = connect(listener)
        connection.data_received(POST % (b"a", 2) + b"ab")
        connection.data_received(POST % (b"a", 3) + b"a")
        connection.connection_lost(ConnectionResetError())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [ending.complete for ending in handler.endings] == [True, False]
        assert listener.gate.exchanges == 0


async def test_an_answer_that_cannot_be_sent_ends_its_exchange_when_the_client_leaves():
    endings = []

    async def close():
        await asyncio.Event().wait()

    async def stream():
        yield b""

    class Unsendable:
        async def handle(self, exchange):
            exchange.endings.append(lambda _, ending: endings.append(ending))
            return Response(700, Headers(), Body(None, stream(), close=close))

    for turns in range(1, 5):
        endings.clear()
        listener = listener_in_memory(Unsendable())
        connection, _ = connect(listener)
        connection.data_received(ASK % b"a")
        for _ in range(turns):
            await asyncio.sleep(0)
        connection.connection_lost(None)
        for _ in range(4):
            await asyncio.sleep(0)
        assert [ending.complete for ending in endings] == [False]
        assert listener.gate.exchanges == 0
