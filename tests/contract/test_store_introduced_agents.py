"""Agents whose ids are URLs, when they were last used, and the tokens with which programs register."""

import asyncio

import pytest

from deputize.authority.storage import (
    EnvironmentRow,
    InitialAccessToken,
    ObjectRow,
    Put,
    Remove,
    SecretRow,
    open_store,
)
from support.records import replace
from support.store_records import CODE, CONSENT, ENVIRONMENT, GRANT, USER_ID
from support.store_records import TOKEN as REFRESH_TOKEN

URL = "https://app.example.com/" + "x" * 1000
ROW = ObjectRow(
    URL, ENVIRONMENT, "agent", URL, {"enabled": True}, history={"introduction": {"means": "open"}}
)
SECRET = SecretRow("33333333-3333-4333-8333-333333333333", ENVIRONMENT, URL, "5" * 64, 900.0)
TOKEN = InitialAccessToken("44444444-4444-4444-8444-444444444444", ENVIRONMENT, "6" * 64, 900.0, 2000.0, 2)


async def change(store, *changes):
    await store.directory_rows.change(changes, await store.directory_rows.version())


async def test_an_id_may_be_as_long_as_a_url(store):
    await change(store, Put(ROW), Put(SECRET))
    found = await store.directory_rows.find_object(ENVIRONMENT, "agent", URL)
    assert (found.id, found.document, found.history) == (URL, ROW.document, ROW.history)
    assert await store.directory_rows.secrets_of(ENVIRONMENT, URL) == (SECRET,)
    assert await store.directory_rows.find_object(ENVIRONMENT, "resource", URL) is None
    assert await store.directory_rows.find_object("another", "agent", URL) is None
    grant, consent = replace(GRANT, client_id=URL), replace(CONSENT, client_id=URL)
    assert await store.consents.record_consent(consent, None)
    assert await store.codes.add_code(CODE, grant)
    state = await store.token_states.read_token_state(ENVIRONMENT, grant.id, ())
    assert state.grant.client_id == URL
    assert [each.client_id for each in state.consents] == [URL]
    await change(store, Remove(ROW))
    assert await store.directory_rows.secrets_of(ENVIRONMENT, URL) == ()
    assert await store.consents.consents_of(ENVIRONMENT, USER_ID) == ()


async def test_what_has_one_id_in_two_environments_is_two_agents(store):
    other = "55555555-5555-4555-8555-555555555555"
    theirs = replace(ROW, environment_id=other)
    await change(store, Put(EnvironmentRow(other, "Other", {})), Put(ROW), Put(SECRET))
    mine = await store.directory_rows.find_object(ENVIRONMENT, "agent", URL)
    assert await store.consents.record_consent(replace(CONSENT, client_id=URL), None)
    await change(store, Put(theirs))
    assert await store.directory_rows.find_object(ENVIRONMENT, "agent", URL) == mine
    assert await store.directory_rows.secrets_of(other, URL) == ()
    await change(store, Remove(theirs))
    assert await store.directory_rows.find_object(other, "agent", URL) is None
    assert await store.directory_rows.find_object(ENVIRONMENT, "agent", URL) == mine
    assert await store.directory_rows.secrets_of(ENVIRONMENT, URL) == (SECRET,)
    assert [each.client_id for each in await store.consents.consents_of(ENVIRONMENT, USER_ID)] == [URL]


async def test_an_agent_that_comes_again_has_another_term(store):
    await change(store, Put(ROW))
    first = await store.directory_rows.find_object(ENVIRONMENT, "agent", URL)
    changed = replace(ROW, history={"introduction": {"means": "open", "metadata": {"client_name": "New"}}})
    await change(store, Put(changed))
    second = await store.directory_rows.find_object(ENVIRONMENT, "agent", URL)
    await change(store, Remove(ROW))
    await change(store, Put(ROW))
    third = await store.directory_rows.find_object(ENVIRONMENT, "agent", URL)
    assert first.term == second.term != third.term


async def test_the_last_use_is_a_sign_on_or_a_refresh(store):
    async def last_uses(environment=ENVIRONMENT):
        return await store.listings.last_uses(environment, [GRANT.client_id, URL])

    await change(store, Put(ROW), Put(replace(ROW, id=GRANT.client_id, name="Another")))
    assert await last_uses() == {}
    await store.codes.add_code(CODE, GRANT)
    assert await last_uses() == {GRANT.client_id: GRANT.created_at}
    later = replace(REFRESH_TOKEN, rotated_at=GRANT.created_at + 50)
    assert await store.codes.redeem_code(CODE.digest, GRANT.created_at, later)
    assert await last_uses() == {GRANT.client_id: GRANT.created_at + 50}
    rotated = replace(
        later, digest="e" * 64, generation=later.generation + 1, rotated_at=GRANT.created_at + 70
    )
    assert await store.refresh_tokens.rotate_refresh_token(rotated)
    assert await last_uses() == {GRANT.client_id: GRANT.created_at + 70}
    assert await last_uses("another") == {}


async def test_an_agent_of_two_environments_was_last_used_in_each(store):
    """One by a metadata document has the same id in both."""
    other = "55555555-5555-4555-8555-555555555555"
    theirs = replace(ROW, environment_id=other)
    await change(store, Put(EnvironmentRow(other, "Other", {})), Put(ROW), Put(theirs))
    await store.codes.add_code(CODE, replace(GRANT, client_id=URL))
    assert await store.codes.redeem_code(CODE.digest, GRANT.created_at, REFRESH_TOKEN)
    used = max(GRANT.created_at, REFRESH_TOKEN.rotated_at)
    assert await store.listings.last_uses(ENVIRONMENT, [URL]) == {URL: used}
    assert await store.listings.last_uses(other, [URL]) == {}


async def test_a_token_is_used_as_often_as_it_says_whichever_process_is_asked(store, store_url):
    await store.initial_access_tokens.add(TOKEN)
    async with open_store(store_url) as other:
        wins = await asyncio.gather(
            *(each.initial_access_tokens.use(TOKEN.id, 1000.0) for each in [store, other] * 5)
        )
    assert wins.count(True) == 2
    assert await store.initial_access_tokens.find(ENVIRONMENT, TOKEN.digest, 1000.0) is None


@pytest.mark.parametrize(
    ("environment", "digest", "now"),
    [("another", TOKEN.digest, 1000.0), (ENVIRONMENT, "7" * 64, 1000.0), (ENVIRONMENT, TOKEN.digest, 2000.0)],
)
async def test_a_token_is_good_in_its_environment_and_time(store, environment, digest, now):
    await store.initial_access_tokens.add(TOKEN)
    assert await store.initial_access_tokens.find(ENVIRONMENT, TOKEN.digest, 1000.0) == TOKEN
    assert await store.initial_access_tokens.find(environment, digest, now) is None
    assert not await store.initial_access_tokens.use(TOKEN.id, 2000.0)


async def test_a_token_is_withdrawn_and_reaped(store):
    await store.initial_access_tokens.add(TOKEN)
    assert not await store.initial_access_tokens.withdraw("another", TOKEN.id)
    assert await store.initial_access_tokens.withdraw(ENVIRONMENT, TOKEN.id)
    assert not await store.initial_access_tokens.withdraw(ENVIRONMENT, TOKEN.id)
    await store.initial_access_tokens.add(TOKEN)
    assert await store.purge(2000.0) == 0
    assert await store.purge(2000.5) == 1
