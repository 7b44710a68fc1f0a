from dataclasses import replace

import pytest

from deputize.jose import TokenInvalid, sign
from deputize.oauth.introspection import (
    LiveToken,
    find_live_token,
    introspection_refusal,
    introspection_response,
)
from deputize.oauth.records.store import TokenState
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    ENVIRONMENT,
    ISSUER,
    KEYS,
    NOW,
    OTHER,
    SESSION_ID,
    TEST,
    TEST_AUDIENCE,
    World,
)

CLAIMS = {
    "aud": [TEST_AUDIENCE],
    "client_id": AGENT_ID,
    "sub": "demouser",
    "act": {"sub": AGENT_ID},
    "scope": "test",
}
FOUND = LiveToken(CLAIMS, TokenState(None, None, None, (), frozenset()), 2000.0)


def told(environment, caller, found):
    return introspection_response(environment, caller, found)[0]


@pytest.mark.parametrize("caller", [TEST, AGENT])
def test_the_resource_and_the_client_see_every_claim(caller):
    assert told(ENVIRONMENT, caller, FOUND) == {
        **CLAIMS,
        "active": True,
        "token_type": "Bearer",
    }


@pytest.mark.parametrize("caller", [AGENT_RESOURCE, OTHER, replace(TEST, audience=TEST_AUDIENCE + "/")])
def test_others_see_nothing(caller):
    assert told(ENVIRONMENT, caller, FOUND) == {"active": False}


def test_an_agent_learns_nothing_of_tokens_for_what_it_may_not_use_any_more():
    without_scope = replace(AGENT, scopes={AGENT_RESOURCE.id: frozenset({"agent"}), TEST.id: frozenset()})
    assert told(ENVIRONMENT, without_scope, FOUND) == {"active": False}
    assert "has no scope of" in introspection_refusal(ENVIRONMENT, without_scope, FOUND)
    own = replace(FOUND, claims={**CLAIMS, "aud": [ENVIRONMENT.issuer]})
    assert told(ENVIRONMENT, without_scope, own)["active"] is True


@pytest.mark.parametrize("audience", ["https://IG.example.com:8443/mcp", "https://ig.example.com:8443/%6dcp"])
def test_a_token_issued_under_another_spelling_of_the_audience_is_the_same_resource_s(audience):
    for caller in (TEST, AGENT):
        found = replace(FOUND, claims={**CLAIMS, "aud": [audience]})
        assert told(ENVIRONMENT, caller, found)["active"] is True


def test_the_reason_is_told_to_the_operator():
    assert introspection_refusal(ENVIRONMENT, TEST, TokenInvalid("expired")) == "expired"
    assert (
        introspection_refusal(ENVIRONMENT, AGENT_RESOURCE, FOUND)
        == "it is not for the resource 'agent' that asks"
    )
    assert (
        introspection_refusal(ENVIRONMENT, OTHER, FOUND)
        == f"it was not issued to the agent {OTHER.name!r} that asks"
    )
    assert introspection_refusal(ENVIRONMENT, TEST, FOUND) is None
    assert introspection_response(ENVIRONMENT, TEST, TokenInvalid("expired"))[1] == "expired"


def test_a_dead_token_shows_nothing_not_even_why():
    assert told(ENVIRONMENT, TEST, TokenInvalid("expired")) == {"active": False}


@pytest.mark.parametrize("aud", [TEST_AUDIENCE, None, {"x": TEST_AUDIENCE}])
def test_an_audience_that_is_no_list_is_for_nobody(aud):
    assert told(ENVIRONMENT, TEST, replace(FOUND, claims={**CLAIMS, "aud": aud})) == {"active": False}


def test_a_mapped_claim_cannot_pose_as_a_member_of_the_answer():
    posing = replace(FOUND, claims={**CLAIMS, "active": False, "token_type": "N_A"})
    assert told(ENVIRONMENT, TEST, posing)["active"] is True


async def find(world, token):
    return await find_live_token(world.environment, token, world.store, world.ports.verifier, world.now)


async def test_a_live_token_is_found_with_its_state():
    world = World()
    token = await world.sign_on()
    found = await find(world, token.access_token)
    assert isinstance(found, LiveToken)
    assert found.claims == token.claims
    assert found.state.user.username == "demouser"


async def test_everything_that_a_token_came_from_is_read_at_once():
    world = World()
    subject = await world.sign_on()
    exchanged = await world.exchange(subject.access_token, await world.actor_token())
    world.store.revoked = {"unasked", subject.claims["jti"]}
    calls = world.store.calls
    assert (await find(world, exchanged.access_token)).reason == "the token, or one it came from, was revoked"
    assert world.store.calls == calls + 1


async def test_nothing_about_a_user_is_read_for_a_machine_token():
    world = World()
    assert (await find(world, await world.actor_token())).state == FOUND.state


async def test_a_dead_token_is_not_found():
    world = World()
    token = await world.sign_on()
    world.store.sessions[SESSION_ID] = replace(world.store.sessions[SESSION_ID], ended_at=world.now)
    found = await find(world, token.access_token)
    assert isinstance(found, TokenInvalid)
    assert found.reason == "the session was ended"


async def test_nothing_is_read_for_a_token_that_does_not_verify():
    world = World()
    token = (await world.sign_on()).access_token
    calls = world.store.calls
    for bad in ("", token[:-2], "opaque"):
        assert isinstance(await find(world, bad), TokenInvalid)
    world.now += 3600
    assert (await find(world, token)).reason == "expired"
    assert world.store.calls == calls


async def test_an_id_token_is_no_access_token():
    world = World()
    tokens = await world.sign_on(scopes=("openid", "agent"))
    assert isinstance(await find(world, tokens.id_token), TokenInvalid)


async def test_a_token_that_does_not_tell_what_it_rests_on_is_not_believed():
    anonymous = sign({"iss": ISSUER, "exp": int(NOW) + 60, "client_id": AGENT_ID, "sub": "demouser"}, KEYS)
    assert "rests on" in (await find(World(), anonymous)).reason
