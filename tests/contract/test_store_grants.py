import asyncio
from dataclasses import replace

import pytest

from support.store_records import CODE, CONSENT, ENVIRONMENT, GRANT, SESSION, TOKEN, USER_ID, next_generation

OTHER_GRANT = replace(GRANT, id="99999999-9999-4999-8999-999999999999")


async def grant(store, grant_id=GRANT.id):
    return (await store.token_states.read_token_state(ENVIRONMENT, grant_id, ())).grant


async def revoked(store, *jtis: str) -> set[str]:
    return set((await store.token_states.read_token_state(ENVIRONMENT, None, jtis)).revoked)


@pytest.fixture
async def code(store):
    await store.codes.add_code(CODE, GRANT)
    return CODE


async def test_a_code_and_its_grant_come_back_as_they_were_added(store, code):
    assert await store.codes.find_code(CODE.digest) == CODE
    assert await store.codes.find_code("1" * 64) is None
    assert await grant(store) == GRANT
    assert await grant(store, "unknown") is None


async def test_a_grant_without_a_code_is_added_with_its_session_and_uses_its_consents(store):
    session = replace(SESSION, id="4" * 36, cookie_digest="d" * 64)
    added = replace(GRANT, asserted=True, authentication=replace(GRANT.authentication, session_id=session.id))
    await store.consents.record_consent(CONSENT, None)
    await store.grants.add_grant(added, session)
    state = await store.token_states.read_token_state(ENVIRONMENT, added.id, ())
    assert (state.grant, state.session) == (added, session)
    (consent,) = await store.consents.consents_of(ENVIRONMENT, USER_ID)
    assert consent.last_used_at == added.created_at
    await store.sessions.end_session(session.id, 2000.0)
    state = await store.token_states.read_token_state(ENVIRONMENT, added.id, ())
    assert state.session.ended_at == 2000.0


async def test_what_a_sign_on_is_exchanged_for_is_kept_with_its_grant(store):
    delegated = replace(GRANT, delegated_resource_id="d" * 36, delegated_scopes=("read", "write"))
    await store.codes.add_code(CODE, delegated)
    assert await grant(store) == delegated


async def test_the_keys_that_codes_and_refresh_tokens_are_bound_to_are_kept(store):
    code, token = (replace(each, dpop_jkt="k" * 43) for each in (CODE, TOKEN))
    await store.codes.add_code(code, GRANT)
    assert await store.codes.find_code(code.digest) == code
    assert await store.codes.redeem_code(code.digest, 1001.0, token)
    assert await store.refresh_tokens.find_refresh_token(token.digest) == token
    successor = replace(next_generation(token, "5" * 64), dpop_jkt="l" * 43)
    assert await store.refresh_tokens.rotate_refresh_token(successor)
    assert await store.refresh_tokens.find_refresh_token(successor.digest) == successor


async def test_a_code_is_redeemed_once(store, code):
    assert await store.codes.redeem_code(CODE.digest, 1001.0, None)
    assert not await store.codes.redeem_code(CODE.digest, 1001.0, None)
    assert await store.codes.find_code(CODE.digest) == replace(CODE, redeemed_at=1001.0)


async def test_a_code_is_added_once(store, code):
    assert not await store.codes.add_code(replace(CODE, grant_id=OTHER_GRANT.id), OTHER_GRANT)
    assert await grant(store, OTHER_GRANT.id) is None
    assert await store.codes.find_code(CODE.digest) == CODE


async def test_an_expired_or_unknown_code_is_not_redeemed(store, code):
    assert not await store.codes.redeem_code(CODE.digest, CODE.expires_at, None)
    assert not await store.codes.redeem_code("1" * 64, 1001.0, None)


async def test_of_many_redemptions_at_once_one_wins(store, code):
    tries = (store.codes.redeem_code(CODE.digest, 1001.0, None) for _ in range(20))
    assert sum(await asyncio.gather(*tries)) == 1


async def test_a_redemption_that_fails_leaves_the_code_as_it_was(store, code):
    await store.codes.add_code(replace(CODE, digest="1" * 64, grant_id=OTHER_GRANT.id), OTHER_GRANT)
    assert await store.codes.redeem_code(CODE.digest, 1001.0, TOKEN)
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.codes.redeem_code("1" * 64, 1001.0, TOKEN)
    assert await store.codes.redeem_code("1" * 64, 1001.0, None)


async def test_nothing_is_granted_by_a_user_who_is_gone(store):
    await store.users.remove_user(ENVIRONMENT, USER_ID)
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        await store.codes.add_code(CODE, GRANT)
    assert await store.codes.find_code(CODE.digest) is None


async def test_redeeming_starts_the_refresh_token(store, code):
    await store.codes.redeem_code(CODE.digest, 1001.0, TOKEN)
    assert await store.refresh_tokens.find_refresh_token("g1") == TOKEN


async def test_a_lost_redemption_starts_nothing(store, code):
    await store.codes.redeem_code(CODE.digest, 1001.0, None)
    await store.codes.redeem_code(CODE.digest, 1001.0, TOKEN)
    assert await store.refresh_tokens.find_refresh_token("g1") is None


@pytest.fixture
async def refresh_tokens(store, code):
    await store.codes.redeem_code(CODE.digest, 1001.0, TOKEN)
    return store.refresh_tokens


async def test_rotation_keeps_the_previous_generation_findable(refresh_tokens):
    second = next_generation(TOKEN, "g2")
    assert await refresh_tokens.rotate_refresh_token(second)
    assert (
        await refresh_tokens.find_refresh_token("g2")
        == await refresh_tokens.find_refresh_token("g1")
        == second
    )
    assert await refresh_tokens.find_spent_grant("g1") is None


async def test_older_generations_tell_their_grant(refresh_tokens):
    second = next_generation(TOKEN, "g2")
    third = next_generation(second, "g3")
    fourth = next_generation(third, "g4")
    for token in (second, third, fourth):
        assert await refresh_tokens.rotate_refresh_token(token)
    assert await refresh_tokens.find_refresh_token("g1") is None
    spent = [await refresh_tokens.find_spent_grant(digest) for digest in ("g1", "g2", "g3", "g4")]
    assert spent == [GRANT.id, GRANT.id, None, None]


async def test_of_many_rotations_at_once_one_wins(refresh_tokens):
    tries = (refresh_tokens.rotate_refresh_token(next_generation(TOKEN, "g2")) for _ in range(10))
    assert sum(await asyncio.gather(*tries)) == 1


async def test_a_generation_cannot_be_skipped(refresh_tokens):
    assert not await refresh_tokens.rotate_refresh_token(next_generation(next_generation(TOKEN, "g2"), "g3"))


async def test_an_ended_grant_does_not_rotate_and_stays_ended(store, refresh_tokens):
    await store.grants.end_grant(GRANT.id, 1002.0)
    await store.grants.end_grant(GRANT.id, 1003.0)
    assert not await refresh_tokens.rotate_refresh_token(next_generation(TOKEN, "g2"))
    assert (await grant(store)).ended_at == 1002.0


async def test_ending_and_rotation_at_once_leave_an_ended_grant(store, refresh_tokens):
    """Whichever comes first."""
    await asyncio.gather(
        refresh_tokens.rotate_refresh_token(next_generation(TOKEN, "g2")),
        store.grants.end_grant(GRANT.id, 1002.0),
    )
    assert (await grant(store)).ended_at == 1002.0


async def test_a_revoked_token_is_told_for_all_that_came_of_it(store):
    for kept_until in (5000.0, 6000.0):
        await store.revocations.revoke_token("a.b", kept_until)
    assert await revoked(store, "a", "a.b", "a.b.c") == {"a.b"}
    assert await store.purge(5000.0 + 3601.0) == 0


async def test_a_code_and_a_refresh_token_are_uses_of_the_consents(store, code):
    await store.consents.record_consent(CONSENT, None)
    await store.codes.add_code(replace(CODE, digest="1" * 64, grant_id=OTHER_GRANT.id), OTHER_GRANT)
    (used,) = await store.consents.consents_of(ENVIRONMENT, USER_ID)
    assert used == replace(CONSENT, last_used_at=GRANT.created_at)
    await store.codes.redeem_code(CODE.digest, 1001.0, TOKEN)
    second = next_generation(TOKEN, "g2")
    await store.refresh_tokens.rotate_refresh_token(second)
    (used,) = await store.consents.consents_of(ENVIRONMENT, USER_ID)
    assert used == replace(CONSENT, last_used_at=second.rotated_at)


async def test_a_removed_user_takes_grants_codes_and_refresh_tokens_along(store, refresh_tokens):
    await store.sessions.add_session(SESSION)
    await store.users.remove_user(ENVIRONMENT, USER_ID)
    assert await grant(store) is None
    assert await store.codes.find_code(CODE.digest) is None
    assert await refresh_tokens.find_refresh_token("g1") is None
