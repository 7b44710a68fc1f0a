"""One step: a sign-on for a resource that requires delegation yields what an exchange would."""

import pytest

from deputize.oauth.errors import InvalidGrant, InvalidScope, InvalidTarget
from deputize.oauth.introspection import LiveToken, find_live_token
from deputize.oauth.records.directory import Scope
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    AGENT_RESOURCE_ID,
    CONSENT,
    ENVIRONMENT,
    OTHER_ID,
    SUBJECT_SUB,
    TEST,
    TEST_AUDIENCE,
    TEST_ID,
    USER_ID,
    World,
    attribute,
    with_agent,
    with_resource,
)
from support.records import replace

PLAIN = replace(AGENT, grant_types=frozenset({"authorization_code", "refresh_token"}))
"""As a public client is: it can neither exchange nor have a token of its own."""
ONE_STEP = with_agent(ENVIRONMENT, PLAIN)
DELEGATED = {"delegated_resource_id": TEST_ID, "delegated_scopes": ("test",)}
OWN = {"jti", "iat", "exp"}


async def one_step(world, **changes):
    return await world.sign_on(**{**DELEGATED, **changes})


async def two_steps():
    world = World()
    return await world.exchange((await world.sign_on()).access_token, await world.actor_token())


async def refused(world, error=InvalidGrant, **changes):
    with pytest.raises(error) as caught:
        await one_step(world, **changes)
    return caught.value.detail


async def test_the_token_is_that_of_an_exchange_member_by_member():
    exchanged, response = await two_steps(), await one_step(World(ONE_STEP))
    assert response.claims.keys() == exchanged.claims.keys()
    assert {name: value for name, value in response.claims.items() if name not in OWN} == {
        name: value for name, value in exchanged.claims.items() if name not in OWN
    }
    assert (response.claims["act"], response.claims["sub"]) == ({"sub": AGENT_ID}, "demouser")
    assert response.claims["aud"] == [TEST_AUDIENCE]
    assert response.claims["jti"].count(".") == exchanged.claims["jti"].count(".") == 2
    assert (response.scope, response.issued_token_type) == ("test", None)


async def test_it_is_alive_and_dies_with_what_an_exchanged_one_dies_of():
    world = World(ONE_STEP)
    token = (await one_step(world)).access_token

    async def alive(environment=ONE_STEP):
        found = await find_live_token(environment, token, world.store, world.ports.verifier, world.now)
        return isinstance(found, LiveToken)

    assert await alive()
    for dead in (
        with_agent(ONE_STEP, replace(PLAIN, enabled=False)),
        with_agent(ONE_STEP, replace(PLAIN, scopes={AGENT_RESOURCE_ID: frozenset({"agent"})})),
        with_agent(ONE_STEP, replace(PLAIN, scopes={TEST_ID: frozenset({"test"})})),
        with_resource(ONE_STEP, replace(AGENT_RESOURCE, term="r-term-9")),
        with_resource(ONE_STEP, replace(TEST, term="r-term-9")),
    ):
        assert not await alive(dead)
    world.store.consents[CONSENT.id] = replace(CONSENT, withdrawn_at=world.now)
    assert not await alive()


async def test_a_refresh_keeps_who_acts_and_may_narrow():
    wider = replace(TEST, scopes={"test": Scope(), "read": Scope()})
    agent = replace(PLAIN, scopes={**PLAIN.scopes, TEST_ID: frozenset({"test", "read"})})
    world = World(with_agent(with_resource(ENVIRONMENT, wider), agent))
    covers = {AGENT_ID: {TEST_ID: ("test", "read")}}
    world.store.consents[CONSENT.id] = replace(CONSENT, covers=covers)
    first = await one_step(world, delegated_scopes=("test", "read"), scopes=("openid", "agent"))
    assert (first.scope, first.claims["scope"]) == ("openid test read", "test read")
    assert first.id_token is not None
    second = await world.refresh(first.refresh_token, scope="read", resource=TEST_AUDIENCE)
    assert (second.claims["scope"], second.claims["act"]) == ("read", {"sub": AGENT_ID})
    third = await world.refresh(second.refresh_token)
    assert third.claims["scope"] == "test read"
    with pytest.raises(InvalidScope):
        await world.refresh(third.refresh_token, scope="agent")
    with pytest.raises(InvalidTarget):
        await world.refresh(third.refresh_token, resource="agent")


async def test_redeeming_is_for_what_was_asked_for_and_not_for_what_was_signed_on_for():
    world = World(ONE_STEP)
    await world.add_code(**DELEGATED)
    with pytest.raises(InvalidTarget):
        await world.redeem(resource="agent")
    assert (await world.redeem(resource=TEST_AUDIENCE)).claims["aud"] == [TEST_AUDIENCE]


async def test_it_expires_with_the_subject_token_that_is_never_seen():
    short = with_resource(ONE_STEP, replace(AGENT_RESOURCE, token_lifetime=600))
    assert (await one_step(World(short))).expires_in == 600
    outliving = with_resource(short, replace(TEST, may_outlive_subject=True))
    assert (await one_step(World(outliving))).expires_in == 3600


async def test_what_the_mapping_leaves_out_is_told_by_what_of_it_was_false():
    other = replace(AGENT_RESOURCE, attributes=(attribute("may_act", f'{{"sub": "{OTHER_ID}"}}'),))
    detail = await refused(World(with_resource(ONE_STEP, other)))
    assert "the exchange that a sign-on for 'test' asks for is refused" in detail
    assert f"left is '{OTHER_ID}', right is '{AGENT_ID}'" in detail
    silent = replace(AGENT_RESOURCE, attributes=())
    assert "may_act" in await refused(World(with_resource(ONE_STEP, silent)))


async def test_no_mapping_makes_somebody_else_the_actor():
    forging = attribute("act", f'{{"sub": "{OTHER_ID}"}}')
    forged = with_resource(ONE_STEP, replace(TEST, attributes=(attribute("sub", SUBJECT_SUB), forging)))
    assert f"act.sub '{OTHER_ID}', the authenticated actor is '{AGENT_ID}'" in await refused(World(forged))


async def test_where_act_is_not_mapped_it_names_the_client():
    world = World(with_resource(ONE_STEP, replace(TEST, attributes=(TEST.attributes[0],))))
    assert (await one_step(world)).claims["act"] == {"sub": AGENT_ID}


async def test_the_actor_is_what_client_credentials_would_carry():
    mapping = attribute(
        "act",
        '#root.context.requestData.actorToken["p1.rid"] == null ? null : {"sub": '
        "#root.context.requestData.actorToken.client_id}",
    )
    world = World(with_resource(ONE_STEP, replace(TEST, attributes=(mapping,))))
    assert (await one_step(world)).claims["act"] == {"sub": AGENT_ID}
    refusing = replace(
        AGENT_RESOURCE,
        attributes=(*AGENT_RESOURCE.attributes, attribute("email", "user.email", required=True)),
    )
    assert "email is configured as required" in await refused(World(with_resource(ONE_STEP, refusing)))


async def test_the_user_s_consent_must_cover_it():
    world = World(ONE_STEP)
    world.store.consents[CONSENT.id] = replace(CONSENT, covers={AGENT_ID: {AGENT_RESOURCE_ID: ("agent",)}})
    assert "does not cover that 'MCP Tutorial' obtains ['test']" in await refused(world, InvalidScope)


async def test_a_resource_or_scopes_lost_since():
    world = World(ONE_STEP)
    first = await one_step(world)
    world.environment = with_agent(ONE_STEP, replace(PLAIN, scopes={AGENT_RESOURCE_ID: frozenset({"agent"})}))
    with pytest.raises(InvalidScope, match="'test' is still granted"):
        await world.refresh(first.refresh_token)
    world.environment = replace(ONE_STEP, resources={AGENT_RESOURCE_ID: AGENT_RESOURCE})
    with pytest.raises(InvalidGrant, match="requires delegation, is gone"):
        await world.refresh(first.refresh_token)


async def test_a_refused_exchange_spends_no_code():
    silent = with_resource(ONE_STEP, replace(AGENT_RESOURCE, attributes=()))
    world = World(silent)
    await refused(world)
    world.environment = ONE_STEP
    assert (await world.redeem()).claims["p1.userId"] == USER_ID
