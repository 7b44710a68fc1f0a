import asyncio

import pytest

from deputize.jose import ID_TOKEN_TYPE, verify
from deputize.oauth.errors import InvalidGrant, InvalidScope, InvalidTarget
from deputize.oauth.introspection import LiveToken, find_live_token
from deputize.oauth.records.directory import Scope
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    AGENT_RESOURCE_ID,
    ENVIRONMENT,
    ISSUER,
    KEYS,
    OTHER_ID,
    SESSION_ID,
    World,
    grant_id_of,
    with_agent,
    with_resource,
)
from support.records import replace

DAY = 86400


async def refused(world, value, client_id=AGENT_ID, **extra):
    with pytest.raises(InvalidGrant) as caught:
        await world.refresh(value, client_id, **extra)
    assert caught.value.description == InvalidGrant.public
    return caught.value.detail


async def is_live(world, token):
    return isinstance(
        await find_live_token(world.environment, token, world.store, world.ports.verifier, world.now),
        LiveToken,
    )


async def test_rotates_with_every_use():
    world = World()
    first = await world.sign_on()
    second = await world.refresh(first.refresh_token)
    third = await world.refresh(second.refresh_token)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert len({each.claims["jti"] for each in (first, second, third)}) == 3
    assert third.claims["may_act"] == {"sub": AGENT_ID}
    assert (third.claims["auth_time"], third.claims["sid"]) == (first.claims["auth_time"], SESSION_ID)


async def test_within_the_grace_window_the_previous_token_gets_the_same_successor():
    world = World()
    first = await world.sign_on()
    second = await world.refresh(first.refresh_token)
    world.now += AGENT.settings.refresh_token_grace - 1
    again = await world.refresh(first.refresh_token)
    assert again.refresh_token == second.refresh_token
    assert again.claims["jti"] != second.claims["jti"]
    assert await world.refresh(second.refresh_token)


async def test_access_tokens_given_in_the_grace_window_end_with_the_family():
    world = World()
    first = await world.sign_on()
    await world.refresh(first.refresh_token)
    again = await world.refresh(first.refresh_token)
    await world.store.end_grant(grant_id_of(), world.now)
    assert not await is_live(world, again.access_token)


async def test_after_the_grace_window_reuse_ends_the_family():
    world = World()
    first = await world.sign_on()
    second = await world.refresh(first.refresh_token)
    world.now += AGENT.settings.refresh_token_grace
    assert "after the grace window" in await refused(world, first.refresh_token)
    assert "was ended" in await refused(world, second.refresh_token)
    assert not await is_live(world, second.access_token)


async def test_an_older_token_ends_the_family_even_at_once():
    world = World()
    first = await world.sign_on()
    second = await world.refresh(first.refresh_token)
    third = await world.refresh(second.refresh_token)
    assert "spent long ago" in await refused(world, first.refresh_token)
    assert "was ended" in await refused(world, third.refresh_token)
    assert not await is_live(world, third.access_token)


async def test_without_a_grace_window_reuse_ends_the_family_at_once():
    world = World(with_agent(ENVIRONMENT, replace(AGENT, refresh_token_grace=0)))
    first = await world.sign_on()
    await world.refresh(first.refresh_token)
    assert "after the grace window" in await refused(world, first.refresh_token)


async def test_parallel_refreshes_agree_on_one_successor():
    world = World()
    first = await world.sign_on()
    world.store.gate = lambda: asyncio.sleep(0)
    answers = await asyncio.gather(*(world.refresh(first.refresh_token) for _ in range(8)))
    assert len({each.refresh_token for each in answers}) == 1
    assert len({each.claims["jti"] for each in answers}) == 8
    assert await world.refresh(answers[0].refresh_token)


async def test_another_client_gets_nothing_and_does_no_harm():
    world = World()
    first = await world.sign_on()
    assert "another client" in await refused(world, first.refresh_token, OTHER_ID)
    assert await world.refresh(first.refresh_token)


async def test_an_unknown_token():
    assert "no such refresh token" in await refused(World(), "unknown")


async def test_expires_when_unused_and_with_the_rolling_window():
    client = replace(AGENT, refresh_token_lifetime=2 * DAY, refresh_token_rolling_lifetime=3 * DAY)
    world = World(with_agent(ENVIRONMENT, client))
    session = world.store.sessions[SESSION_ID]
    world.store.sessions[SESSION_ID] = replace(session, expires_at=world.now + 365 * DAY)
    token = (await world.sign_on()).refresh_token
    world.now += 2 * DAY - 1
    token = (await world.refresh(token)).refresh_token
    world.now += DAY - 1
    token = (await world.refresh(token)).refresh_token
    world.now += 2
    assert "expired" in await refused(world, token)
    unused = (await world.sign_on("second")).refresh_token
    world.now += 2 * DAY
    assert "expired" in await refused(world, unused)


@pytest.mark.parametrize("part", ["session", "user", "consent"])
async def test_ends_with_what_it_rests_on(part):
    world = World()
    token = (await world.sign_on()).refresh_token
    {"session": world.store.sessions, "user": world.store.users, "consent": world.store.consents}[
        part
    ].clear()
    assert part in await refused(world, token)


async def test_a_mapping_or_scope_that_fails_spends_nothing():
    world = World()
    token = (await world.sign_on()).refresh_token
    with pytest.raises(InvalidScope):
        await world.refresh(token, scope="admin")
    with pytest.raises(InvalidTarget):
        await world.refresh(token, resource="https://other.example")
    assert world.store.refresh_tokens[grant_id_of()].generation == 1


async def test_scope_may_be_narrowed_for_one_access_token_and_comes_back():
    resource = replace(AGENT_RESOURCE, scopes={"agent": Scope(), "more": Scope()})
    client = replace(AGENT, scopes={AGENT_RESOURCE_ID: frozenset({"agent", "more"})})
    world = World(with_agent(with_resource(ENVIRONMENT, resource), client))
    token = (await world.sign_on(scopes=("openid", "agent", "more"))).refresh_token
    narrow = await world.refresh(token, scope="agent")
    assert (narrow.scope, narrow.claims["scope"], narrow.id_token) == ("agent", "agent", None)
    assert (await world.refresh(narrow.refresh_token)).scope == "openid agent more"
    with pytest.raises(InvalidScope, match="none of the resource's scopes"):
        await world.refresh(narrow.refresh_token, scope="openid")


async def test_scope_is_never_widened():
    world = World()
    token = (await world.sign_on()).refresh_token
    for scope in ("agent openid", "test", "agent test"):
        with pytest.raises(InvalidScope):
            await world.refresh(token, scope=scope)


async def test_an_id_token_at_refresh_has_no_nonce():
    world = World()
    token = (await world.sign_on(scopes=("openid", "agent"), nonce="n-1")).refresh_token
    response = await world.refresh(token)
    assert "nonce" not in verify(response.id_token, KEYS, ISSUER, world.now, ID_TOKEN_TYPE)


@pytest.mark.parametrize("used", ["current", "previous"])
async def test_a_grant_ended_while_it_is_refreshed_gives_no_living_token(used):
    world = World()
    previous = (await world.sign_on()).refresh_token
    current = (await world.refresh(previous)).refresh_token
    calls = 0

    async def end_before_the_write():
        nonlocal calls
        calls += 1
        if calls == 3:  # after the look-up and the state
            world.store.grants[grant_id_of()] = replace(world.store.grants[grant_id_of()], ended_at=world.now)

    world.store.gate = end_before_the_write
    if used == "current":
        assert "ended meanwhile" in await refused(world, current)
    else:
        answer = await world.refresh(previous)
        assert not await is_live(world, answer.access_token)
        assert "was ended" in await refused(world, answer.refresh_token)
