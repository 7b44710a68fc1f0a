from dataclasses import replace

import pytest

from deputize.jose import ID_TOKEN_TYPE, verify
from deputize.oauth.errors import InvalidGrant, InvalidRequest, InvalidScope, InvalidTarget
from deputize.oauth.grants.authorization_code import challenge_of, is_challenge, verifies
from deputize.oauth.introspection import LiveToken, find_live_token
from deputize.oauth.records.directory import Scope
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    AGENT_RESOURCE_ID,
    CODE,
    ENVIRONMENT,
    ISSUER,
    KEYS,
    OTHER_ID,
    SESSION_ID,
    TEST_ID,
    USER_ID,
    World,
    code_request,
    derive,
    grant_id_of,
    with_agent,
    with_resource,
)


async def is_live(world, token):
    return isinstance(
        await find_live_token(world.environment, token, world.store, world.ports.verifier, world.now),
        LiveToken,
    )


async def refused(world, client_id=AGENT_ID, **changes):
    with pytest.raises(InvalidGrant) as caught:
        await world.redeem(client_id=client_id, **changes)
    assert caught.value.description == InvalidGrant.public
    return caught.value.detail


async def test_the_subject_token():
    response = await World().sign_on()
    assert response.claims["sub"] == "demouser"
    assert response.claims["may_act"] == {"sub": AGENT_ID}
    assert response.claims["scope"] == response.scope == "agent"
    assert response.refresh_token == derive(grant_id_of(), 1)
    assert response.id_token is None


async def test_openid_scopes_give_an_id_token_but_are_not_in_a_resource_s_token():
    response = await World().sign_on(scopes=("openid", "email", "agent"), nonce="n-1")
    assert response.claims["scope"] == "agent"
    assert response.scope == "openid email agent"
    claims = verify(response.id_token, KEYS, ISSUER, response.claims["iat"], ID_TOKEN_TYPE)
    assert (claims["sub"], claims["nonce"], claims["aud"], claims["email"]) == (
        USER_ID,
        "n-1",
        AGENT_ID,
        "demo@example.com",
    )


async def test_openid_scopes_alone_give_a_token_for_the_authority():
    response = await World().sign_on(scopes=("openid", "profile"), resource_id=None)
    assert response.claims["aud"] == [ISSUER]
    assert response.claims["scope"] == "openid profile"
    assert response.claims["sub"] == USER_ID


async def test_without_the_refresh_grant_there_is_no_refresh_token():
    world = World(with_agent(ENVIRONMENT, replace(AGENT, grant_types=AGENT.grant_types - {"refresh_token"})))
    assert (await world.sign_on()).refresh_token is None
    assert world.store.refresh_tokens == {}


async def test_a_second_redemption_is_refused_and_ends_everything_from_the_first():
    world = World()
    first = await world.sign_on()
    assert await is_live(world, first.access_token)
    assert "redeemed before" in await refused(world)
    assert not await is_live(world, first.access_token)
    with pytest.raises(InvalidGrant, match="ended"):
        await world.refresh(first.refresh_token)


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "another"},
        {"redirect_uri": "http://localhost:3001/callback"},
        {"code_verifier": "x" * 43},
        {"code_verifier": "short"},
    ],
)
async def test_who_cannot_prove_it_neither_gets_a_token_nor_spends_the_code(changes):
    world = World()
    await world.add_code()
    await refused(world, **changes)
    assert await world.redeem()


async def test_another_client_neither_gets_a_token_nor_spends_the_code():
    world = World()
    await world.add_code()
    assert "another client" in await refused(world, OTHER_ID)
    assert await world.redeem()


async def test_another_environment_knows_no_such_code():
    world = World()
    await world.add_code(environment_id="another")
    assert "the grant is gone" in await refused(world)


async def test_a_code_expires():
    world = World()
    await world.add_code()
    world.now += 60
    assert "expired" in await refused(world)


async def test_a_replay_after_the_expiry_ends_everything_from_the_first_redemption_too():
    world = World()
    first = await world.sign_on()
    world.now += 60
    assert "expired" in await refused(world)
    assert not await is_live(world, first.access_token)
    with pytest.raises(InvalidGrant, match="ended"):
        await world.refresh(first.refresh_token)


async def test_a_late_replay_by_who_cannot_prove_it_ends_nothing():
    world = World()
    first = await world.sign_on()
    world.now += 60
    await refused(world, code_verifier="x" * 43)
    await refused(world, OTHER_ID)
    assert await is_live(world, first.access_token)


@pytest.mark.parametrize("name", ["code", "redirect_uri", "code_verifier"])
async def test_every_parameter_is_needed(name):
    world = World()
    await world.add_code()
    with pytest.raises(InvalidRequest, match=f"{name} is missing"):
        await world.ask({key: value for key, value in code_request().items() if key != name})


async def test_a_repeated_resource_must_be_the_authorized_one():
    world = World()
    await world.add_code()
    with pytest.raises(InvalidTarget):
        await world.redeem(resource="https://other.example")
    with pytest.raises(InvalidTarget):
        await world.redeem(resource="agent\nhttps://other.example")
    assert await world.redeem(resource="agent")


async def test_the_authorized_resource_may_be_spelled_in_any_equal_way():
    world = World(with_resource(ENVIRONMENT, replace(AGENT_RESOURCE, audience="https://agent.example.com")))
    await world.add_code()
    assert await world.redeem(resource="HTTPS://agent.example.com:443/")


async def test_the_sign_on_must_still_stand():
    world = World()
    await world.add_code()
    world.store.sessions[SESSION_ID] = replace(world.store.sessions[SESSION_ID], ended_at=world.now)
    assert "session" in await refused(world)
    world.store.sessions.clear()
    world.store.users.clear()
    assert "user" in await refused(world)


async def test_the_consent_must_still_stand():
    world = World()
    await world.add_code()
    world.store.consents.clear()
    assert "consent" in await refused(world)


async def test_a_resource_removed_meanwhile():
    world = World(replace(ENVIRONMENT, resources={}))
    await world.add_code()
    assert "resource that the user signed on for is gone" in await refused(world)


async def test_scopes_taken_away_meanwhile_are_left_out():
    wide = replace(AGENT_RESOURCE, scopes={"agent": Scope(), "more": Scope()})
    world = World(with_resource(ENVIRONMENT, wide))
    assert (await world.sign_on(scopes=("agent", "more"))).scope == "agent"
    world.environment = with_agent(ENVIRONMENT, replace(AGENT, scopes={TEST_ID: frozenset({"test"})}))
    with pytest.raises(InvalidScope, match="still granted"):
        await world.sign_on("second")


async def test_a_resource_that_requires_delegation_by_now_gets_no_token():
    world = World(with_resource(ENVIRONMENT, replace(AGENT_RESOURCE, delegation_required=True)))
    await world.add_code()
    assert "requires delegation" in await refused(world)
    assert CODE not in world.store.redeemed
    assert world.environment.resources[AGENT_RESOURCE_ID].delegation_required


# RFC 7636 appendix B
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_vector_of_the_specification():
    assert challenge_of(VERIFIER) == CHALLENGE
    assert verifies(VERIFIER, CHALLENGE)


def test_plain_does_not_verify():
    assert not verifies(CHALLENGE, CHALLENGE)


@pytest.mark.parametrize(
    "verifier",
    ["", "x" * 42, "x" * 129, VERIFIER + "\n", VERIFIER[:-1] + "é", VERIFIER[:-1] + " ", VERIFIER + "="],
)
def test_malformed_verifiers_verify_nothing(verifier):
    assert not verifies(verifier, CHALLENGE)


@pytest.mark.parametrize(
    ("text", "fits"),
    [(CHALLENGE, True), (CHALLENGE + "=", False), (CHALLENGE[:-1], False), ("", False), ("+" * 43, False)],
)
def test_a_challenge_is_the_base64url_of_a_sha256(text, fits):
    assert is_challenge(text) is fits
