import asyncio
from dataclasses import replace

import pytest

from deputize.authority.storage import Remove, open_store
from deputize.oauth.records.store import Factor, User
from support.store_records import ENVIRONMENT, GRANT, SESSION, USER_ID

FACTOR = Factor("f1", ENVIRONMENT, USER_ID, "passkey", "1" * 64, "My phone", "key", 7, 100.0)
EVE = User("eve", ENVIRONMENT, "eve", "")


def code(number: int) -> Factor:
    return Factor(f"c{number}", ENVIRONMENT, USER_ID, "recovery_code", f"{number:064d}", "", "", 0, 100.0)


async def all_of(store, user_id=USER_ID):
    return await store.factors.factors_of(ENVIRONMENT, user_id)


async def test_a_factor_is_kept_with_every_member_and_found_by_kind_and_key(store):
    used = replace(FACTOR, counter=2**32 - 1, last_used_at=120.0)
    assert await store.factors.add_factor(used, 10)
    assert await all_of(store) == (used,)
    assert await store.factors.find_factor(ENVIRONMENT, "passkey", used.key) == used
    for environment, kind, key in (
        ("other", "passkey", used.key), (ENVIRONMENT, "totp", used.key), (ENVIRONMENT, "passkey", "2" * 64),
    ):  # fmt: skip
        assert await store.factors.find_factor(environment, kind, key) is None


async def test_nobody_adds_what_somebody_has_nor_more_than_the_most(store):
    await store.users.put_user(EVE)
    assert await store.factors.add_factor(FACTOR, 2)
    assert not await store.factors.add_factor(replace(FACTOR, id="f2", user_id=EVE.id), 2)
    assert await store.factors.add_factor(replace(FACTOR, id="f2", key="2" * 64), 2)
    assert not await store.factors.add_factor(replace(FACTOR, id="f3", key="3" * 64), 2)
    assert await store.factors.add_factor(replace(FACTOR, id="f3", key="3" * 64, kind="totp"), 2)
    assert not await store.factors.add_factor(replace(FACTOR, id="f4", key="4" * 64, user_id="nobody"), 2)


async def test_so_many_at_once_are_no_more_than_the_most(store, store_url):
    async with open_store(store_url) as other:
        added = await asyncio.gather(
            *(
                each.factors.add_factor(replace(FACTOR, id=f"f{n}", key=f"{n:064d}"), 3)
                for n, each in enumerate([store, other] * 5)
            )
        )
    assert added.count(True) == 3
    assert len(await all_of(store)) == 3


async def test_of_all_who_use_one_counter_one_wins_whichever_process_they_ask(store, store_url):
    assert await store.factors.add_factor(FACTOR, 1)
    async with open_store(store_url) as other:
        wins = await asyncio.gather(
            *(each.factors.use_factor(FACTOR, 8, 200.0) for each in [store, other] * 10)
        )
    assert wins.count(True) == 1
    (after,) = await all_of(store)
    assert (after.counter, after.last_used_at) == (8, 200.0)
    assert await store.factors.remove_factor(after)
    assert not await store.factors.use_factor(after, 9, 201.0)


async def test_of_all_who_spend_one_recovery_code_one_wins_whichever_process_they_ask(store, store_url):
    await store.factors.replace_recovery_codes(User(USER_ID, ENVIRONMENT, "demouser", ""), [code(1), code(2)])
    async with open_store(store_url) as other:
        wins = await asyncio.gather(*(each.factors.remove_factor(code(1)) for each in [store, other] * 10))
    assert wins.count(True) == 1
    assert await all_of(store) == (code(2),)


async def test_new_recovery_codes_take_the_place_of_all_before_and_of_nothing_else(store):
    user = User(USER_ID, ENVIRONMENT, "demouser", "")
    assert await store.factors.add_factor(FACTOR, 1)
    await store.factors.replace_recovery_codes(user, [code(1), code(2)])
    await store.factors.replace_recovery_codes(user, [code(3)])
    assert {each.id for each in await all_of(store)} == {FACTOR.id, "c3"}
    await store.factors.replace_recovery_codes(user, [])
    assert await all_of(store) == (FACTOR,)


async def test_a_reset_forgets_all_and_ends_what_rests_on_it(store):
    await store.users.put_user(EVE)
    user = await store.users.find_user_by_id(ENVIRONMENT, USER_ID)
    session = replace(SESSION, user_term=user.term)
    await store.sessions.add_session(session)
    await store.grants.add_grant(GRANT, replace(session, id="s2", cookie_digest="d" * 64))
    assert await store.factors.add_factor(FACTOR, 1)
    eves = replace(FACTOR, id="f2", key="2" * 64, user_id=EVE.id)
    assert await store.factors.add_factor(eves, 1)
    assert await store.factors.reset_factors(ENVIRONMENT, USER_ID) == 1
    assert await all_of(store) == ()
    assert await all_of(store, EVE.id) == (eves,)
    again = await store.users.find_user_by_id(ENVIRONMENT, USER_ID)
    assert again.term != user.term, "sessions and grants are of a term"
    assert replace(again, term="") == replace(user, term="")
    assert len(await store.logout_notices.begin_attempts(0.0, [1.0], 10)) == 1
    assert await store.factors.reset_factors(ENVIRONMENT, USER_ID) == 0


async def test_factors_go_with_their_user(store):
    assert await store.factors.add_factor(FACTOR, 1)
    user = await store.users.find_user_by_id(ENVIRONMENT, USER_ID)
    await store.directory_rows.change([Remove(user)], await store.directory_rows.version())
    assert await store.factors.find_factor(ENVIRONMENT, "passkey", FACTOR.key) is None


async def test_a_session_keeps_its_factors_and_changes_them_only_under_the_cookie_it_has(store):
    session = replace(SESSION, factors={"password": 900})
    await store.sessions.add_session(session)
    assert await store.sessions.find_session(ENVIRONMENT, session.cookie_digest) == session
    stronger = replace(session, cookie_digest="d" * 64, factors={"password": 900, "totp": 905})
    assert not await store.sessions.renew_session(stronger, "e" * 64)
    assert await store.sessions.renew_session(stronger, session.cookie_digest)
    assert not await store.sessions.renew_session(stronger, session.cookie_digest), (
        "the cookie is another now"
    )
    assert await store.sessions.find_session(ENVIRONMENT, "d" * 64) == stronger
    await store.sessions.end_session(session.id, 950.0)
    assert not await store.sessions.renew_session(stronger, "d" * 64)


@pytest.mark.parametrize("amr", [(), ("otp", "pwd")])
async def test_a_grant_keeps_how_its_user_signed_on(store, amr):
    grant = replace(GRANT, authentication=replace(GRANT.authentication, amr=amr))
    await store.grants.add_grant(grant, SESSION)
    state = await store.token_states.read_token_state(ENVIRONMENT, GRANT.id, ())
    assert state.grant == grant
