import asyncio

import pytest
from sqlalchemy import func, select

from deputize.authority.signon.attempts import NAME, NETWORK
from deputize.authority.storage.tables import SIGN_ON_FAILURES
from deputize.oauth.ports import Throttle
from support.examples import examples
from support.store_records import ENVIRONMENT

THROTTLE = Throttle(free=3, first_wait=60.0, longest_wait=60.0, memory=60.0)
GROWING = Throttle(free=2, first_wait=10.0, longest_wait=35.0, memory=1000.0)


async def attempt(
    store,
    now: float,
    times: int = 1,
    name: str = "demouser",
    source: str = "a",
    throttle: Throttle = THROTTLE,
):
    """The waits that so many attempts at once are told."""
    begin = store.sign_on_failures.begin_attempt
    return await asyncio.gather(*(begin(ENVIRONMENT, name, {source: throttle}, now) for _ in range(times)))


async def test_after_the_last_free_failure_its_source_waits(store):
    assert await attempt(store, 1000.0, 2) == [None, None]
    assert await attempt(store, 1010.0) == [None]
    assert await attempt(store, 1010.0) == [1070.0]
    assert await attempt(store, 1010.0, name="somebody else") == [None]
    assert await attempt(store, 1010.0, source="b") == [None]
    assert await attempt(store, 1070.0) == [None]


async def test_parallel_attempts_are_all_counted(store):
    waits = await attempt(store, 1000.0, 10)
    assert waits.count(None) == 3
    assert waits.count(1060.0) == 7


async def test_a_name_and_its_twin_in_other_letters_are_counted_together(store):
    for name in ("demouser", "DEMOUSER", "Demouser"):
        assert await attempt(store, 1000.0, name=name) == [None]
    assert await attempt(store, 1000.0) == [1060.0]


async def test_old_failures_are_forgotten(store):
    await attempt(store, 1000.0, 2)
    assert await attempt(store, 1060.0, 2) == [None, None]
    assert await attempt(store, 1061.0) == [None]
    assert await attempt(store, 1061.0) == [1121.0]


@pytest.mark.parametrize("pause", [60.0, 149.0, 210.0])
async def test_one_network_makes_nobody_else_wait(store, pause):
    """However long it goes on and whatever its rhythm.

    It waits before the name does, and what it did is forgotten.
    """
    guesses, now, hours = 0, 1000.0, examples(5)
    while now < 1000.0 + hours * 3600:
        waits = await store.sign_on_failures.begin_attempt(
            ENVIRONMENT, "demouser", {"": NAME, "network a": NETWORK}, now
        )
        guesses += waits is None
        assert await attempt(store, now, source="", throttle=NAME) == [None], "who comes from elsewhere"
        await store.sign_on_failures.take_back_attempt(ENVIRONMENT, "demouser", {"": NAME})
        now += pause
    assert guesses <= hours * 24 + 6


async def test_waits_grow_up_to_the_longest(store):
    assert await attempt(store, 1000.0, throttle=GROWING) == [None]
    now, waits = 1000.0, []
    for _ in range(4):
        assert await attempt(store, now, throttle=GROWING) == [None]
        (until,) = await attempt(store, now, throttle=GROWING)
        waits.append(until - now)
        now = until
    assert waits == [10.0, 20.0, 35.0, 35.0]


async def test_who_waits_leaves_no_row_for_the_sources_behind(store):
    await attempt(store, 1000.0, 3, source="name")
    for number in range(5):
        both = {"name": THROTTLE, f"network {number}": THROTTLE}
        assert await store.sign_on_failures.begin_attempt(ENVIRONMENT, "demouser", both, 1000.0) == 1060.0
    assert (
        await store.database.write(
            lambda connection: connection.scalar(select(func.count()).select_from(SIGN_ON_FAILURES))
        )
        == 1
    )


async def test_one_source_that_waits_is_enough_and_nothing_is_counted(store):
    both = {"a": THROTTLE, "b": Throttle(free=1, first_wait=5.0, longest_wait=5.0, memory=60.0)}
    begin = store.sign_on_failures.begin_attempt
    assert [await begin(ENVIRONMENT, "demouser", both, 1000.0) for _ in range(9)] == [None] + [1005.0] * 8
    assert await attempt(store, 1000.0, 2) == [None, None]


async def test_forgetting_is_for_the_sources_named_and_clearing_for_all(store):
    for source in ("a", "b"):
        await attempt(store, 1000.0, 3, source=source)
    await store.sign_on_failures.forget_attempts(ENVIRONMENT, "demouser", ["a"])
    assert await attempt(store, 1000.0) == [None]
    assert await attempt(store, 1000.0, source="b") == [1060.0]
    await store.sign_on_failures.clear_failures(ENVIRONMENT, "Demouser")
    assert await attempt(store, 1000.0, source="b") == [None]


async def test_an_attempt_taken_back_was_none(store):
    await attempt(store, 1000.0, 3)
    await store.sign_on_failures.take_back_attempt(ENVIRONMENT, "demouser", {"a": THROTTLE})
    assert await attempt(store, 1000.0) == [None]
    assert await attempt(store, 1000.0) == [1060.0]


async def test_a_server_key_is_made_once_for_each_purpose(store):
    keys = await asyncio.gather(*(store.server_keys.server_key(ENVIRONMENT, "cookie") for _ in range(5)))
    assert len(set(keys)) == 1
    assert len(keys[0]) == 43
    assert await store.server_keys.server_key(ENVIRONMENT, "refresh-token") != keys[0]
    assert await store.server_keys.server_key("other", "cookie") != keys[0]
