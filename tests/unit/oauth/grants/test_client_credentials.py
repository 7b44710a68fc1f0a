import pytest

from deputize.oauth.errors import InvalidGrant, InvalidScope, InvalidTarget
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    ENVIRONMENT,
    NOW,
    TEST_AUDIENCE,
    World,
    attribute,
    with_agent,
    with_resource,
)
from support.records import replace

REQUEST = {"grant_type": "client_credentials"}


@pytest.mark.parametrize(
    "parameters", [{}, {"scope": "agent"}, {"resource": "agent"}, {"scope": "agent openid"}]
)
async def test_the_actor_token(parameters):
    world = World()
    response = await world.ask({**REQUEST, **parameters})
    assert response.claims["client_id"] == AGENT_ID
    assert (response.scope, response.expires_in) == ("agent", 3600)
    assert response.claims["exp"] - response.claims["iat"] == 3600
    assert (response.refresh_token, response.id_token) == (None, None)
    assert world.store.calls == 0


async def test_the_resource_decides_about_the_lifetime():
    world = World(with_resource(ENVIRONMENT, replace(AGENT_RESOURCE, token_lifetime=300)))
    response = await world.ask(REQUEST)
    assert (response.expires_in, response.claims["exp"]) == (300, int(NOW) + 300)


async def test_no_token_for_a_resource_that_requires_delegation():
    for parameters in ({"scope": "test"}, {"resource": TEST_AUDIENCE}):
        with pytest.raises(InvalidTarget):
            await World().ask({**REQUEST, **parameters})


async def test_no_openid_scopes_without_a_user():
    with pytest.raises(InvalidScope):
        await World().ask({**REQUEST, "scope": "openid"})


async def test_no_scopes_without_a_grant():
    with pytest.raises(InvalidScope):
        await World(with_agent(ENVIRONMENT, replace(AGENT, scopes={}))).ask(REQUEST)


async def test_a_required_claim_without_value_is_refused():
    required = replace(AGENT_RESOURCE, attributes=(attribute("sub", "user.username", required=True),))
    with pytest.raises(InvalidGrant, match="required for the Access token"):
        await World(with_resource(ENVIRONMENT, required)).ask(REQUEST)
