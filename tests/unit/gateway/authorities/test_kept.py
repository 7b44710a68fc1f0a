import asyncio
import gc
import weakref

import pytest

from deputize.gateway.authorities.endpoint import AuthorityError
from deputize.gateway.authorities.kept import STALE_SECONDS, Kept
from deputize.kernel.errors import DeputizeError
from support.gateway import FixedClock


class Published:
    """Something that a server publishes; each question waits until `release`."""

    def __init__(self, *, waits=False):
        self.asked, self.current, self._open = 0, 1, asyncio.Event()
        if not waits:
            self._open.set()

    async def fetch(self):
        self.asked += 1
        await self._open.wait()
        if isinstance(self.current, Exception):
            raise self.current
        return self.current

    def hold(self):
        self._open.clear()

    def release(self):
        self._open.set()


@pytest.fixture
def clock():
    return FixedClock()


def keeping(published, clock, lifetime=120.0, miss_time=30.0):
    return Kept(published.fetch, clock, lifetime=lifetime, miss_time=miss_time)


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_is_fetched_when_needed_and_kept(clock):
    published = Published()
    kept = keeping(published, clock)
    assert published.asked == 0
    assert [await kept.get() for _ in range(3)] == [1, 1, 1]
    clock.time += 119.9
    await kept.get()
    assert published.asked == 1


async def test_everybody_shares_one_question(clock):
    published = Published(waits=True)
    kept = keeping(published, clock)
    asking = [asyncio.create_task(kept.get()) for _ in range(20)]
    asking += [asyncio.create_task(kept.get_newer()) for _ in range(20)]
    await settle()
    published.release()
    assert set(await asyncio.gather(*asking)) == {1}
    assert published.asked == 1


async def test_who_leaves_does_not_end_the_question_of_others(clock):
    published = Published(waits=True)
    kept = keeping(published, clock)
    first, second = (asyncio.create_task(kept.get()) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    published.release()
    assert await second == 1


async def test_nobody_waits_while_newer_is_fetched(clock):
    published = Published()
    kept = keeping(published, clock)
    await kept.get()
    clock.time += 120
    published.hold()
    published.current = 2
    assert [await kept.get(), await kept.get()] == [1, 1]
    await settle()
    published.release()
    await settle()
    assert (await kept.get(), published.asked) == (2, 2)


async def test_after_a_silence_nobody_gets_what_was_withdrawn(clock):
    published = Published()
    kept = keeping(published, clock)
    await kept.get()
    published.current = 2
    clock.time += 150
    assert await kept.get() == 2


async def test_a_server_that_hangs_holds_up_nobody_twice(clock):
    published = Published()
    kept = keeping(published, clock)
    await kept.get()
    published.current = AuthorityError(503, "away")
    clock.time += 150
    assert await kept.get() == 1
    clock.time += 60
    published.hold()
    assert await kept.get() == 1
    published.release()
    await settle()


async def test_the_former_answer_counts_for_an_hour_while_nobody_answers(clock):
    published = Published()
    kept = keeping(published, clock)
    await kept.get()
    published.current = AuthorityError(503, "away")
    clock.time += 120 + STALE_SECONDS - 1
    assert await kept.get() == 1
    await settle()
    clock.time += 1
    with pytest.raises(AuthorityError, match="away"):
        await kept.get()


async def test_an_answer_ends_the_trouble(clock):
    published = Published()
    published.current = AuthorityError(503, "away")
    kept = keeping(published, clock)
    for pause in (1, 2, 4, 8, 16, 30, 30):
        with pytest.raises(AuthorityError, match="away"):
            await kept.get()
        asked = published.asked
        clock.time += pause - 0.01
        with pytest.raises(AuthorityError, match="away"):
            await kept.get()
        assert published.asked == asked
        clock.time += 0.01
    published.current = 2
    assert await kept.get() == 2
    assert await kept.get_newer() == 2


async def test_what_is_missing_is_asked_for_once_in_a_while(clock):
    published = Published()
    kept = keeping(published, clock)
    await kept.get()
    for _ in range(100):
        assert await kept.get_newer() == 1
    assert published.asked == 2
    published.current = 2
    clock.time += 29.9
    assert (await kept.get_newer(), published.asked) == (1, 2)
    clock.time += 0.1
    assert (await kept.get_newer(), published.asked) == (2, 3)


async def test_who_misses_something_hears_of_a_failure_and_others_go_on(clock):
    published = Published()
    kept = keeping(published, clock)
    await kept.get()
    published.current = AuthorityError(502, "nonsense")
    for _ in range(3):
        with pytest.raises(AuthorityError, match="nonsense"):
            await kept.get_newer()
        assert await kept.get() == 1
    assert published.asked == 2


async def test_any_failure_on_purpose_is_one_of_the_server(clock):
    published = Published()
    published.current = DeputizeError("the secret is gone")
    with pytest.raises(AuthorityError, match="the secret is gone") as caught:
        await keeping(published, clock).get()
    assert caught.value.status == 502


async def test_after_a_failure_that_nobody_thought_of_there_is_a_pause_too(clock):
    published = Published()
    published.current = TypeError("unhashable")
    kept = keeping(published, clock)
    for _ in range(3):
        with pytest.raises(AuthorityError, match="unhashable"):
            await kept.get()
    assert published.asked == 1


async def test_a_failure_keeps_nothing_of_those_who_met_it(clock):
    class Call:
        """What is at hand where the question is asked: a request, its token."""

    async def ask(kept):
        call = Call()
        met.append(weakref.ref(call))
        with pytest.raises(AuthorityError, match="away"):
            await (kept.get_newer() if len(met) % 2 else kept.get())

    async def fetch():
        raise AuthorityError(503, "away")

    met, kept = [], Kept(fetch, clock, lifetime=120, miss_time=30)
    for _ in range(10):
        await ask(kept)
    await settle()  # the loop itself holds what it does last
    gc.collect()
    assert [each() for each in met] == [None] * 10


async def test_a_clock_that_is_set_back_keeps_nothing_for_longer(clock):
    published = Published()
    kept = keeping(published, clock)
    await kept.get_newer()
    published.current = 2
    clock.time -= 86_400
    assert (await kept.get(), await kept.get_newer(), published.asked) == (2, 2, 3)
    published.current = AuthorityError(503, "away")
    clock.time += 1000
    await kept.get()
    clock.time -= 86_400
    published.current = 3
    assert await kept.get_newer() == 3


async def test_closing_gives_up(clock):
    published = Published(waits=True)
    kept = keeping(published, clock)
    asking = asyncio.create_task(kept.get())
    await settle()
    await kept.aclose()
    with pytest.raises(asyncio.CancelledError):
        await asking
