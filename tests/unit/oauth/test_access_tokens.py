from dataclasses import replace

import pytest

from deputize.jose import TokenInvalid, sign, verify
from deputize.oauth.access_tokens import LiveToken, find_live_token, issue_access_token
from deputize.oauth.claims import Issue
from deputize.oauth.errors import ExchangeRefused, InvalidGrant
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
    refused = InvalidGrant if issue.subject is None else ExchangeRefused
    with pytest.raises(refused) as caught:
        issue_access_token(issue)
    assert caught.value.description == refused.public
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
    signing_on = replace(
        EXCHANGE, resource=replace(AGENT_RESOURCE, delegation_required=True), subject=None, actor=None
    )
    assert "requires delegation: 'agent' has no mapping for act" in refusal(signing_on)


FAIL_OPEN = replace(TEST, delegation_required=False)
MINE = {"sub": "demouser", "client_id": AGENT_ID}


def test_without_the_requirement_a_mapping_that_yields_nothing_still_gives_no_token_about_a_user():
    detail = refusal(replace(EXCHANGE, resource=FAIL_OPEN, subject=MINE))
    assert "'test' does not allow impersonation" in detail
    assert "left is missing" in detail


def test_a_resource_that_allows_impersonation_gets_the_compatible_token_and_it_is_noted():
    access = issue_access_token(
        replace(EXCHANGE, resource=replace(FAIL_OPEN, impersonation_allowed=True), subject=MINE)
    )
    assert "act" not in access.claims
    assert "act yields nothing" in access.notes[0]


@pytest.mark.parametrize("actor", [None, {"client_id": AGENT_ID}])
def test_a_resource_that_maps_no_act_gets_the_client_as_its_actor(actor):
    plain = replace(AGENT_RESOURCE, attributes=())
    for required in (True, False):
        exchange = replace(EXCHANGE, resource=replace(plain, delegation_required=required), actor=actor)
        assert issue_access_token(replace(exchange, subject=MINE)).claims["act"] == {"sub": AGENT_ID}
        before = {**MINE, "act": {"sub": OTHER_ID}}
        assert issue_access_token(replace(exchange, subject=before)).claims["act"] == {
            "sub": AGENT_ID,
            "act": {"sub": OTHER_ID},
        }
        assert "belongs to another client" in refusal(
            replace(exchange, subject={"sub": "demouser", "client_id": OTHER_ID})
        )


def test_nobody_acts_where_no_user_is_behind_the_token_or_nothing_was_exchanged():
    plain = replace(AGENT_RESOURCE, attributes=())
    assert (
        "act"
        not in issue_access_token(replace(EXCHANGE, resource=plain, authentication=None, subject=MINE)).claims
    )
    assert "act" not in issue_access_token(replace(EXCHANGE, resource=plain, subject=None, actor=None)).claims


def test_nor_where_impersonation_is_allowed_by_name():
    plain = replace(AGENT_RESOURCE, attributes=(), impersonation_allowed=True)
    assert "act" not in issue_access_token(replace(EXCHANGE, resource=plain, subject=MINE)).claims


@pytest.mark.parametrize(
    "expression", [f"{{'sub': '{OTHER_ID}'}}", "'text'", "{'x': 1}", "#root.context.requestData.subjectToken"]
)
def test_a_mapping_cannot_name_another_actor(expression):
    refusal(replace(EXCHANGE, resource=replace(TEST, attributes=(attribute("act", expression),))))


def test_no_grant_without_actor_token_carries_act():
    literal = replace(AGENT_RESOURCE, attributes=(attribute("act", f"{{'sub': '{AGENT_ID}'}}"),))
    assert "nobody proved to be the actor" in refusal(
        replace(EXCHANGE, resource=literal, subject=None, actor=None)
    )
    assert "nobody proved to be the actor" in refusal(replace(EXCHANGE, resource=literal, actor=None))


async def find(world, token):
    return await find_live_token(world.environment, token, world.store, world.ports.verifier, world.now)


async def test_a_live_token_is_found_with_its_standing():
    world = World()
    token = await world.sign_on()
    found = await find(world, token.access_token)
    assert isinstance(found, LiveToken)
    assert found.claims == token.claims
    assert found.state.user.username == "demouser"


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
