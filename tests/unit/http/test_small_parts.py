import asyncio

import pytest

from deputize.http.connections import Silence, Ticker
from deputize.http.exchange import Exchange, Peer
from deputize.http.listener import Gate
from deputize.http.listener.request_head import sort_out
from deputize.http.messages import Headers, Request
from deputize.kernel.ids import TransactionIds
from deputize.kernel.uris import Target


def test_a_gate_counts():
    gate = Gate(connections=1, exchanges=1)
    assert gate.has_room_for_connection
    assert gate.has_room_for_exchange
    gate.connections += 1
    gate.exchanges += 1
    assert not gate.has_room_for_connection
    assert not gate.has_room_for_exchange


def test_silence_starts_anew_with_every_change():
    silence = Silence()
    assert silence.lasts(("head", 0), 10.0) == 0
    assert silence.lasts(("head", 0), 12.0) == 2
    assert silence.lasts(("head", 1), 13.0) == 0
    assert silence.lasts(("body", 1), 14.0) == 0
    assert silence.lasts(("body", 1), 14.5) == 0.5


async def test_a_ticker_ticks_until_it_is_stopped():
    ticks = []
    ticker = Ticker(asyncio.get_running_loop(), 0.005, ticks.append)
    ticker.start()
    ticker.start()
    while len(ticks) < 3:
        await asyncio.sleep(0.002)
    ticker.stop()
    count = len(ticks)
    await asyncio.sleep(0.02)
    assert len(ticks) == count
    assert ticks == sorted(ticks)


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ([(b"X", b"1")], [b"X"]),
        ([(b"Connection", b"close"), (b"X", b"1")], [b"X"]),
        ([(b"Connection", b"x , Y"), (b"X", b"1"), (b"y", b"2"), (b"Z", b"3")], [b"Z"]),
        ([(b"CONNECTION", b"x"), (b"connection", b"y"), (b"X", b"1"), (b"Y", b"2")], []),
        (
            [
                (b"Connection", b"host, cookie, authorization, content-length"),
                (b"Host", b"a"),
                (b"Cookie", b"b"),
            ],
            [b"Host", b"Cookie"],
        ),
        (
            [
                (b"Keep-Alive", b"1"),
                (b"TE", b"1"),
                (b"Upgrade", b"1"),
                (b"Trailer", b"1"),
                (b"Proxy-Connection", b"1"),
            ],
            [],
        ),
        ([(b"Proxy-Authorization", b"1"), (b"Proxy-Authenticate", b"1"), (b"Transfer-Encoding", b"1")], []),
    ],
)
def test_hop_by_hop_fields_are_dropped(fields, kept):
    assert [name for name, _ in sort_out(fields)[0]] == kept


def test_transaction_ids_are_unique_across_processes_too():
    one, other = TransactionIds(), TransactionIds()
    assert len({each.new() for each in (one, other) for _ in range(1000)}) == 2000


def test_contexts_are_found_by_their_class():
    exchange = Exchange(Request("GET", Target("/", None), Headers()), Peer("", 0, "", 0), "id", 0.0, 0.0)
    peer = Peer("a", 1, "b", 2)
    exchange.put(peer)
    assert exchange.find(Peer) is peer
    assert exchange.find(Gate) is None
