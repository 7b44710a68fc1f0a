import asyncio

import pytest

from deputize.authority.storage import DirectoryConflict, EnvironmentRow, ObjectRow, Put, Remove, SecretRow, SigningKeyRow, open_store
from deputize.authority.storage.purge import KEPT_SECONDS
from deputize.oauth.ports import IssuedToken, Lockout
from support.store_records import CODE, ENVIRONMENT, SESSION, TOKEN

AGENT = ObjectRow("a1", ENVIRONMENT, "agent", "MCP Tutorial", {"enabled": True, "scopes": {"r1": ["test"]}})
SECRET = SecretRow("s1", ENVIRONMENT, "a1", "d" * 64, 1000.0)
KEY = SigningKeyRow(ENVIRONMENT, "k1", 0, {"kty": "EC"})


async def change(store, *changes):
    return await store.directory_rows.change(changes, await store.directory_rows.version())


async def test_rows_come_back_as_they_were_put(store):
    version = await change(store, Put(AGENT), Put(SECRET), Put(KEY))
    rows = await store.directory_rows.load()
    assert rows.version == version
    assert rows.environments == (EnvironmentRow(ENVIRONMENT, "Test", {}),)
    assert (rows.objects, rows.secrets, rows.signing_keys) == ((AGENT,), (SECRET,), (KEY,))


async def test_every_change_raises_the_version(store):
    before = await store.directory_rows.version()
    assert await change(store, Put(AGENT)) == before + 1
    assert await store.directory_rows.version() == before + 1


async def test_a_change_to_a_directory_that_moved_on_is_refused_whole(store):
    read = await store.directory_rows.version()
    await change(store, Put(AGENT))
    with pytest.raises(DirectoryConflict, match="try again"):
        await store.directory_rows.change([Put(SECRET)], read)
    assert (await store.directory_rows.load()).secrets == ()


async def test_of_two_changes_at_once_one_is_refused(store):
    read = await store.directory_rows.version()
    tries = (store.directory_rows.change([Put(KEY)], read) for _ in range(2))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, DirectoryConflict) for result in results) == 1


async def test_a_change_that_breaks_a_rule_leaves_nothing_behind(store):
    before = await store.directory_rows.load()
    twice = ObjectRow("a2", ENVIRONMENT, "agent", "MCP Tutorial", {})
    with pytest.raises(Exception, match=r"(?i)unique"):
        await change(store, Put(AGENT), Put(twice))
    assert await store.directory_rows.load() == before


async def test_removing_an_object_removes_its_secrets(store):
    await change(store, Put(AGENT), Put(SECRET))
    await change(store, Remove(AGENT))
    rows = await store.directory_rows.load()
    assert (rows.objects, rows.secrets) == ((), ())


async def test_removing_a_key_leaves_the_others(store):
    other = SigningKeyRow(ENVIRONMENT, "k2", 1, {})
    await change(store, Put(KEY), Put(other))
    await change(store, Remove(KEY))
    assert (await store.directory_rows.load()).signing_keys == (other,)


async def test_another_server_sees_a_change(store, store_url):
    async with open_store(store_url) as other:
        version = await change(other, Put(AGENT))
        assert await store.directory_rows.version() == version
        assert (await store.directory_rows.load()).objects == (AGENT,)


async def test_purging_forgets_what_expired_an_hour_ago(store):
    await store.codes.add_code(CODE)
    await store.codes.redeem_code(CODE.digest, 1000.0, IssuedToken("t", 4600), TOKEN)
    await store.sessions.add_session(SESSION)
    await store.sign_on_failures.record_failure(ENVIRONMENT, "x", 1000.0, Lockout())
    assert await store.purge(1000.0 + KEPT_SECONDS) == 0
    assert await store.purge(1501.0 + KEPT_SECONDS) == 1
    assert await store.codes.find_code(CODE.digest) is None
    assert await store.purge(9001.0 + KEPT_SECONDS) == 4
    assert await store.refresh_tokens.find_refresh_token("g1") is None
