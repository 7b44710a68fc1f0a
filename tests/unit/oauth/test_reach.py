import pytest

from deputize.oauth.access_tokens import Issue
from deputize.oauth.lineage import Lineage
from deputize.oauth.reach import MAX_EXCHANGES, reach_of
from deputize.oauth.records.directory import Scope
from deputize.oauth.resources import TOKEN_EXCHANGE, choose_target
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    AGENT_RESOURCE_ID,
    ENVIRONMENT,
    NOW,
    OTHER,
    OTHER_ID,
    TEST,
    TEST_ID,
    USER,
    WHO,
    attribute,
    with_agent,
    with_resource,
)
from support.records import replace

EVERYTHING = {AGENT_RESOURCE_ID: ("agent",), TEST_ID: ("test",)}


def reach(environment=ENVIRONMENT, client=AGENT, scope="agent"):
    target = choose_target(environment, client, {"scope": scope}, user_present=True)
    issue = Issue(
        environment=environment,
        client=client,
        resource=target.signed_on_for.resource,
        scopes=target.signed_on_for.scopes,
        grant_type="authorization_code",
        now=NOW,
        expires_at=int(NOW) + 3600,
        lineage=Lineage(None, ()),
        authentication=WHO,
        user=USER,
    )
    return reach_of(issue, target)


def may_act(resource, agent_id):
    """`resource` with tokens that permit that agent alone."""
    kept = tuple(each for each in resource.attributes if each.name != "may_act")
    return replace(resource, attributes=(*kept, attribute("may_act", f'{{"sub": "{agent_id}"}}')))


def test_an_agent_reaches_what_it_asks_for_and_may_exchange_it_for():
    assert reach() == {AGENT_ID: EVERYTHING}
    assert reach(scope="openid agent") == {
        AGENT_ID: {AGENT_RESOURCE_ID: ("agent",), "": ("openid",), TEST_ID: ("test",)}
    }
    assert reach(scope="openid") == {AGENT_ID: {"": ("openid",), **EVERYTHING}}


def test_an_agent_that_may_not_exchange_reaches_what_it_asks_for():
    plain = replace(AGENT, grant_types=AGENT.grant_types - {TOKEN_EXCHANGE})
    assert reach(with_agent(ENVIRONMENT, plain), plain) == {AGENT_ID: {AGENT_RESOURCE_ID: ("agent",)}}


def test_scopes_asked_for_on_use_are_reached_when_they_are_asked_for():
    marked = with_resource(ENVIRONMENT, replace(TEST, scopes={"test": Scope(), "pay": Scope("", "on_use")}))
    agent = replace(AGENT, scopes={**AGENT.scopes, TEST_ID: frozenset({"test", "pay"})})
    assert reach(marked, agent)[AGENT_ID][TEST_ID] == ("test",)
    assert set(reach(marked, agent, "agent pay")[AGENT_ID][TEST_ID]) == {"test", "pay"}


def test_whom_the_token_permits_is_reached_with_what_they_may_obtain():
    marked = with_resource(ENVIRONMENT, replace(TEST, scopes={"test": Scope(), "pay": Scope("", "on_use")}))
    other = replace(OTHER, scopes={TEST_ID: frozenset({"test", "pay"})})
    passing = with_agent(with_resource(marked, may_act(AGENT_RESOURCE, OTHER_ID)), other)
    assert reach(passing) == {AGENT_ID: EVERYTHING, OTHER_ID: {TEST_ID: ("test",)}}


@pytest.mark.parametrize("changes", [{"enabled": False}, {"grant_types": frozenset({"client_credentials"})}])
def test_an_agent_that_could_not_exchange_is_not_passed_to(changes):
    passing = with_agent(
        with_resource(ENVIRONMENT, may_act(AGENT_RESOURCE, OTHER_ID)), replace(OTHER, **changes)
    )
    assert reach(passing) == {AGENT_ID: EVERYTHING}


def test_an_agent_without_exchange_still_passes_on():
    plain = replace(AGENT, grant_types=AGENT.grant_types - {TOKEN_EXCHANGE})
    passing = with_agent(with_resource(ENVIRONMENT, may_act(AGENT_RESOURCE, OTHER_ID)), plain)
    assert reach(passing, plain) == {AGENT_ID: {AGENT_RESOURCE_ID: ("agent",)}, OTHER_ID: EVERYTHING}


def test_whom_an_agent_permits_is_reached_as_well_and_so_on():
    third = replace(AGENT, id="third", name="third", scopes={TEST_ID: frozenset({"test"})})
    permitting = replace(AGENT, permitted_actors=(OTHER_ID,))
    environment = with_agent(with_agent(ENVIRONMENT, third), permitting)
    environment = with_agent(environment, replace(OTHER, permitted_actors=("third", "gone", AGENT_ID)))
    assert reach(environment, permitting) == {
        AGENT_ID: EVERYTHING,
        OTHER_ID: EVERYTHING,
        "third": {TEST_ID: ("test",)},
    }


def test_one_step_reaches_what_the_agent_gets_and_whom_that_may_be_passed_to():
    plain = replace(AGENT, grant_types=frozenset({"authorization_code"}))
    assert reach(with_agent(ENVIRONMENT, plain), plain, "test") == {AGENT_ID: {TEST_ID: ("test",)}}
    assert reach(scope="openid test") == {
        AGENT_ID: {TEST_ID: ("test",), "": ("openid",), AGENT_RESOURCE_ID: ("agent",)}
    }, "it may exchange what it gets"
    passing = with_agent(with_resource(ENVIRONMENT, may_act(TEST, OTHER_ID)), plain)
    assert reach(passing, plain, "test") == {AGENT_ID: {TEST_ID: ("test",)}, OTHER_ID: EVERYTHING}
    permitting = replace(plain, permitted_actors=(OTHER_ID,))
    assert OTHER_ID in reach(with_agent(ENVIRONMENT, permitting), permitting, "test")
    unseen = with_agent(with_resource(ENVIRONMENT, may_act(AGENT_RESOURCE, OTHER_ID)), plain)
    assert OTHER_ID not in reach(unseen, plain, "test"), "nobody holds the token that names it"


def chain(length):
    """Agents in a row, each of whose tokens permits the next one."""
    environment = with_resource(ENVIRONMENT, may_act(AGENT_RESOURCE, "a1"))
    for number in range(1, length + 1):
        resource = may_act(
            replace(TEST, id=f"r{number}", name=f"r{number}", audience=f"r{number}"), f"a{number + 1}"
        )
        agent = replace(AGENT, id=f"a{number}", name=f"a{number}", scopes={resource.id: frozenset({"test"})})
        environment = with_agent(with_resource(environment, resource), agent)
    return environment


def test_chains_are_followed_to_their_end():
    assert list(reach(chain(4))) == [AGENT_ID, "a1", "a2", "a3", "a4"]


def test_a_chain_is_followed_for_as_long_as_tokens_can_be_exchanged():
    assert len(reach(chain(20))) == 1 + MAX_EXCHANGES


def test_a_ring_of_agents_ends():
    ring = with_resource(
        with_resource(ENVIRONMENT, may_act(AGENT_RESOURCE, OTHER_ID)), may_act(TEST, AGENT_ID)
    )
    assert reach(ring) == {AGENT_ID: EVERYTHING, OTHER_ID: EVERYTHING}


@pytest.mark.parametrize("value", ['"text"', "{}", '{"sub": 5}', '{"sub": "nobody"}', "null"])
def test_a_may_act_that_names_nobody_passes_to_nobody(value):
    broken = replace(AGENT_RESOURCE, attributes=(attribute("may_act", value),))
    assert reach(with_resource(ENVIRONMENT, broken)) == {AGENT_ID: EVERYTHING}


def test_a_token_that_cannot_be_issued_passes_to_nobody():
    attributes = (
        attribute("may_act", f'{{"sub": "{OTHER_ID}"}}'),
        attribute("tenant", "user.tenant", required=True),
    )
    assert reach(with_resource(ENVIRONMENT, replace(AGENT_RESOURCE, attributes=attributes))) == {
        AGENT_ID: EVERYTHING
    }
