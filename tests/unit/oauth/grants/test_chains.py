"""Agents that pass on what a user lets one of them do: who is permitted, what comes back, what a log says."""

import pytest

from deputize.oauth.errors import ExchangeRefused, InvalidScope
from deputize.oauth.introspection import LiveToken, find_live_token
from deputize.oauth.records.directory import Scope
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE_ID,
    CHAINED_ACT,
    CONSENT,
    ENVIRONMENT,
    OTHER,
    OTHER_ID,
    SUBJECT_SUB,
    TEST,
    TEST_ID,
    World,
    attribute,
    with_agent,
    with_resource,
)
from support.records import replace

THIRD_ID = "third"
ACTING = replace(TEST, attributes=(attribute("sub", SUBJECT_SUB), attribute("act", CHAINED_ACT)))
"""Whoever acts may, if permitted: the mapping leaves that to the rules."""
SECOND = replace(
    ACTING,
    id="second",
    name="second",
    audience="second",
    scopes={"second": Scope(), "more": Scope()},
    term="r-term-3",
)
SCOPES = {
    AGENT_RESOURCE_ID: frozenset({"agent"}),
    TEST_ID: frozenset({"test"}),
    "second": frozenset({"second", "more"}),
}
AGENTS = {
    AGENT_ID: replace(AGENT, scopes=SCOPES),
    OTHER_ID: replace(OTHER, scopes=SCOPES),
    THIRD_ID: replace(AGENT, id=THIRD_ID, name="Third Agent", term="c-term-1", scopes=SCOPES),
}
COVERED = {each: {TEST_ID: ("test",), "second": ("second", "more")} for each in AGENTS}


def configured(**changes):
    """The world with these members of its agents changed, by their first names."""
    environment = replace(with_resource(with_resource(ENVIRONMENT, ACTING), SECOND), agents=AGENTS)
    for name, members in changes.items():
        agent_id = {"agent": AGENT_ID, "other": OTHER_ID, "third": THIRD_ID}[name]
        environment = with_agent(environment, replace(environment.agents[agent_id], **members))
    world = World(environment)
    world.store.consents[CONSENT.id] = replace(CONSENT, covers=COVERED)
    return world


async def passed_on(world, subject, client_id, scope="second"):
    return await world.exchange(subject, await world.actor_token(client_id), client_id, scope=scope)


async def refused(world, subject, client_id, scope="second", error=ExchangeRefused):
    with pytest.raises(error) as caught:
        await passed_on(world, subject, client_id, scope)
    return caught.value.detail


async def alive(world, token):
    found = await find_live_token(world.environment, token, world.store, world.ports.verifier, world.now)
    return isinstance(found, LiveToken), getattr(found, "reason", None)


async def test_an_agent_that_is_named_nowhere_cannot_exchange_another_s_token():
    world = configured()
    subject = (await world.sign_on()).access_token
    detail = await refused(world, subject, OTHER_ID)
    assert f"may_act.sub is '{AGENT_ID}', the authenticated actor is '{OTHER_ID}'" in detail


async def test_a_permitted_actor_may_although_may_act_names_another():
    world = configured(agent={"permitted_actors": (OTHER_ID, THIRD_ID)})
    subject = (await world.sign_on()).access_token
    for client_id in (OTHER_ID, THIRD_ID):
        claims = (await passed_on(world, subject, client_id)).claims
        assert (claims["act"], claims["p1.permitted"]) == ({"sub": client_id}, [1])
    own = (await passed_on(world, subject, AGENT_ID)).claims
    assert "p1.permitted" not in own, "the token itself says that this agent may"


async def test_permission_is_for_the_tokens_that_the_agent_holds_and_no_others():
    world = configured(agent={"permitted_actors": (OTHER_ID,)})
    first = (await passed_on(world, (await world.sign_on()).access_token, OTHER_ID)).access_token
    assert "no may_act.sub" in await refused(world, first, THIRD_ID)
    theirs = (await world.sign_on("second code", OTHER_ID)).access_token
    assert "may_act.sub is" in await refused(world, theirs, THIRD_ID)


async def test_permission_is_to_act_and_neither_to_impersonate_nor_to_use_id_tokens():
    world = configured(agent={"permitted_actors": (OTHER_ID,)})
    world.environment = with_resource(
        world.environment, replace(SECOND, attributes=(attribute("act", "null"),), delegation_required=False)
    )
    answer = await world.sign_on(scopes=("openid", "agent"))
    assert "does not allow impersonation" in await refused(world, answer.access_token, OTHER_ID)
    world.environment = configured(agent={"permitted_actors": (OTHER_ID,)}).environment
    with pytest.raises(ExchangeRefused, match=r"no may_act\.sub"):
        await world.exchange(
            answer.id_token,
            await world.actor_token(OTHER_ID),
            OTHER_ID,
            scope="second",
            subject_token_type="urn:ietf:params:oauth:token-type:id_token",
        )


async def test_what_permission_gave_ends_with_it_and_with_everything_that_came_of_it():
    world = configured(agent={"permitted_actors": (OTHER_ID,)}, other={"permitted_actors": (THIRD_ID,)})
    subject = (await world.sign_on()).access_token
    second = (await passed_on(world, subject, OTHER_ID)).access_token
    third = await passed_on(world, second, THIRD_ID)
    assert third.claims["p1.permitted"] == [1, 2]
    assert (await alive(world, third.access_token))[0]
    world.environment = configured(other={"permitted_actors": (THIRD_ID,)}).environment
    for token in (second, third.access_token):
        is_alive, why = await alive(world, token)
        assert not is_alive
        assert why.endswith("'MCP Tutorial' no longer permits 'Other Agent' to act")
        assert why.startswith("hop 2 of ")
    assert (await alive(world, subject))[0]
    world.environment = configured(agent={"permitted_actors": (OTHER_ID,)}).environment
    assert (await alive(world, second))[0]
    assert "hop 3 of 3: 'Other Agent' no longer permits" in (await alive(world, third.access_token))[1]


async def test_no_agent_comes_back_into_a_chain_unless_it_may():
    permitting = {"agent": {"permitted_actors": (OTHER_ID,)}, "other": {"permitted_actors": (AGENT_ID,)}}
    world = configured(**permitting)
    subject = (await world.sign_on()).access_token
    passed = (await passed_on(world, subject, OTHER_ID)).access_token
    detail = await refused(world, passed, AGENT_ID)
    assert detail == (
        "the chain is 'MCP Tutorial' -> 'Other Agent', and 'MCP Tutorial' may not come back into it "
        "(loops_allowed on the agent)"
    )
    permitting["agent"]["loops_allowed"] = True
    world.environment = configured(**permitting).environment
    back = await passed_on(world, passed, AGENT_ID)
    assert back.claims["act"] == {"sub": AGENT_ID, "act": {"sub": OTHER_ID}}


async def test_an_agent_that_exchanges_its_own_token_again_makes_no_loop():
    plain = replace(SECOND, attributes=(), delegation_required=False)
    world = configured()
    world.environment = with_resource(world.environment, plain)
    subject = (await world.sign_on()).access_token
    first = (await passed_on(world, subject, AGENT_ID, "second more")).access_token
    assert (await passed_on(world, first, AGENT_ID)).scope == "second"


async def test_scopes_do_not_widen_by_way_of_another_resource():
    plain = replace(SECOND, attributes=(), delegation_required=False)
    world = configured()
    world.environment = with_resource(world.environment, plain)
    world.environment = with_resource(world.environment, replace(TEST, attributes=(), term=TEST.term))
    narrow = (await passed_on(world, (await world.sign_on()).access_token, AGENT_ID, "second")).access_token
    detour = (await passed_on(world, narrow, AGENT_ID, "test")).access_token
    assert (await passed_on(world, detour, AGENT_ID, "second")).scope == "second"
    assert "obtained of 'second' before" in await refused(
        world, detour, AGENT_ID, "second more", InvalidScope
    )


async def test_along_a_chain_no_token_outlives_the_one_it_came_from():
    world = configured(agent={"permitted_actors": (OTHER_ID,)})
    outliving = replace(SECOND, may_outlive_subject=True, token_lifetime=7200)
    world.environment = with_resource(world.environment, outliving)
    subject = (await world.sign_on()).access_token
    assert (await passed_on(world, subject, AGENT_ID)).expires_in == 7200
    passed = await passed_on(world, subject, OTHER_ID)
    assert passed.expires_in == 3600
    world.environment = with_resource(
        world.environment, replace(outliving, attributes=(), delegation_required=False)
    )
    assert (await passed_on(world, passed.access_token, OTHER_ID)).expires_in == 3600


async def test_the_log_names_the_hop_that_is_refused_or_ended():
    world = configured(agent={"permitted_actors": (OTHER_ID,)})
    subject = (await world.sign_on()).access_token
    passed = (await passed_on(world, subject, OTHER_ID)).access_token
    detail = await refused(world, passed, THIRD_ID)
    assert detail.startswith("hop 3: the chain is 'MCP Tutorial' -> 'Other Agent' -> 'Third Agent': ")
    silenced = replace(world.environment.agents[OTHER_ID], scopes={})
    world.environment = with_agent(world.environment, silenced)
    is_alive, why = await alive(world, passed)
    assert not is_alive
    assert why == "hop 2 of 2: ['second'] of 'second' are no longer granted to 'Other Agent'"
