"""What is bound to a key, by each grant, and that nobody without the key gets anything of it (RFC 9449)."""

import itertools

import pytest

from deputize.jose import Verifier
from deputize.oauth.dpop import Proof
from deputize.oauth.errors import ExchangeRefused, InvalidDPoPProof, InvalidGrant
from deputize.oauth.introspection import find_live_token, introspection_response
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE_ID,
    ENVIRONMENT,
    NOW,
    OTHER,
    OTHER_ID,
    TEST,
    World,
    attribute,
    with_agent,
    with_resource,
)
from support.records import replace

MINE, THEIRS = "m" * 43, "t" * 43
PUBLIC = with_agent(ENVIRONMENT, replace(AGENT, client_auth="none"))
_ids = itertools.count()


def prove(world, key=MINE):
    """Have the next request prove `key`; `None`: nothing."""
    world.proof = key and Proof(key, f"j{next(_ids)}", NOW + 120, None)


async def signed_on(world, key=MINE, **changes):
    prove(world, key)
    return await world.sign_on(**changes)


async def refused(attempt, kind=InvalidGrant):
    with pytest.raises(kind) as caught:
        await attempt
    assert caught.value.description == kind.public
    return caught.value.detail


def bound_to(response):
    return response.claims.get("cnf")


async def test_a_token_is_bound_to_the_key_that_its_request_proves_by_every_grant():
    world = World()
    user = await signed_on(world)
    prove(world)
    refreshed = await world.refresh(user.refresh_token)
    prove(world)
    own = await world.ask({"grant_type": "client_credentials", "scope": "agent"})
    prove(world)
    exchanged = await world.exchange(refreshed.access_token, own.access_token)
    for response in (user, refreshed, own, exchanged):
        assert bound_to(response) == {"jkt": MINE}
        verified = Verifier().verify(response.access_token, ENVIRONMENT.keys, ENVIRONMENT.issuer, NOW)
        assert verified["cnf"] == {"jkt": MINE}
    assert exchanged.claims["act"] == {"sub": AGENT_ID}


async def test_without_a_proof_nothing_is_bound():
    world = World()
    user = await signed_on(world, None)
    assert bound_to(user) is bound_to(await world.refresh(user.refresh_token)) is None


async def test_no_mapping_says_what_a_token_is_bound_to():
    resource = ENVIRONMENT.resources[AGENT_RESOURCE_ID]
    lying = replace(resource, attributes=(*resource.attributes, attribute("cnf", '{"jkt": "x"}')))
    world = World(with_resource(ENVIRONMENT, lying))
    assert bound_to(await signed_on(world, None)) is None
    assert bound_to(await signed_on(world, MINE, value="another code")) == {"jkt": MINE}


async def test_introspection_says_what_a_token_is_bound_to():
    world = World()
    for key, kind in ((MINE, "DPoP"), (None, "Bearer")):
        token = (await signed_on(world, key, value=f"code {kind}")).access_token
        found = await find_live_token(world.environment, token, world.store, Verifier(), world.now)
        told, _ = introspection_response(world.environment, AGENT, found)
        assert (told["active"], told["token_type"], told.get("cnf")) == (True, kind, key and {"jkt": key})


@pytest.mark.parametrize("key", [None, THEIRS])
async def test_a_code_that_names_a_key_is_redeemed_with_that_key_only(key):
    world = World()
    await world.add_code(dpop_jkt=MINE)
    prove(world, key)
    assert "the code is bound to a key" in await refused(world.redeem())
    prove(world)  # who lacks the key has not spent the code
    assert bound_to(await world.redeem()) == {"jkt": MINE}


@pytest.mark.parametrize("key", [None, THEIRS])
async def test_a_public_clients_refresh_token_is_worth_nothing_without_its_key(key):
    world = World(PUBLIC)
    stolen = (await signed_on(world)).refresh_token
    prove(world, key)
    assert "the refresh token is bound to a key" in await refused(world.refresh(stolen))
    prove(world)
    successor = await world.refresh(stolen)
    prove(world, key)
    assert "bound to a key" in await refused(world.refresh(stolen))  # within the grace window too
    assert "bound to a key" in await refused(world.refresh(successor.refresh_token))
    prove(world)
    assert bound_to(await world.refresh(successor.refresh_token)) == {"jkt": MINE}


async def test_a_public_clients_first_proof_binds_the_refresh_tokens_from_then_on():
    world = World(PUBLIC)
    first = await signed_on(world, None)
    prove(world)
    second = await world.refresh(first.refresh_token)
    prove(world, THEIRS)
    assert "bound to a key" in await refused(world.refresh(second.refresh_token))
    assert "bound to a key" in await refused(world.refresh(first.refresh_token))


async def test_a_confidential_clients_refresh_token_is_bound_to_the_client_not_to_a_key():
    world = World()
    first = await signed_on(world)
    prove(world, THEIRS)
    second = await world.refresh(first.refresh_token)
    assert bound_to(second) == {"jkt": THEIRS}


@pytest.mark.parametrize("environment", [ENVIRONMENT, PUBLIC])
async def test_an_agent_may_be_held_to_prove_a_key_each_time(environment):
    agent = replace(environment.agents[AGENT_ID], dpop_bound_access_tokens=True)
    world = World(with_agent(environment, agent))
    await world.add_code()
    prove(world, None)
    assert "has to prove a key" in await refused(world.redeem(), InvalidDPoPProof)
    prove(world)
    user = await world.redeem()  # the refusal has spent nothing
    prove(world, None)
    wanted = InvalidGrant if agent.settings.client_auth == "none" else InvalidDPoPProof
    await refused(world.refresh(user.refresh_token), wanted)
    if wanted is InvalidDPoPProof:
        request = {"grant_type": "client_credentials", "scope": "agent"}
        await refused(world.ask(request), InvalidDPoPProof)


@pytest.mark.parametrize("key", [None, THEIRS])
async def test_an_agents_own_bound_tokens_are_exchanged_with_their_key_only(key):
    world = World()
    subject = (await signed_on(world)).access_token
    prove(world, None)
    free_actor = await world.actor_token()
    prove(world)
    bound_actor = await world.actor_token()
    free_subject = (await signed_on(world, None, value="another code")).access_token
    for pair in ((subject, free_actor), (free_subject, bound_actor), (subject, bound_actor)):
        prove(world, key)
        assert "bound to a key" in await refused(world.exchange(*pair), ExchangeRefused)
        prove(world)
        assert bound_to(await world.exchange(*pair)) == {"jkt": MINE}


async def test_whoever_may_act_with_another_clients_token_need_not_have_its_key():
    world = World(with_agent(ENVIRONMENT, OTHER))
    # A resource got the token from its holder, proof and all; it is an agent as well, and may act.
    token = (await signed_on(world)).access_token
    prove(world, None)
    actor = await world.actor_token(OTHER_ID)
    await refused(world.exchange(token, actor, OTHER_ID), ExchangeRefused)  # may_act names the first agent
    may = replace(
        ENVIRONMENT.resources[AGENT_RESOURCE_ID],
        attributes=(attribute("sub", "user.username"), attribute("may_act", f'{{"sub": "{OTHER_ID}"}}')),
    )
    world = World(with_resource(ENVIRONMENT, may))
    token = (await signed_on(world)).access_token
    prove(world, None)
    actor = await world.actor_token(OTHER_ID)
    exchanged = await world.exchange(token, actor, OTHER_ID)
    assert (exchanged.claims["act"], bound_to(exchanged)) == ({"sub": OTHER_ID}, None)
    prove(world, THEIRS)
    again = await world.exchange(token, actor, OTHER_ID)
    assert bound_to(again) == {"jkt": THEIRS}


async def test_a_sign_on_in_one_step_yields_a_delegated_token_bound_to_the_key():
    world = World()
    delegated = {"delegated_resource_id": TEST.id, "delegated_scopes": ("test",)}
    prove(world)
    response = await world.sign_on(**delegated)
    assert (response.claims["act"], bound_to(response)) == ({"sub": AGENT_ID}, {"jkt": MINE})
    prove(world)
    refreshed = await world.refresh(response.refresh_token)
    assert (refreshed.claims["act"], bound_to(refreshed)) == ({"sub": AGENT_ID}, {"jkt": MINE})


async def test_a_proof_counts_once_and_only_where_the_request_is_answered():
    world = World()
    prove(world)
    request = {"grant_type": "client_credentials", "scope": "agent"}
    await refused(world.redeem("no code"), InvalidGrant)
    assert not world.store.used
    await world.ask(request)
    assert "used before" in await refused(world.ask(request), InvalidDPoPProof)
    assert world.store.used == {(ENVIRONMENT.id, "dpop", world.proof.id_digest)}
