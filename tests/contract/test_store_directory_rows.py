import asyncio

import pytest

from deputize.authority.storage import (
    DirectoryConflict,
    EnvironmentRow,
    ObjectRow,
    Put,
    Remove,
    SecretRow,
    SigningKeyRow,
    open_store,
)
from deputize.authority.storage.store import KEPT_SECONDS, TOKENS_SECONDS
from deputize.kernel.ids import new_id
from deputize.oauth.ports import Throttle
from support.records import replace
from support.store_records import CODE, CONSENT, ENVIRONMENT, GRANT, SESSION, TOKEN, USER_ID

AGENT = ObjectRow("a1", ENVIRONMENT, "agent", "MCP Tutorial", {"enabled": True, "scopes": {"r1": ["test"]}})
SECRET = SecretRow("s1", ENVIRONMENT, "a1", "d" * 64, 1000.0)
KEY = SigningKeyRow(ENVIRONMENT, "k1", 0, {"kty": "EC"})


async def change(store, *changes):
    return await store.directory_rows.change(changes, await store.directory_rows.version())


def without_terms(rows):
    return [replace(row, term="") for row in rows.objects]


async def agent_term(store):
    (agent,) = (row for row in (await store.directory_rows.load()).objects if row.id == AGENT.id)
    return agent.term


async def test_rows_come_back_as_they_were_put(store):
    version = await change(store, Put(AGENT), Put(SECRET), Put(KEY))
    rows = await store.directory_rows.load()
    assert rows.version == version
    assert rows.environments == (EnvironmentRow(ENVIRONMENT, "Test", {}),)
    assert (without_terms(rows), rows.secrets, rows.signing_keys) == ([AGENT], (SECRET,), (KEY,))


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
        assert without_terms(await store.directory_rows.load()) == [AGENT]


async def test_an_agents_term_ends_when_it_is_disabled_enabled_or_created_anew_whoever_writes_what(store):
    terms = []
    for document, term in (
        ({"enabled": True}, ""),
        ({"enabled": True, "description": "the same term"}, "made-up"),
        ({"enabled": False}, "made-up"),
        ({"enabled": True}, ""),
        ({}, ""),
    ):
        await change(store, Put(replace(AGENT, document=document, term=term)))
        terms.append(await agent_term(store))
    assert terms[0] == terms[1]
    assert terms[3] == terms[4]
    await change(store, Remove(AGENT))
    await change(store, Put(AGENT))
    terms.append(await agent_term(store))
    await change(store, Remove(AGENT), Put(replace(AGENT, kind="resource")))
    await change(store, Remove(AGENT), Put(AGENT))
    terms.append(await agent_term(store))
    assert len({*terms}) == 5
    public = {"client_auth": "none"}
    for document, ends in ((public, True), ({**public, "description": "x"}, False), ({}, True)):
        await change(store, Put(replace(AGENT, document=document)))
        terms.append(await agent_term(store))
        assert (terms[-1] != terms[-2]) == ends, "of what becomes a public client, or stops being one"
    assert all(len(term) == 8 and term != "made-up" for term in terms)


@pytest.mark.parametrize("kind", ["resource", "policy"])
async def test_a_resource_or_policy_that_is_created_anew_has_another_term(store, kind):
    row, terms = replace(AGENT, kind=kind), []
    for changes in (
        [Put(row)],
        [Put(replace(row, name="Renamed"))],
        [Remove(row), Put(row)],
        [Remove(row)],
        [Put(row)],
    ):
        await change(store, *changes)
        terms += [each.term for each in (await store.directory_rows.load()).objects]
    assert terms[0] == terms[1]
    assert len({*terms}) == 3


@pytest.mark.parametrize("removed", ["resource", "agent"])
async def test_what_is_removed_is_covered_by_no_consent_any_more(store, removed):
    """Another resource or another actor of a chain may get the id, and nobody has agreed to that one."""
    other = ObjectRow(new_id(), ENVIRONMENT, removed, "Other", {})
    covers = {CONSENT.client_id: {"kept": ("a",), other.id: ("b",)}, other.id: {"kept": ("c",)}}
    await change(store, Put(other))
    await store.consents.record_consent(replace(CONSENT, covers=covers), None)
    await change(store, Remove(other), Put(other))
    (consent,) = await store.consents.consents_of(ENVIRONMENT, USER_ID)
    assert consent == replace(CONSENT, covers={CONSENT.client_id: {"kept": ("a",)}})


async def test_consents_go_with_their_agreement(store):
    agreement = ObjectRow(CONSENT.agreement_id, ENVIRONMENT, "agreement", "Agent Consent", {})
    await change(store, Put(agreement))
    await store.consents.record_consent(CONSENT, None)
    await change(store, Remove(agreement), Put(agreement))
    assert await store.consents.consents_of(ENVIRONMENT, USER_ID) == ()


async def test_consents_go_with_their_agent(store):
    """Another agent may get the id, and nobody has agreed to that one."""
    agent = ObjectRow(CONSENT.client_id, ENVIRONMENT, "agent", "Agent", {})
    await change(store, Put(agent))
    await store.consents.record_consent(CONSENT, None)
    await change(store, Put(replace(agent, name="Other name")))
    assert len(await store.consents.consents_of(ENVIRONMENT, USER_ID)) == 1
    await change(store, Remove(agent), Put(agent))
    assert await store.consents.consents_of(ENVIRONMENT, USER_ID) == ()


async def test_purging_forgets_what_expired_an_hour_ago(store):
    await store.codes.add_code(CODE, GRANT)
    await store.codes.redeem_code(CODE.digest, 1000.0, TOKEN)
    await store.revocations.revoke_token("t", 4600.0)
    await store.sign_on_failures.begin_attempt(
        ENVIRONMENT, "x", {"a": Throttle(6, 900.0, 900.0, 900.0)}, 1000.0
    )
    assert await store.purge(1900.0) == 0
    assert await store.purge(1901.0) == 1, "who waited that long may try again anyway"
    assert await store.purge(1000.0 + KEPT_SECONDS) == 0
    assert await store.purge(1501.0 + KEPT_SECONDS) == 1
    assert await store.codes.find_code(CODE.digest) is None
    assert await store.purge(9001.0 + KEPT_SECONDS) == 1
    assert await store.refresh_tokens.find_refresh_token("g1") == TOKEN
    assert await store.purge(9001.0 + TOKENS_SECONDS + KEPT_SECONDS) == 1
    assert await store.refresh_tokens.find_refresh_token("g1") is None


async def test_a_session_that_lapsed_is_kept_for_the_grants_that_rest_on_it(store):
    await store.sessions.add_session(SESSION)
    await store.sessions.add_session(replace(SESSION, id="another", cookie_digest="d" * 64))
    await store.codes.add_code(CODE, GRANT)
    assert await store.purge(SESSION.expires_at + KEPT_SECONDS + 1) == 2  # the code, and the other session
    assert (await store.token_states.read_token_state(ENVIRONMENT, GRANT.id, ())).session == SESSION
    assert await store.purge(GRANT.expires_at + TOKENS_SECONDS + KEPT_SECONDS + 1) == 2
