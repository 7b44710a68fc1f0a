from dataclasses import replace

import pytest

from deputize.jose import TokenInvalid, sign, verify
from deputize.oauth.access_tokens import LiveToken, find_live_token, issue_access_token
from deputize.oauth.claims import Issue
from deputize.oauth.errors import InvalidGrant
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    ENVIRONMENT,
    ISSUER,
    KEYS,
    LINEAGE,
    NOW,
    OTHER_ID,
    SESSION_ID,
    TEST,
    WHO,
    World,
    attribute,
)

EXCHANGE = Issue(
    ENVIRONMENT,
    AGENT,
    TEST,
    ("test",),
    "exchange",
    NOW,
    int(NOW) + 600,
    LINEAGE,
    authentication=WHO,
    subject={"sub": "demouser", "may_act": {"sub": AGENT_ID}},
    actor={"client_id": AGENT_ID},
)


def refusal(issue):
    with pytest.raises(InvalidGrant) as caught:
        issue_access_token(issue)
    assert caught.value.description == InvalidGrant.public
    return caught.value.detail


def test_signs_what_it_says():
    access = issue_access_token(EXCHANGE)
    assert verify(access.token, KEYS, ISSUER, NOW) == access.claims
    assert access.claims["act"] == {"sub": AGENT_ID}
    assert (access.claims["jti"], access.lifetime) == (LINEAGE.jti, 600)


def test_a_resource_that_requires_delegation_gets_no_token_without_act_and_the_log_learns_why():
    detail = refusal(replace(EXCHANGE, subject={"sub": "demouser"}))
    assert "'test' requires delegation" in detail
    assert "left is missing" in detail
    assert "requires delegation: 'agent' has no mapping for act" in refusal(
        replace(EXCHANGE, resource=replace(AGENT_RESOURCE, delegation_required=True))
    )


def test_without_the_requirement_the_compatible_token_is_issued_and_noted():
    access = issue_access_token(
        replace(EXCHANGE, resource=replace(TEST, delegation_required=False), subject={"sub": "demouser", "client_id": AGENT_ID})
    )
    assert "act" not in access.claims
    assert "act yields nothing" in access.notes[0]


@pytest.mark.parametrize("expression", [f"{{'sub': '{OTHER_ID}'}}", "'text'", "{'x': 1}", "#root.context.requestData.subjectToken"])
def test_a_mapping_cannot_name_another_actor(expression):
    refusal(replace(EXCHANGE, resource=replace(TEST, attributes=(attribute("act", expression),))))


def test_no_grant_without_actor_token_carries_act():
    literal = replace(AGENT_RESOURCE, attributes=(attribute("act", f"{{'sub': '{AGENT_ID}'}}"),))
    assert "nobody proved to be the actor" in refusal(replace(EXCHANGE, resource=literal, subject=None, actor=None))
    assert "nobody proved to be the actor" in refusal(replace(EXCHANGE, resource=literal, actor=None))


async def find(world, token):
    return await find_live_token(world.environment, token, world.store, world.ports.verifier, world.now)


async def test_a_live_token_is_found_with_its_standing():
    world = World()
    token = await world.sign_on()
    found = await find(world, token.access_token)
    assert isinstance(found, LiveToken)
    assert found.claims == token.claims
    assert found.standing.user.username == "demouser"


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
