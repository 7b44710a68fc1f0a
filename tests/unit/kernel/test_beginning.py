import asyncio

import pytest

from deputize.kernel.beginning import begin


async def wait_for(future, log):
    log.append("begun")
    try:
        return await future
    except asyncio.CancelledError:
        log.append("cancelled")
        raise
    finally:
        log.append("over")


async def give(value):
    return value


async def fail():
    raise LookupError("at once")


def test_what_does_not_wait_needs_no_event_loop():
    assert begin(give(3)) == 3
    with pytest.raises(LookupError, match="at once"):
        begin(fail())


async def test_what_waits_goes_on_in_whoever_awaits_it():
    future, log = asyncio.get_running_loop().create_future(), []
    rest = begin(wait_for(future, log))
    assert log == ["begun"]
    task = asyncio.ensure_future(rest)
    await asyncio.sleep(0)
    future.set_result("came")
    assert (await task, log) == ("came", ["begun", "over"])


async def test_what_it_waits_for_may_have_come_before_anybody_awaits():
    future, log = asyncio.get_running_loop().create_future(), []
    rest = begin(wait_for(future, log))
    future.set_exception(LookupError("late"))
    with pytest.raises(LookupError, match="late"):
        await rest
    assert log == ["begun", "over"]


async def test_cancelling_and_closing_reach_it():
    future, log = asyncio.get_running_loop().create_future(), []
    task = asyncio.ensure_future(begin(wait_for(future, log)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (log, future.cancelled()) == (["begun", "cancelled", "over"], True)
    log.clear()
    begin(wait_for(asyncio.get_running_loop().create_future(), log)).close()
    assert log == ["begun", "over"]


async def test_it_waits_as_often_as_it_likes():
    async def count():
        for _ in range(3):
            await asyncio.sleep(0)
        return "counted"

    assert await begin(count()) == "counted"
