"""Agents that wait to be told of a session's end, whoever ended it."""

import asyncio
from dataclasses import replace

import pytest

from deputize.authority.storage import Put, Remove, open_store
from deputize.kernel.ids import new_id
from deputize.oauth.records.store import User
from support.store_records import CODE, ENVIRONMENT, GRANT, SESSION, USER_ID

WAITS = (10.0, 60.0)
AGENT = GRANT.client_id
USER = User(USER_ID, ENVIRONMENT, "demouser", "$argon2id$...")
"""As the store of these tests begins with."""


@pytest.fixture
async def told(store):
    """A store with a session in which an agent was authorized twice."""
    user = await store.users.find_user_by_id(ENVIRONMENT, USER.id)
    await store.sessions.add_session(replace(SESSION, user_term=user.term))
    await store.codes.add_code(CODE, GRANT)
    again = replace(GRANT, id=new_id())
    await store.codes.add_code(replace(CODE, digest="2" * 64, grant_id=again.id), again)
    return store


async def change(store, *changes):
    await store.directory_rows.change(changes, await store.directory_rows.version())


async def due(store, now=1000.0, most=10):
    return await store.logout_notices.begin_attempts(now, WAITS, most)


async def sign_off(store):
    await store.sessions.end_session(SESSION.id, 500.0)


async def disable(store):
    await store.users.put_user(replace(USER, enabled=False))


async def give_another_password(store):
    await change(store, Put(replace(USER, password_hash="$argon2id$another")))


async def remove(store):
    await store.users.remove_user(ENVIRONMENT, USER.id)


async def remove_by_a_file(store):
    await change(store, Remove(USER))


@pytest.mark.parametrize("end", [sign_off, disable, give_another_password, remove, remove_by_a_file])
async def test_whatever_ends_the_session_its_agents_are_told_once(told, end):
    assert await due(told) == ()
    await end(told)
    [notice] = await due(told)
    assert (notice.environment_id, notice.session_id) == (ENVIRONMENT, SESSION.id)
    assert (notice.client_id, notice.user_id, notice.attempts) == (AGENT, USER.id, 1)


async def test_each_agent_of_the_session_is_told(told):
    other = replace(GRANT, id=new_id(), client_id="https://app.example/client.json")
    await told.codes.add_code(replace(CODE, digest="3" * 64, grant_id=other.id), other)
    await sign_off(told)
    assert {each.client_id for each in await due(told)} == {AGENT, other.client_id}


async def test_what_ended_before_is_not_told_again(told):
    await sign_off(told)
    [notice] = await due(told)
    await told.logout_notices.settle(notice)
    for end in (sign_off, disable, remove):
        await end(told)
    assert await due(told, 9999.0) == ()


async def test_a_session_of_an_earlier_term_has_ended_with_it(told):
    await give_another_password(told)
    [notice] = await due(told)
    await told.logout_notices.settle(notice)
    await disable(told)
    assert await due(told, 9999.0) == ()


@pytest.mark.parametrize("same", [{}, {"email": "other@example.com"}])
async def test_what_ends_no_session_tells_nobody(told, same):
    await told.users.put_user(replace(USER, **same))
    await told.sessions.touch_session(SESSION.id, 600.0)
    assert await due(told) == ()


async def test_each_attempt_is_one_caller_s_and_the_next_is_due_later(told, store_url):
    await sign_off(told)
    async with open_store(store_url) as other:
        taken = await asyncio.gather(*(due(each) for each in [told, other] * 5))
    assert sorted(map(len, taken)) == [0] * 9 + [1]
    assert await due(told, 1009.0) == ()
    [second] = await due(told, 1010.0)
    assert (second.attempts, second.due_at) == (2, 1070.0)
    [third] = await due(told, 1070.0)
    assert (third.attempts, third.due_at) == (3, 1130.0)
    await told.logout_notices.settle(third)
    assert await due(told, 9999.0) == ()


async def test_only_so_many_are_taken_at_a_time(told):
    for number in range(3):
        session = replace(SESSION, id=new_id(), cookie_digest=str(number) * 64)
        grant = replace(
            GRANT, id=new_id(), authentication=replace(GRANT.authentication, session_id=session.id)
        )
        await told.sessions.add_session(session)
        await told.codes.add_code(replace(CODE, digest=f"{number}a" * 32, grant_id=grant.id), grant)
        await told.sessions.end_session(session.id, 500.0)
    assert [len(await due(told, most=2)) for _ in range(3)] == [2, 1, 0]


async def test_an_environment_takes_its_notices_with_it(told):
    await sign_off(told)
    rows = await told.directory_rows.load()
    await change(told, *(Remove(row) for row in rows.environments))
    assert await due(told) == ()
