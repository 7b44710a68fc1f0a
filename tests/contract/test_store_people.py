from dataclasses import replace

from deputize.authority.storage import Remove
from deputize.oauth.ports import IssuedToken
from deputize.oauth.records.store import Standing, User
from support.store_records import CONSENT, ENVIRONMENT, SESSION, USER_ID


async def test_a_user_is_found_by_name_and_id(store):
    user = await store.users.find_user(ENVIRONMENT, "demouser")
    assert user is not None
    assert await store.users.find_user_by_id(ENVIRONMENT, USER_ID) == user
    assert await store.users.find_user(ENVIRONMENT, "Demouser") is None
    assert await store.users.find_user("other", "demouser") is None
    assert await store.users.find_user(ENVIRONMENT, "demo\x00user") is None


async def test_a_user_keeps_every_member(store):
    user = User(
        "u2", ENVIRONMENT, "ada", "hash", False, "ada@example.com", "Ada", "Lovelace", "en-GB", {"tier": {"level": 3}, "tags": ["a"]}
    )
    await store.users.put_user(user)
    assert await store.users.find_user(ENVIRONMENT, "ada") == user
    changed = replace(user, enabled=True, attributes=None)
    await store.users.put_user(changed)
    assert await store.users.find_user_by_id(ENVIRONMENT, "u2") == changed
    assert [user.username for user in await store.users.users_of(ENVIRONMENT)] == ["ada", "demouser"]


async def test_a_removed_user_takes_sessions_and_consents_along(store):
    await store.sessions.add_session(SESSION)
    await store.consents.record_consent(CONSENT)
    await store.users.remove_user(ENVIRONMENT, USER_ID)
    standing = await store.standings.standing(ENVIRONMENT, USER_ID, SESSION.id, [CONSENT.agreement_id], ())
    assert standing == Standing(None, None, (), frozenset())


async def test_a_session_is_found_by_its_cookie(store):
    await store.sessions.add_session(SESSION)
    assert await store.sessions.find_session(ENVIRONMENT, SESSION.cookie_digest) == SESSION
    assert await store.sessions.find_session("other", SESSION.cookie_digest) is None


async def test_a_session_ends_once(store):
    await store.sessions.add_session(SESSION)
    await store.sessions.end_session(SESSION.id, 1000.0)
    await store.sessions.end_session(SESSION.id, 1001.0)
    ended = await store.sessions.find_session(ENVIRONMENT, SESSION.cookie_digest)
    assert ended == replace(SESSION, ended_at=1000.0)


async def test_a_session_is_renewed_unless_it_ended(store):
    await store.sessions.add_session(SESSION)
    renewed = replace(SESSION, cookie_digest="d" * 64, auth_time=1900, expires_at=6000.0)
    assert await store.sessions.renew_session(renewed)
    assert await store.sessions.find_session(ENVIRONMENT, "d" * 64) == renewed
    assert await store.sessions.find_session(ENVIRONMENT, SESSION.cookie_digest) is None
    await store.sessions.end_session(SESSION.id, 2000.0)
    assert not await store.sessions.renew_session(SESSION)


async def test_a_session_is_not_renewed_for_another_user(store):
    await store.sessions.add_session(SESSION)
    assert not await store.sessions.renew_session(replace(SESSION, user_id="u2"))


async def test_only_the_latest_consent_is_kept(store):
    await store.consents.record_consent(CONSENT)
    later = replace(CONSENT, version=2, accepted_at=1000.0, expires_at=2000.0)
    await store.consents.record_consent(later)
    assert await store.consents.consents_of(ENVIRONMENT, USER_ID) == (later,)


async def test_a_consent_is_withdrawn_once(store):
    await store.consents.record_consent(CONSENT)
    assert await store.consents.withdraw_consent(ENVIRONMENT, USER_ID, CONSENT.agreement_id, 1000.0)
    assert not await store.consents.withdraw_consent(ENVIRONMENT, USER_ID, CONSENT.agreement_id, 1001.0)
    assert await store.consents.consents_of(ENVIRONMENT, USER_ID) == (replace(CONSENT, withdrawn_at=1000.0),)


async def test_an_expired_or_absent_consent_cannot_be_withdrawn(store):
    assert not await store.consents.withdraw_consent(ENVIRONMENT, USER_ID, CONSENT.agreement_id, 1000.0)
    await store.consents.record_consent(replace(CONSENT, expires_at=1000.0))
    assert not await store.consents.withdraw_consent(ENVIRONMENT, USER_ID, CONSENT.agreement_id, 1000.0)


async def test_accepting_again_undoes_a_withdrawal(store):
    await store.consents.record_consent(replace(CONSENT, withdrawn_at=960.0))
    await store.consents.record_consent(CONSENT)
    assert await store.consents.consents_of(ENVIRONMENT, USER_ID) == (CONSENT,)


async def test_a_standing_holds_what_was_asked_for_and_nothing_else(store):
    other = replace(CONSENT, agreement_id="other")
    third = replace(CONSENT, agreement_id="third")
    await store.sessions.add_session(SESSION)
    for consent in (CONSENT, other, third):
        await store.consents.record_consent(consent)
    standing = await store.standings.standing(ENVIRONMENT, USER_ID, SESSION.id, [CONSENT.agreement_id, "other"], ["x", "y"])
    assert standing.user == await store.users.find_user(ENVIRONMENT, "demouser")
    assert standing.session == SESSION
    assert set(standing.consents) == {CONSENT, other}
    assert standing.revoked == frozenset()


async def test_a_standing_mixes_many_consents_and_revocations_without_repeats(store):
    for agreement in ("a", "b"):
        await store.consents.record_consent(replace(CONSENT, agreement_id=agreement))
    for jti in ("x", "y"):
        await store.revocations.revoke_token(IssuedToken(jti, 5000))
    standing = await store.standings.standing(ENVIRONMENT, USER_ID, None, ["a", "b"], ["x", "y", "z"])
    assert sorted(consent.agreement_id for consent in standing.consents) == ["a", "b"]
    assert standing.revoked == frozenset({"x", "y"})


async def test_a_standing_does_not_cross_environments_or_users(store):
    await store.sessions.add_session(SESSION)
    await store.users.put_user(User("u2", ENVIRONMENT, "ada", "hash"))
    elsewhere = await store.standings.standing("other", USER_ID, SESSION.id, (), ())
    assert (elsewhere.user, elsewhere.session) == (None, None)
    not_hers = await store.standings.standing(ENVIRONMENT, "u2", SESSION.id, (), ())
    assert not_hers.user is not None
    assert not_hers.session is None


async def test_a_standing_without_a_user_still_tells_revocations(store):
    standing = await store.standings.standing(ENVIRONMENT, None, None, (), ["x"])
    assert standing == Standing(None, None, (), frozenset())


async def test_removing_through_the_directory_removes_the_user(store):
    user = await store.users.find_user(ENVIRONMENT, "demouser")
    await store.directory_rows.change([Remove(user)], await store.directory_rows.version())
    assert await store.users.find_user(ENVIRONMENT, "demouser") is None
