"""What *Why* says is what happens: it lets through exactly what the real exchange lets through."""

import asyncio

from hypothesis import example, given
from hypothesis import strategies as st

from deputize.authority.why import WhyQuestion, explain_decision
from deputize.oauth.errors import OAuthError
from deputize.oauth.records.settings import AgreementSettings, ResourceSettings
from support import agent_delegation as use_case
from support.agent_delegation import World, attribute, with_agent, with_resource
from support.records import replace

ASKED = WhyQuestion("MCP Tutorial", "test", "demouser", ("test",), exchanges=True)
SUBJECT = "#root.context.requestData.subjectToken"
ACTS = st.sampled_from(
    [
        None,
        use_case.ACT,
        use_case.CHAINED_ACT,
        "null",
        f"{SUBJECT}.may_act",
        "{'sub': 'x'}",
        "1 / 0",
        "'text'",
    ]
)
MAY_ACTS = st.sampled_from([None, use_case.MAY_ACT, "null", "{'sub': 'x'}", "user.nothing", "'text'"])
FLAGS = st.booleans()
AGENT_SCOPES = st.sets(st.sampled_from(["test", "other"]))


@st.composite
def worlds(draw):
    """Draw an environment and a store in which this or that is other than the use case has it."""
    world = World()
    act, may_act = draw(ACTS), draw(MAY_ACTS)
    test = replace(
        use_case.TEST,
        attributes=(attribute("act", act),) if act else (),
        delegation_required=draw(FLAGS),
        settings=ResourceSettings.model_construct(impersonation_allowed=draw(FLAGS)),
    )
    first = replace(
        use_case.AGENT_RESOURCE,
        attributes=(
            *use_case.AGENT_RESOURCE.attributes[:1],
            *([attribute("may_act", may_act)] if may_act else []),
        ),
    )
    agent = replace(
        use_case.AGENT,
        enabled=draw(st.sampled_from([True, True, False])),
        scopes={
            use_case.AGENT_RESOURCE_ID: frozenset({"agent"}),
            use_case.TEST_ID: frozenset(draw(AGENT_SCOPES)),
        },
        grant_types=use_case.ALL_GRANTS,
    )
    agreement = replace(
        use_case.AGREEMENT,
        enabled=draw(FLAGS),
        version=draw(st.integers(1, 2)),
        settings=AgreementSettings(reconsent_every=draw(st.sampled_from(["1 minute", "180 days"]))),
    )
    environment = with_resource(with_resource(world.environment, test), first)
    world.environment = replace(with_agent(environment, agent), agreements={agreement.id: agreement})
    covered = draw(
        st.sampled_from([use_case.COVERS, {use_case.AGENT_ID: {use_case.AGENT_RESOURCE_ID: ("agent",)}}])
    )
    world.store.consents[use_case.CONSENT_ID] = replace(
        use_case.CONSENT,
        covers=covered,
        withdrawn_at=draw(st.sampled_from([None, None, use_case.NOW - 1])),
    )
    world.store.users[use_case.USER_ID] = replace(
        use_case.USER, enabled=draw(st.sampled_from([True, True, False]))
    )
    return world


async def exchange_really(world) -> bool:
    try:
        issued = await world.sign_on()
        actor = await world.actor_token()
        await world.exchange(issued.access_token, actor, resource=use_case.TEST_AUDIENCE)
    except OAuthError:
        return False
    return True


@given(world=worlds())
@example(world=World())
def test_the_replay_decides_as_the_exchange_does(world):
    async def both():
        decision = await explain_decision(world.environment, world.ports, ASKED, world.now)
        return decision, await exchange_really(world)

    decision, happened = asyncio.run(both())
    assert (decision.failed is None) == happened, decision.steps[-1]
    if decision.failed:
        assert decision.failed.because
        assert decision.failed.fix
