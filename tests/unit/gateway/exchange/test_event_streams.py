import asyncio
import gc

import pytest

from deputize.gateway.exchange.event_streams import Alarms, WatchedStream, is_open_stream, watch
from deputize.http.exchange import Ending
from deputize.http.messages import Body, Headers, Response
from support.gateway import exchange_for
from support.patience import PATIENCE

SOON = 0.001
LIFETIME = PATIENCE / 4


class Upstream:
    """An answer that stays open, and whether it was closed."""

    def __init__(self, content_type=b"text/event-stream"):
        self.closed = asyncio.Event()
        self.response = Response(
            200, Headers([(b"Content-Type", content_type)]), Body(None, self._events(), close=self._close)
        )

    async def _events(self):
        yield b": hello\n\n"
        await asyncio.Event().wait()

    async def _close(self):
        self.closed.set()


class Asked:
    """Answers questions about a token one after the other, the last one for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.count = 0
        self.event = asyncio.Event()

    async def __call__(self, exchange):
        self.count += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if self.count >= 3:
            self.event.set()
        if isinstance(answer, Exception):
            raise answer
        return answer


async def drained(response):
    async with asyncio.timeout(PATIENCE):
        return [chunk async for chunk in response.body]


@pytest.mark.parametrize(
    ("answers", "questions"),
    [
        (["revoked"], 1),
        ([None, None, "revoked"], 3),
        ([ValueError(), None, OSError(), "revoked"], 4),
        ([ValueError(), ValueError(), None], 2),
        ([None, ValueError(), ValueError(), None], 3),
    ],
)
async def test_a_stream_ends_when_its_token_is_not_accepted_or_nobody_can_say_twice(answers, questions):
    upstream, asked = Upstream(), Asked(*answers)
    watch(exchange_for(), upstream.response, None, SOON, asked, Alarms(SOON))
    assert await drained(upstream.response) == [b": hello\n\n"]
    assert (asked.count, upstream.closed.is_set()) == (questions, True)


async def test_a_stream_whose_token_is_still_good_goes_on():
    upstream, asked = Upstream(), Asked(None)
    watch(exchange_for(), upstream.response, None, SOON, asked, Alarms(SOON))
    chunks = aiter(upstream.response.body)
    assert await anext(chunks) == b": hello\n\n"
    waiting = asyncio.ensure_future(anext(chunks))
    await asyncio.wait_for(asked.event.wait(), PATIENCE)
    assert not waiting.done()
    waiting.cancel()


async def test_nobody_asks_after_the_exchange_has_ended():
    upstream, asked = Upstream(), Asked(None)
    exchange = exchange_for()
    watch(exchange, upstream.response, None, SOON, asked, Alarms(SOON))
    for ending in exchange.endings:
        ending(exchange, Ending(upstream.response, 0, complete=False, finished=0.0))
    await asyncio.sleep(10 * SOON)
    assert asked.count == 0


@pytest.fixture
async def let_pass(monkeypatch):
    """Let seconds pass at once for the event loop."""
    loop, passed = asyncio.get_running_loop(), [0.0]
    now = loop.time
    monkeypatch.setattr(loop, "time", lambda: now() + sum(passed))
    return passed.append


async def test_a_stream_ends_with_its_life_and_is_not_asked_about_where_that_is_off(let_pass):
    upstream, asked = Upstream(), Asked("revoked")
    watch(exchange_for(), upstream.response, LIFETIME, None, asked, Alarms(SOON))
    assert await anext(aiter(upstream.response.body)) == b": hello\n\n"
    let_pass(LIFETIME)
    assert await drained(upstream.response) == []
    assert asked.count == 0


async def test_a_stream_ends_with_its_life_while_nobody_answers_whether_its_token_is_good(let_pass):
    upstream, asked = Upstream(), asyncio.Event()

    async def ask(exchange):
        asked.set()
        let_pass(LIFETIME)
        await asyncio.Event().wait()

    watch(exchange_for(), upstream.response, LIFETIME, SOON, ask, Alarms(SOON))
    assert await drained(upstream.response) == [b": hello\n\n"]
    assert (asked.is_set(), upstream.closed.is_set()) == (True, True)


@pytest.mark.parametrize("lifetime", [None, 60])
async def test_streams_share_a_timer_and_one_that_ends_is_not_woken(lifetime, monkeypatch):
    timers, loop, alarms = [], asyncio.get_running_loop(), Alarms(1000)
    monkeypatch.setattr(loop, "call_at", lambda when, ring, *given: timers.append((when, ring, given)))
    asked, exchanges, waiting = Asked(None), [exchange_for() for _ in range(20)], []
    for exchange in exchanges:
        upstream = Upstream()
        watch(exchange, upstream.response, lifetime, 30, asked, alarms)
        chunks = aiter(upstream.response.body)
        await anext(chunks)
        waiting.append(asyncio.ensure_future(anext(chunks)))
    await asyncio.sleep(0)
    ((when, ring, given),) = timers
    assert loop.time() + 29 < when < loop.time() + 1030
    exchanges[0].endings[0](exchanges[0], Ending(None, 0, complete=False, finished=0.0))
    pauses = []
    monkeypatch.setattr(loop, "call_later", lambda pause, wake, *given: pauses.append((pause, wake, given)))
    ring(*given)
    for number in range(19):  # one after the other
        await asyncio.sleep(0)
        assert asked.count == number + 1
        if pauses:
            pause, wake, given = pauses.pop()
            assert pause == 1000 / 19
            wake(*given)
    assert asked.count == 19
    for each in waiting:
        each.cancel()


@pytest.mark.parametrize(
    ("content_type", "open_stream"),
    [
        (b"text/event-stream", True),
        (b"Text/Event-Stream; charset=utf-8", True),
        (b"application/json", False),
        (b"", False),
    ],
)
def test_only_event_streams_that_are_being_sent_are_open(content_type, open_stream):
    assert is_open_stream(Upstream(content_type).response) is open_stream
    assert not is_open_stream(Response(200, Headers([(b"Content-Type", content_type)]), Body(b"data: 1\n\n")))


async def test_a_watched_exchange_needs_no_garbage_collector():
    gc.collect()
    flags = gc.get_debug()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for answers in ([None], [None, "revoked"]):
            asked = Asked(*answers)
            upstream, exchange = Upstream(), exchange_for()
            watch(exchange, upstream.response, 60, SOON, asked, Alarms(SOON))
            await anext(aiter(upstream.response.body))
            while asked.count < 2:
                await asyncio.sleep(SOON)
            for ending in exchange.endings:
                ending(exchange, Ending(upstream.response, 0, complete=False, finished=0.0))
            del upstream, exchange, ending
        await asyncio.sleep(SOON)
        gc.collect()
        assert [each for each in gc.garbage if type(each).__module__.startswith("deputize")] == []
    finally:
        gc.set_debug(flags)
        gc.garbage.clear()


class Stream:
    """Gives some chunks, then stays silent, fails or ends."""

    def __init__(self, *chunks, then="silence"):
        self.chunks, self.then, self.closed = chunks, then, False

    async def _produce(self):
        for chunk in self.chunks:
            yield chunk
        if self.then == "silence":
            await asyncio.Event().wait()
        if self.then == "timeout":
            raise TimeoutError("the server's own")

    async def _close(self):
        self.closed = True

    def body(self):
        return Body(None, self._produce(), close=self._close)


def expiring(stream, seconds):
    return WatchedStream(stream.body(), exchange_for(), seconds, None, Asked(None), Alarms(SOON))


async def collected(body):
    return [chunk async for chunk in body]


async def test_a_silent_stream_ends_in_time_and_is_closed():
    stream = Stream(b"a", b"b")
    assert await collected(expiring(stream, 0.02)) == [b"a", b"b"]
    assert stream.closed


async def test_a_busy_stream_ends_in_time():
    stream = Stream(*[b"x"] * 10)
    assert len(await collected(expiring(stream, -1))) <= 1
    assert stream.closed


async def test_a_stream_that_ends_by_itself_is_passed_on_whole():
    for seconds in (60, None):
        assert await collected(expiring(Stream(b"a", b"b", then="end"), seconds)) == [b"a", b"b"]


@pytest.mark.parametrize("seconds", [60, None])
async def test_a_silent_stream_can_be_ended_from_outside(seconds):
    stream = Stream(b"a")
    body = expiring(stream, seconds)
    assert await anext(body) == b"a"
    waiting = asyncio.ensure_future(anext(body, "over"))
    await asyncio.sleep(0)
    body.end()
    assert await asyncio.wait_for(waiting, PATIENCE) == "over"
    assert stream.closed


async def test_a_stream_ended_between_chunks_gives_no_more():
    stream = Stream(b"a", b"b")
    body = expiring(stream, None)
    assert await anext(body) == b"a"
    body.end()
    assert await collected(body) == []
    assert stream.closed


async def test_the_servers_own_timeout_is_not_the_end_of_the_token():
    with pytest.raises(TimeoutError, match="own"):
        await collected(expiring(Stream(b"a", then="timeout"), 60))
