"""What a listener owes whoever keeps records.

The last bytes of an answer wait until the record is written.
"""

import asyncio

import pytest

from deputize.http.listener import Gate, Records
from deputize.http.messages import Body, Headers, Response
from support.gateway import FixedClock

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


class Keeper:
    """Holds every answer until `write` is called."""

    def __init__(self):
        self.held = []
        self.endings = []
        self.unheard = []
        self.records = Records(self.hold, self.unheard.append)

    def hold(self, then):
        self.held.append(then)
        return True

    def write(self):
        held, self.held = self.held, []
        for then in held:
            then()


@pytest.fixture
def keeper():
    return Keeper()


async def quiet(wire):
    """Whether nothing has come although it could have."""
    for _ in range(5):
        await asyncio.sleep(0)
    return not wire.reader._buffer


def streaming(keeper, length):
    async def produce():
        for piece in (b"123", b"", b"45", b""):
            yield piece

    async def answer(exchange):
        exchange.endings.append(lambda _, ending: keeper.endings.append(ending))
        return Response(200, Headers(), Body(None, produce(), length))

    return answer


async def test_an_answer_waits_until_it_is_recorded(loopback, keeper, eventually):
    async def answer(exchange):
        exchange.endings.append(lambda _, ending: keeper.endings.append(ending))
        return Response(200, Headers(), Body(b"hello"))

    gate = Gate()
    listener = await loopback.listen(answer, gate=gate)
    listener.records = keeper.records
    wire = await loopback.connect(listener.port)
    await wire.send(GET + GET)
    await eventually(lambda: keeper.held)
    assert [(ending.body_bytes, ending.complete) for ending in keeper.endings] == [(5, True)]
    assert await quiet(wire)
    assert len(keeper.endings) == gate.exchanges == 1  # the next request waits its turn
    for _ in range(2):
        await eventually(lambda: keeper.held)
        keeper.write()
        assert (await wire.answer())[2] == b"hello"
    assert gate.exchanges == 0


@pytest.mark.parametrize("length", [5, None])
async def test_a_stream_waits_at_its_head_and_at_its_end(loopback, keeper, eventually, length):
    listener = await loopback.listen(streaming(keeper, length))
    listener.records = keeper.records
    wire = await loopback.connect(listener.port)
    await wire.send(GET)
    await eventually(lambda: keeper.held)
    assert await quiet(wire)
    assert keeper.endings == []
    keeper.write()
    assert (await wire.head())[0] == 200
    await eventually(lambda: keeper.held)
    assert [(ending.body_bytes, ending.complete) for ending in keeper.endings] == [(5, True)]
    if length is None:
        assert [await wire.chunk() for _ in range(2)] == [b"123", b"45"]
    else:
        assert await wire.reader.readexactly(3) == b"123"
    assert await quiet(wire)
    keeper.write()
    assert await (wire.chunk() if length is None else wire.reader.readexactly(2)) == (
        b"" if length is None else b"45"
    )


@pytest.mark.parametrize("length", [4, 6])
async def test_a_body_that_is_not_as_long_as_announced_never_seems_complete(
    loopback, keeper, eventually, length
):
    listener = await loopback.listen(streaming(keeper, length))
    wire = await loopback.connect(listener.port)
    await wire.send(GET)
    with pytest.raises(asyncio.IncompleteReadError):
        await wire.answer()
    await eventually(lambda: keeper.endings)
    assert not keeper.endings[0].complete


@pytest.mark.parametrize("whole", [True, False])
async def test_a_client_that_leaves_meanwhile_leaves_nothing_behind(loopback, keeper, eventually, whole):
    async def answer(exchange):
        exchange.endings.append(lambda _, ending: keeper.endings.append(ending))
        return Response(200, Headers(), Body(b"hello")) if whole else await streaming(keeper, None)(exchange)

    gate = Gate()
    listener = await loopback.listen(answer, gate=gate)
    listener.records = keeper.records
    wire = await loopback.connect(listener.port)
    await wire.send(GET)
    await eventually(lambda: keeper.held)
    wire.close()
    await eventually(lambda: gate.connections == 0)
    keeper.write()
    await eventually(lambda: gate.exchanges == 0)
    assert {ending.complete for ending in keeper.endings} == {
        whole
    }  # what was to be sent was complete; a stream had not begun


@pytest.mark.parametrize(
    ("sent", "status", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, "not exactly one Host"),
        (b"rubbish\r\n\r\n", 400, ""),
        (b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 5000), 414, ""),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"x" * 9000), 431, "too many or too long fields"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", 413, "the announced body is too large"),
        (b"GET / HTTP/1.1\r\nHo", 408, "the head did not come"),
    ],
)
async def test_what_the_listener_refuses_is_told_before_it_is_answered(
    loopback, keeper, eventually, sent, status, reason
):
    async def answer(_):
        raise AssertionError("it is never asked")

    listener = await loopback.listen(answer, body_bytes=8, head_seconds=0.08)
    listener.records = keeper.records
    wire = await loopback.connect(listener.port)
    await wire.send(sent)
    await eventually(lambda: keeper.held)
    (unheard,) = keeper.unheard
    assert (unheard.status, unheard.request, unheard.peer.remote_address) == (status, None, "127.0.0.1")
    assert reason in unheard.reason
    assert unheard.transaction_id
    assert await quiet(wire)
    keeper.write()
    assert (await wire.answer())[0] == status
    assert await wire.is_closed()


async def test_what_finds_no_room_is_told_with_the_request(loopback, keeper):
    listener = await loopback.listen(streaming(keeper, None), gate=Gate(exchanges=0))
    listener.records = Records(unheard=keeper.unheard.append)
    wire = await loopback.connect(listener.port)
    await wire.send(GET)
    assert (await wire.answer())[0] == 503
    assert [(each.status, str(each.request.target)) for each in keeper.unheard] == [(503, "/a")]


async def test_an_idle_connection_is_no_request(loopback, keeper):
    listener = await loopback.listen(streaming(keeper, None), head_seconds=0.05)
    listener.records = keeper.records
    wire = await loopback.connect(listener.port)
    assert await wire.is_closed()
    assert keeper.unheard == []


async def test_when_a_request_arrived_is_told_by_the_listeners_clock(loopback):
    """Of a request whose head is remembered as well."""
    arrived = []

    async def answer(exchange):
        arrived.append(exchange.arrived)
        return Response(200, Headers(), Body(b"hello"))

    listener = await loopback.listen(answer)
    listener.clock = FixedClock()
    wire = await loopback.connect(listener.port)
    for moment in (7.0, 8.5, 9.25):
        listener.clock.time = moment
        await wire.send(GET)
        await wire.reader.readuntil(b"hello")
    assert arrived == [7.0, 8.5, 9.25]
