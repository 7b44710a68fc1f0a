import asyncio

import pytest

from deputize.authority.turns import TooManyWaiting, Turns


async def test_one_at_a_time_for_a_key_and_others_go_on():
    turns, inside, most = Turns(), {"a": 0, "b": 0}, {"a": 0, "b": 0}

    async def take(key):
        async with turns.of(key):
            inside[key] += 1
            most[key] = max(most[key], inside[key])
            await asyncio.sleep(0)
            inside[key] -= 1

    await asyncio.gather(*(take(key) for key in "abababab"))
    assert most == {"a": 1, "b": 1}
    assert not turns._turns


async def test_a_crowd_is_turned_away_and_the_turn_comes_back():
    turns = Turns(waiting=1)

    async def take():
        async with turns.of("a"):
            await asyncio.sleep(0)

    results = await asyncio.gather(*(take() for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results if result] == [TooManyWaiting] * 3
    await take()


async def test_a_failure_gives_the_turn_back():
    turns = Turns()
    with pytest.raises(ZeroDivisionError):
        async with turns.of("a"):
            _ = 1 / 0
    assert not turns._turns
