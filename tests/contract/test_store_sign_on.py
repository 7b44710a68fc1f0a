import asyncio

from deputize.oauth.ports import Lockout
from support.store_records import ENVIRONMENT

LOCKOUT = Lockout(failures=3, seconds=60.0)


async def fail(store, now: float, times: int = 1, name: str = "demouser") -> None:
    await asyncio.gather(*(store.sign_on_failures.record_failure(ENVIRONMENT, name, now, LOCKOUT) for _ in range(times)))


async def locked(store, now: float, name: str = "demouser"):
    return await store.sign_on_failures.locked_until(ENVIRONMENT, name, now)


async def test_the_last_allowed_failure_locks_for_the_window(store):
    await fail(store, 1000.0, 2)
    assert await locked(store, 1000.0) is None
    await fail(store, 1010.0)
    assert await locked(store, 1010.0) == 1070.0
    assert await locked(store, 1070.0) is None
    assert await locked(store, 1010.0, "somebody else") is None


async def test_parallel_failures_are_all_counted(store):
    await fail(store, 1000.0, 3)
    assert await locked(store, 1000.0) == 1060.0


async def test_old_failures_are_forgotten(store):
    await fail(store, 1000.0, 2)
    await fail(store, 1060.0, 2)
    assert await locked(store, 1060.0) is None
    await fail(store, 1061.0)
    assert await locked(store, 1061.0) is not None


async def test_success_clears(store):
    await fail(store, 1000.0, 3)
    await store.sign_on_failures.clear_failures(ENVIRONMENT, "demouser")
    assert await locked(store, 1000.0) is None
    await fail(store, 1001.0, 2)
    assert await locked(store, 1001.0) is None


async def test_a_server_key_is_made_once_for_each_purpose(store):
    keys = await asyncio.gather(*(store.server_keys.server_key(ENVIRONMENT, "cookie") for _ in range(5)))
    assert len(set(keys)) == 1
    assert len(keys[0]) == 43
    assert await store.server_keys.server_key(ENVIRONMENT, "refresh-token") != keys[0]
    assert await store.server_keys.server_key("other", "cookie") != keys[0]
