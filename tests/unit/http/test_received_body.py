import asyncio

import pytest

from deputize.http.messages import BodyBroken
from deputize.http.received_body import HIGH_WATER, ReceivedBody


class Calls:
    def __init__(self):
        self.flow = self.given_up = self.waits = 0

    def body(self):
        return ReceivedBody(asyncio.get_running_loop(), self.flow_changed, self.gave_up, self.waited)

    def flow_changed(self):
        self.flow += 1

    def gave_up(self):
        self.given_up += 1

    def waited(self):
        self.waits += 1


async def test_pieces_come_in_order_and_together_when_nobody_waited():
    body = Calls().body()
    body.feed(b"a")
    body.feed(b"b")
    assert await anext(body) == b"ab"
    waiting = asyncio.ensure_future(anext(body))
    await asyncio.sleep(0)
    assert body.waiting
    body.feed(b"c")
    assert await waiting == b"c"
    body.end()
    with pytest.raises(StopAsyncIteration):
        await anext(body)
    assert body.total == 3


async def test_a_failure_comes_after_what_was_received():
    body = Calls().body()
    body.feed(b"a")
    body.fail(BodyBroken("cut"))
    body.fail(BodyBroken("again"))
    assert await anext(body) == b"a"
    with pytest.raises(BodyBroken, match="cut"):
        await anext(body)


async def test_a_failure_after_the_end_changes_nothing():
    body = Calls().body()
    body.end()
    body.fail(BodyBroken("late"))
    assert [piece async for piece in body] == []


async def test_only_the_first_wait_is_told():
    calls = Calls()
    body = calls.body()
    for piece in (b"a", b"b"):
        waiting = asyncio.ensure_future(anext(body))
        await asyncio.sleep(0)
        body.feed(piece)
        await waiting
    assert calls.waits == 1


async def test_full_and_room_again():
    calls = Calls()
    body = calls.body()
    body.feed(b"x" * HIGH_WATER)
    assert not body.full
    body.feed(b"x")
    assert body.full
    body.feed(b"x")
    assert calls.flow == 1
    await anext(body)
    assert not body.full
    assert calls.flow == 2


async def test_giving_up_is_told_once_and_what_still_comes_is_dropped():
    calls = Calls()
    body = calls.body()
    body.feed(b"x" * (HIGH_WATER + 1))
    await body.aclose()
    await body.aclose()
    body.feed(b"y")
    assert calls.given_up == 1
    assert body._chunks == []


async def test_closing_after_the_end_gives_nothing_up():
    calls = Calls()
    body = calls.body()
    body.end()
    await body.aclose()
    assert calls.given_up == 0


async def test_a_reader_that_is_cancelled_waits_no_more():
    body = Calls().body()
    waiting = asyncio.ensure_future(anext(body))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not body.waiting
    body.feed(b"a")
    assert await anext(body) == b"a"
