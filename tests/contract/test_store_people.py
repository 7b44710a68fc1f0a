import asyncio
from dataclasses import replace

import pytest

from deputize.authority.storage import DirectoryConflict, Put, Remove, open_store
from deputize.authority.storage.activities import ActivityQuery
from deputize.oauth.records.store import TokenState, User
from support.store_records import AGENT, CODE, CONSENT, ENVIRONMENT, GRANT, SESSION, USER_ID


async def test_a_user_is_found_by_name_and_id(store):
    user = await store.users.find_user(ENVIRONMENT, "demouser")
    assert user is not None
    assert await store.users.find_user_by_id(ENVIRONMENT, USER_ID) == user
    assert await store.users.find_user(ENVIRONMENT, "Demouser") is None
    assert await store.users.find_user("other", "demouser") is None
    assert await store.users.find_user(ENVIRONMENT, "demo\x00user") is None


async def test_users_are_found_by_a_custom_attribute_that_is_exactly_a_text(store):
    odd = 'a"b\\c%_!é\U0001f600'
    for number, attributes in enumerate(
        (
            {"employee": "U1", "n": 7},
            {"employee": "U1"},
            {"employee": "u1"},
            {"other": "U1"},
            {"employee": odd},
        )
    ):
        await store.users.put_user(
            User(f"u{number}", ENVIRONMENT, f"user{number}", "", attributes=attributes)
        )

    async def found(name, value, environment=ENVIRONMENT):
        return [user.id for user in await store.users.find_users_by_attribute(environment, name, value)]

    assert await found("employee", "U1") == ["u0", "u1"]
    assert await found("employee", "u1") == ["u2"]
    assert await found("other", "U1") == ["u3"]
    assert await found("employee", odd) == ["u4"]
    for value in ("U", "%", "_1", "7", "employee", "", 'U1"'):
        assert await found("employee", value) == []
    assert await found("n", "7") == []
    assert await found("employee", "U1", "other") == []


def without_term(user):
    return replace(user, term="")


async def test_a_user_keeps_every_member(store):
    user = User(
        "u2",
        ENVIRONMENT,
        "ada",
        "hash",
        False,
        "ada@example.com",
        "Ada",
        "Lovelace",
        "en-GB",
        {"tier": {"level": 3}, "tags": ["a"]},
    )
    await store.users.put_user(user)
    assert without_term(await store.users.find_user(ENVIRONMENT, "ada")) == user
    changed = replace(user, enabled=True, attributes=None)
    await store.users.put_user(changed)
    assert without_term(await store.users.find_user_by_id(ENVIRONMENT, "u2")) == changed
    assert [user.username for user in await store.users.users_of(ENVIRONMENT)] == ["ada", "demouser"]


async def test_a_users_term_ends_when_they_are_disabled_enabled_or_created_anew_or_get_a_password(store):
    user = User("u2", ENVIRONMENT, "ada", "hash")

    async def directory(row):
        await store.directory_rows.change([Put(row)], await store.directory_rows.version())

    for write in (store.users.put_user, directory):
        terms = []
        for written in (
            user,
            replace(user, email="new@example.com", term="made-up"),
            replace(user, enabled=False, term="made-up"),
            user,
            replace(user, password_hash="another"),
            replace(user, password_hash="another", username="adele"),
            replace(user, password_hash="another", must_change_password=True),
            replace(user, password_hash="another", must_change_password=True, email="new@example.com"),
            replace(user, password_hash="another"),
        ):
            await write(written)
            terms.append((await store.users.find_user_by_id(ENVIRONMENT, "u2")).term)
        await store.users.remove_user(ENVIRONMENT, "u2")
        await write(user)
        terms.append((await store.users.find_user_by_id(ENVIRONMENT, "u2")).term)
        assert terms[0] == terms[1]
        assert terms[4] == terms[5]
        assert terms[5] != terms[6] == terms[7] == terms[8]
        assert len({*terms}) == 6
        assert all(len(term) == 8 for term in terms)


async def test_a_removed_user_takes_sessions_and_consents_along(store):
    await store.sessions.add_session(SESSION)
    await store.consents.record_consent(CONSENT, None)
    await store.users.remove_user(ENVIRONMENT, USER_ID)
    assert await store.sessions.find_session(ENVIRONMENT, SESSION.cookie_digest) is None
    assert await store.consents.consents_of(ENVIRONMENT, USER_ID) == ()


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
    renewed = replace(SESSION, cookie_digest="d" * 64, auth_time=1900, expires_at=6000.0, last_used_at=1900.0)
    assert await store.sessions.renew_session(renewed)
    assert await store.sessions.find_session(ENVIRONMENT, "d" * 64) == renewed
    assert await store.sessions.find_session(ENVIRONMENT, SESSION.cookie_digest) is None
    await store.sessions.end_session(SESSION.id, 2000.0)
    assert not await store.sessions.renew_session(SESSION)


async def test_a_session_is_touched_forwards_only(store):
    await store.sessions.add_session(SESSION)
    await store.sessions.touch_session(SESSION.id, 1500.0)
    await store.sessions.touch_session(SESSION.id, 1400.0)
    assert await store.sessions.find_session(ENVIRONMENT, SESSION.cookie_digest) == replace(
        SESSION, last_used_at=1500.0
    )


async def test_a_session_is_not_renewed_for_another_user_or_in_another_term(store):
    await store.sessions.add_session(SESSION)
    assert not await store.sessions.renew_session(replace(SESSION, user_id="u2"))
    assert not await store.sessions.renew_session(replace(SESSION, user_term="u-term-2"))


async def test_consents_of_each_agent_and_agreement_are_kept(store):
    others = [
        replace(CONSENT, id="c2", client_id="another"),
        replace(CONSENT, id="c3", agreement_id="another"),
    ]
    for consent in (CONSENT, *others):
        assert await store.consents.record_consent(consent, None)
    assert set(map(repr, await store.consents.consents_of(ENVIRONMENT, USER_ID))) == set(
        map(repr, (CONSENT, *others))
    )


async def test_a_consent_takes_the_place_of_the_one_that_was_read(store):
    assert await store.consents.record_consent(CONSENT, None)
    later = replace(
        CONSENT,
        version=2,
        accepted_at=1000.0,
        expires_at=2000.0,
        covers={"a": {"r": ("x", "y"), "": ("openid",)}},
    )
    assert await store.consents.record_consent(later, CONSENT)
    assert await store.consents.consents_of(ENVIRONMENT, USER_ID) == (later,)


async def test_a_consent_does_not_take_the_place_of_one_that_was_not_read(store):
    assert not await store.consents.record_consent(replace(CONSENT, version=2), CONSENT)
    assert await store.consents.record_consent(CONSENT, None)
    assert not await store.consents.record_consent(replace(CONSENT, id="c2"), None)
    assert not await store.consents.record_consent(
        replace(CONSENT, id="c2"), replace(CONSENT, accepted_at=1.0)
    )
    assert await store.consents.consents_of(ENVIRONMENT, USER_ID) == (CONSENT,)


async def test_what_was_withdrawn_meanwhile_is_not_extended(store):
    await store.consents.record_consent(CONSENT, None)
    await store.consents.withdraw_consents(ENVIRONMENT, USER_ID, CONSENT.client_id, 960.0, "user")
    assert not await store.consents.record_consent(replace(CONSENT, accepted_at=1000.0), CONSENT)
    (withdrawn,) = await store.consents.consents_of(ENVIRONMENT, USER_ID)
    assert withdrawn == replace(CONSENT, withdrawn_at=960.0, withdrawn_by="user")
    assert await store.consents.record_consent(replace(CONSENT, id="c2"), withdrawn)


async def test_of_two_extensions_at_once_one_wins(store):
    await store.consents.record_consent(CONSENT, None)
    extended = (replace(CONSENT, accepted_at=instant) for instant in (1000.0, 1001.0))
    assert (
        sum(await asyncio.gather(*(store.consents.record_consent(each, CONSENT) for each in extended))) == 1
    )


async def test_consents_to_an_agent_are_withdrawn_once_and_together(store):
    others = [
        replace(CONSENT, id="c2", client_id="another"),
        replace(CONSENT, id="c3", agreement_id="another", expires_at=1.0),
    ]
    for consent in (CONSENT, *others):
        await store.consents.record_consent(consent, None)
    for now in (1000.0, 1001.0):
        await store.consents.withdraw_consents(ENVIRONMENT, USER_ID, CONSENT.client_id, now)
    withdrawn = {
        each.id: each.withdrawn_at for each in await store.consents.consents_of(ENVIRONMENT, USER_ID)
    }
    assert withdrawn == {CONSENT.id: 1000.0, "c2": None, "c3": 1000.0}


PASSING = replace(CONSENT, covers={AGENT: {"r": ("agent",)}, "b": {"r": ("x",)}, "c": {"r": ("y",)}})
"""To an agent that may pass to two others."""


async def test_an_agents_part_is_withdrawn_from_what_was_agreed_to_for_others(store):
    elsewhere = User("u2", ENVIRONMENT, "ada", "hash")
    await store.users.put_user(elsewhere)
    theirs = replace(PASSING, id="c2", user_id="u2")
    ended = replace(PASSING, id="c3", agreement_id="another", withdrawn_at=960.0)
    for consent in (PASSING, theirs, ended):
        await store.consents.record_consent(consent, None)
    await store.consents.withdraw_consents(ENVIRONMENT, USER_ID, "b", 1000.0)
    left = {agent: each for agent, each in PASSING.covers.items() if agent != "b"}
    consents = {each.id: each for each in await store.consents.consents_of(ENVIRONMENT, USER_ID)}
    assert consents == {CONSENT.id: replace(PASSING, covers=left), "c3": ended}
    assert await store.consents.consents_of(ENVIRONMENT, "u2") == (theirs,)
    assert (await store.users.find_user_by_id(ENVIRONMENT, USER_ID)).withdrawals == {"b": 1}
    assert (await store.users.find_user_by_id(ENVIRONMENT, "u2")).withdrawals == {}


async def test_each_withdrawal_has_a_number_of_its_own(store):
    await store.consents.record_consent(PASSING, None)
    names = ("b", "c", AGENT)
    await asyncio.gather(
        *(store.consents.withdraw_consents(ENVIRONMENT, USER_ID, name, 1000.0) for name in names)
    )
    await store.consents.withdraw_consents(ENVIRONMENT, USER_ID, "b", 1001.0)
    user = await store.users.find_user_by_id(ENVIRONMENT, USER_ID)
    assert {user.withdrawals["c"], user.withdrawals[AGENT]} < {1, 2, 3}
    assert user.withdrawals["b"] == user.withdrawn == 4


async def test_a_withdrawal_does_not_cross_environments(store):
    await store.consents.record_consent(PASSING, None)
    await store.consents.withdraw_consents("other", USER_ID, "b", 1000.0)
    assert (await store.users.find_user_by_id(ENVIRONMENT, USER_ID)).withdrawals == {}
    assert await store.consents.consents_of(ENVIRONMENT, USER_ID) == (PASSING,)


async def test_withdrawals_stay_whatever_an_administrator_writes_of_the_user(store):
    await store.consents.record_consent(PASSING, None)
    await store.consents.withdraw_consents(ENVIRONMENT, USER_ID, "b", 1000.0)
    user = replace(
        await store.users.find_user_by_id(ENVIRONMENT, USER_ID), email="new@example.com", withdrawals={}
    )
    await store.users.put_user(user)
    assert (await store.users.find_user_by_id(ENVIRONMENT, USER_ID)).withdrawals == {"b": 1}
    await store.directory_rows.change(
        [Put(replace(user, enabled=False))], await store.directory_rows.version()
    )
    assert (await store.users.find_user_by_id(ENVIRONMENT, USER_ID)).withdrawals == {"b": 1}


async def test_a_page_read_before_a_part_was_withdrawn_does_not_bring_it_back(store):
    await store.consents.record_consent(PASSING, None)
    await store.consents.withdraw_consents(ENVIRONMENT, USER_ID, "b", 1000.0)
    assert not await store.consents.record_consent(replace(PASSING, accepted_at=1000.0), PASSING)
    (now,) = await store.consents.consents_of(ENVIRONMENT, USER_ID)
    assert "b" not in now.covers
    assert await store.consents.record_consent(replace(PASSING, accepted_at=1001.0), now), "agreed to again"


async def test_a_withdrawal_and_a_page_at_once_leave_what_either_order_leaves(store):
    await store.consents.record_consent(PASSING, None)
    extended = replace(PASSING, accepted_at=1000.0)
    recorded, _ = await asyncio.gather(
        store.consents.record_consent(extended, PASSING),
        store.consents.withdraw_consents(ENVIRONMENT, USER_ID, "b", 1000.0),
    )
    (now,) = await store.consents.consents_of(ENVIRONMENT, USER_ID)
    assert "b" not in now.covers
    assert now.accepted_at == (1000.0 if recorded else PASSING.accepted_at)


async def test_a_withdrawal_by_another_process_shows_in_the_next_state(store, store_url):
    await store.consents.record_consent(PASSING, None)
    await store.codes.add_code(CODE, replace(GRANT, withdrawn=0))
    assert (await store.token_states.read_token_state(ENVIRONMENT, GRANT.id, ())).user.withdrawals == {}
    async with open_store(store_url) as other:
        await other.consents.withdraw_consents(ENVIRONMENT, USER_ID, "b", 1000.0)
    state = await store.token_states.read_token_state(ENVIRONMENT, GRANT.id, ())
    assert state.user.withdrawals == {"b": 1}
    assert state.grant.withdrawn == 0
    assert "b" not in state.consents[0].covers


async def test_a_state_holds_what_the_grant_rests_on_and_nothing_else(store):
    same_agent = replace(CONSENT, id="c2", agreement_id="another")
    await store.sessions.add_session(SESSION)
    for consent in (CONSENT, same_agent, replace(CONSENT, id="c3", client_id="another")):
        await store.consents.record_consent(consent, None)
    await store.codes.add_code(CODE, GRANT)
    for jti in ("x", "y"):
        await store.revocations.revoke_token(jti, 5000)
    state = await store.token_states.read_token_state(ENVIRONMENT, GRANT.id, ["x", "y", "z"])
    assert state.grant == GRANT
    assert state.user == await store.users.find_user(ENVIRONMENT, "demouser")
    assert state.session == SESSION
    assert sorted(consent.id for consent in state.consents) == sorted([CONSENT.id, "c2"])
    assert all(consent.covers == CONSENT.covers for consent in state.consents)
    assert state.revoked == frozenset({"x", "y"})


async def test_a_state_does_not_cross_environments_or_users(store):
    await store.users.put_user(User("u2", ENVIRONMENT, "ada", "hash"))
    await store.sessions.add_session(replace(SESSION, user_id="u2"))
    await store.codes.add_code(CODE, GRANT)
    assert await store.token_states.read_token_state("other", GRANT.id, ()) == TokenState(
        None, None, None, (), frozenset()
    )
    not_theirs = await store.token_states.read_token_state(ENVIRONMENT, GRANT.id, ())
    assert not_theirs.user is not None
    assert not_theirs.session is None


async def test_a_state_without_a_grant_still_tells_revocations(store):
    await store.revocations.revoke_token("x", 5000)
    state = await store.token_states.read_token_state(ENVIRONMENT, None, ["x"])
    assert state == TokenState(None, None, None, (), frozenset({"x"}))


async def test_removing_through_the_directory_removes_the_user(store):
    user = await store.users.find_user(ENVIRONMENT, "demouser")
    await store.directory_rows.change([Remove(user)], await store.directory_rows.version())
    assert await store.users.find_user(ENVIRONMENT, "demouser") is None


async def test_a_user_changes_the_password_that_they_have(store):
    user = await store.users.find_user_by_id(ENVIRONMENT, USER_ID)
    user = replace(user, must_change_password=True)
    await store.users.put_user(user)
    version = await store.directory_rows.version()
    changed = await store.users.change_password(user, "another")
    assert changed == await store.users.find_user_by_id(ENVIRONMENT, USER_ID)
    assert (changed.password_hash, changed.must_change_password) == ("another", False)
    assert changed.term != user.term
    assert await store.users.change_password(user, "late") is None, "it is another one than was read"
    assert await store.users.find_user_by_id(ENVIRONMENT, USER_ID) == changed
    with pytest.raises(DirectoryConflict):
        await store.directory_rows.change([Put(user)], version)


async def test_one_of_many_changes_of_a_password_counts(store):
    user = await store.users.find_user_by_id(ENVIRONMENT, USER_ID)
    changes = await asyncio.gather(*(store.users.change_password(user, f"p{each}") for each in range(6)))
    (won,) = (each for each in changes if each)
    assert await store.users.find_user_by_id(ENVIRONMENT, USER_ID) == won


async def test_nobody_changes_the_password_of_who_is_disabled_gone_or_elsewhere(store):
    user = await store.users.find_user_by_id(ENVIRONMENT, USER_ID)
    assert await store.users.change_password(replace(user, environment_id="other"), "another") is None
    await store.users.put_user(replace(user, enabled=False))
    assert await store.users.change_password(user, "another") is None
    await store.users.remove_user(ENVIRONMENT, USER_ID)
    assert await store.users.change_password(user, "another") is None


async def test_the_sessions_of_a_user_are_those_that_live_or_that_agents_rest_on(store):
    user = await store.users.find_user_by_id(ENVIRONMENT, USER_ID)

    def session(number, **changes):
        members = {"user_term": user.term, "expires_at": 5000.0, "last_used_at": 900.0 + number, **changes}
        return replace(SESSION, id=f"s{number}", cookie_digest=f"{number:064}", **members)

    alive, resting, lapsed = session(1), session(2, expires_at=950.0), session(3, expires_at=950.0)
    ended, earlier = session(4, ended_at=940.0), session(5, user_term="before")
    for each in (alive, resting, lapsed, ended, earlier):
        await store.sessions.add_session(each)
    await store.users.put_user(replace(user, id="u2", username="ada"))
    other = replace(session(6), user_id="u2")
    await store.sessions.add_session(other)
    for number, (each, client, changes) in enumerate(
        (
            (resting, "a", {}),
            (resting, "b", {}),
            (lapsed, "a", {"expires_at": 990.0}),
            (lapsed, "a", {"ended_at": 970.0}),
            (alive, "a", {"user_term": "before"}),
        )
    ):
        members = {"user_term": user.term, **changes}
        authentication = replace(GRANT.authentication, session_id=each.id)
        grant = replace(GRANT, id=f"g{number}", client_id=client, authentication=authentication, **members)
        assert await store.codes.add_code(replace(CODE, digest=f"{number:064}", grant_id=grant.id), grant)
    assert await store.sessions.sessions_of_user(user, 1000.0) == {resting: ("a", "b"), alive: ()}
    assert [*await store.sessions.sessions_of_user(user, 1000.0)] == [resting, alive]
    assert await store.sessions.sessions_of_user(replace(user, environment_id="other"), 1000.0) == {}


async def test_what_no_text_can_be_is_found_nowhere(store):
    """U+0000 is in nothing that is stored; PostgreSQL refuses to compare anything with it."""
    odd = "a\x00b"
    listings = store.listings
    assert await store.users.find_user_by_id(ENVIRONMENT, odd) is None
    assert await listings.find_session(ENVIRONMENT, odd) is None
    assert await listings.usernames({odd}) == {}
    assert list(await listings.sessions(ENVIRONMENT, odd, None, 10)) == []
    assert list(await listings.consents(ENVIRONMENT, odd, None, (), 10)) == []
    page = await store.activities.find(ENVIRONMENT, ActivityQuery(text=odd, tool=odd, jti=odd))
    assert list(page.items) == []
