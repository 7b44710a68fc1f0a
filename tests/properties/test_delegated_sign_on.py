"""One step or two: what a sign-on for a resource that requires delegation yields is what an exchange yields.

The same agent, once as a public client that knows no exchange, once confidential and with token exchange:
whatever the one gets the other gets, claim by claim, and it ends by the same events.
"""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.oauth.errors import OAuthError
from deputize.oauth.introspection import LiveToken, find_live_token
from deputize.oauth.lineage import parse_jti
from deputize.oauth.records.directory import Scope
from deputize.oauth.resources import choose_target
from support.agent_delegation import (
    ACT,
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    AGENT_RESOURCE_ID,
    CHAINED_ACT,
    CODE,
    CONSENT,
    ENVIRONMENT,
    ISSUER,
    MAY_ACT,
    OTHER_ID,
    POLICY,
    SESSION_ID,
    SUBJECT_SUB,
    TEST,
    TEST_AUDIENCE,
    TEST_ID,
    USER_ID,
    World,
    attribute,
    grant_id_of,
    with_agent,
    with_resource,
)
from support.examples import examples
from support.records import replace

PUBLIC = frozenset({"authorization_code", "refresh_token"})
REQUEST = "#root.context.requestData"
ACTS = [
    ACT,
    CHAINED_ACT,
    "null",
    f"{REQUEST}.subjectToken.may_act",
    f'{{"sub": {REQUEST}.actorToken.client_id}}',
    f'{{"sub": {REQUEST}.actorToken.client_id, "for": {REQUEST}.actorToken.scope}}',
    f'{REQUEST}.scope == "test" ? {{"sub": #root.context.appConfig.clientId}} : null',
    f'{REQUEST}.subjectToken.scope == "agent" ? {{"sub": {REQUEST}.actorToken.client_id}} : null',
    f'{{"sub": "{OTHER_ID}"}}',
    "'text'",
    "1 + null",
]
MAY_ACTS = [MAY_ACT, f'{{"sub": "{OTHER_ID}"}}', f'{{"sub": "{AGENT_ID}", "n": 1.0}}', "null", '"text"']
SUBS = [SUBJECT_SUB, "user.id", "user.username", f"{REQUEST}.actorToken.client_id"]
TEST_SCOPES = {"test": Scope(), "read": Scope(), "pay": Scope("", "on_use")}
AGENT_SCOPES = {"agent": Scope(), "more": Scope(), "rare": Scope("", "on_use")}


def often(likely, other):
    return st.integers(0, 3).flatmap(lambda n: other if n == 0 else st.just(likely))


def subsets(names, likely):
    return often(frozenset(likely), st.frozensets(st.sampled_from(sorted(names))))


@st.composite
def cases(draw):
    """An environment, what is asked for, and what the user agreed to."""
    act, may_act = (
        draw(often(ACT, st.none() | st.sampled_from(ACTS))),
        draw(often(MAY_ACT, st.sampled_from(MAY_ACTS))),
    )
    required = draw(often(False, st.just(True)))
    test = replace(
        TEST,
        attributes=(
            attribute("sub", draw(st.sampled_from(SUBS))),
            *(() if act is None else (attribute("act", act),)),
            attribute("tenant", f"{REQUEST}.subjectToken.tenant"),
            attribute(
                "asked", f"{{{REQUEST}.scope, {REQUEST}.subjectToken.asked, {REQUEST}.actorToken.asked}}"
            ),
        ),
        scopes=TEST_SCOPES,
        impersonation_allowed=draw(st.booleans()),
        may_outlive_subject=draw(st.booleans()),
        token_lifetime=draw(st.integers(60, 7200)),
    )
    signed_on_for = replace(
        AGENT_RESOURCE,
        attributes=(
            attribute("sub", draw(st.sampled_from(["user.username", "user.id"]))),
            attribute("may_act", may_act),
            attribute("asked", f"{{{REQUEST}.scope, {REQUEST}.grantType}}"),
            attribute("tenant", draw(st.sampled_from(['{"n": 1.0, "of": {"a": -0.0}}', "user.email"]))),
            *((attribute("gone", "user.gone", required=True),) if required else ()),
        ),
        scopes=AGENT_SCOPES,
        token_lifetime=draw(st.integers(60, 7200)),
    )
    agent = replace(
        AGENT,
        scopes={
            TEST_ID: draw(subsets(TEST_SCOPES, {"test", "read", "pay"})),
            AGENT_RESOURCE_ID: draw(subsets(AGENT_SCOPES, {"agent"})),
        },
        delegation_resource=draw(st.sampled_from([None, AGENT_RESOURCE_ID])),
    )
    environment = with_agent(with_resource(with_resource(ENVIRONMENT, test), signed_on_for), agent)
    asked = draw(st.lists(st.sampled_from([*TEST_SCOPES, *TEST_SCOPES, "agent"]), max_size=2, unique=True))
    covers = draw(subsets(TEST_SCOPES, TEST_SCOPES))
    return environment, agent, tuple(asked), draw(st.booleans()), tuple(covers)


def world_of(environment, covers):
    world = World(environment)
    world.store.consents[CONSENT.id] = replace(CONSENT, covers={AGENT_ID: {TEST_ID: covers}})
    return world


async def authorize(world, parameters):
    """What the authorization endpoint does when the user agreed: a code and its grant."""
    target = choose_target(
        world.environment, world.environment.agents[AGENT_ID], parameters, user_present=True
    )
    signed_on_for = target.signed_on_for
    await world.add_code(
        resource_id=signed_on_for.resource.id,
        scopes=signed_on_for.requested,
        delegated_resource_id=target.resource.id if target.subject else None,
        delegated_scopes=target.scopes if target.subject else (),
    )
    return target


async def in_one_step(case):
    environment, agent, asked, openid, covers = case
    world = world_of(with_agent(environment, replace(agent, grant_types=PUBLIC)), covers)
    scope = " ".join([*(["openid"] if openid else []), *asked])
    parameters = {"resource": TEST_AUDIENCE, **({"scope": scope} if scope else {})}
    try:
        await authorize(world, parameters)
        return world, await world.redeem()
    except OAuthError:
        return world, None


async def in_two_steps(case):
    environment, agent, asked, openid, covers = case
    world = world_of(environment, covers)
    own = [
        name
        for name, scope in AGENT_SCOPES.items()
        if name in agent.scopes[AGENT_RESOURCE_ID] and scope.consent == "first"
    ]
    try:
        scope = " ".join([*(["openid"] if openid else []), *own])
        await authorize(world, {"resource": AGENT_RESOURCE.audience, **({"scope": scope} if own else {})})
        signed_on = await world.redeem()
        return world, signed_on, await exchange(world, signed_on, asked)
    except OAuthError:
        return world, None, None


async def exchange(world, signed_on, asked):
    """The exchange for what was asked for, or for what is meant by asking for nothing."""
    agent = world.environment.agents[AGENT_ID]
    meant = choose_target(
        world.environment,
        agent,
        {"resource": TEST_AUDIENCE, **({"scope": " ".join(asked)} if asked else {})},
        carries_act=True,
    )
    actor = await world.ask(
        {
            "grant_type": "client_credentials",
            "resource": AGENT_RESOURCE.audience,
            "scope": " ".join(choose_target(world.environment, agent, {"resource": "agent"}).scopes),
        }
    )
    return await world.exchange(
        signed_on.access_token, actor.access_token, scope=" ".join(meant.scopes), resource=TEST_AUDIENCE
    )


def comparable(claims):
    """The claims, with those terms of the `jti` that tell what the token rests on."""
    lineage = parse_jti(claims["jti"])
    return {**claims, "jti": (lineage.grant_id, lineage.terms, lineage.resource_terms)}


def events(world):
    """Everything that can end a token, by name: what becomes of the world."""
    environment, store = world.environment, world.store
    agent, grant_id = environment.agents[AGENT_ID], grant_id_of(CODE)
    test, own = environment.resources[TEST_ID], environment.resources[AGENT_RESOURCE_ID]

    def configured(**changes):
        world.environment = replace(environment, **changes)

    def kept(table, key, **changes):
        table[key] = replace(table[key], **changes)

    return {
        "nothing": lambda: None,
        "withdrawn": lambda: kept(store.consents, CONSENT.id, withdrawn_at=world.now),
        "agreed anew": lambda: store.consents.__setitem__(CONSENT.id, replace(CONSENT, id="another")),
        "signed off": lambda: kept(store.sessions, SESSION_ID, ended_at=world.now),
        "user disabled": lambda: kept(store.users, USER_ID, enabled=False),
        "another password": lambda: kept(store.users, USER_ID, term="u-term-9"),
        "refresh token revoked": lambda: kept(store.grants, grant_id, ended_at=world.now),
        "agent disabled": lambda: configured(agents={AGENT_ID: replace(agent, enabled=False)}),
        "agent anew": lambda: configured(agents={AGENT_ID: replace(agent, term="a-term-9")}),
        "resource anew": lambda: configured(
            resources={**environment.resources, TEST_ID: replace(test, term="r-term-9")}
        ),
        "delegation resource anew": lambda: configured(
            resources={**environment.resources, AGENT_RESOURCE_ID: replace(own, term="r-term-9")}
        ),
        "scopes lost": lambda: configured(
            agents={AGENT_ID: replace(agent, scopes={**agent.scopes, TEST_ID: frozenset()})}
        ),
        "delegation scopes lost": lambda: configured(
            agents={AGENT_ID: replace(agent, scopes={**agent.scopes, AGENT_RESOURCE_ID: frozenset()})}
        ),
        "policy anew": lambda: configured(policies={POLICY.name: replace(POLICY, term="p-term-9")}),
        "expired": lambda: setattr(world, "now", world.now + 7201),
    }


async def is_active(world, token):
    found = await find_live_token(world.environment, token, world.store, world.ports.verifier, world.now)
    return isinstance(found, LiveToken)


async def renewed(world, signed_on, asked=None):
    """What a refresh yields now, in two steps where `asked` says what is exchanged for."""
    try:
        again = await world.refresh(signed_on.refresh_token)
        return again if asked is None else await exchange(world, again, asked)
    except OAuthError:
        return None


@settings(max_examples=examples(250), deadline=None)
@given(cases(), st.sampled_from(sorted(events(World()))))
def test_one_step_and_two_give_the_same_token_and_it_ends_by_the_same_events(case, event):
    asyncio.run(compare(case, event))


async def compare(case, event):
    one, delegated = await in_one_step(case)
    two, signed_on, exchanged = await in_two_steps(case)
    assert (delegated is None) == (exchanged is None)
    if delegated is None:
        return
    claims = comparable(delegated.claims)
    assert claims == comparable(exchanged.claims)
    assert claims["iss"] == ISSUER
    assert (delegated.claims["act"]["sub"], delegated.claims["client_id"]) == (AGENT_ID, AGENT_ID)
    assert set(delegated.claims["scope"].split()) <= set(case[4])
    assert delegated.expires_in == exchanged.expires_in
    assert (delegated.id_token is None) == (signed_on.id_token is None)
    for world in (one, two):
        events(world)[event]()
    assert await is_active(one, delegated.access_token) == await is_active(two, exchanged.access_token)
    assert (event == "nothing") <= await is_active(one, delegated.access_token)
    again = await renewed(one, delegated), await renewed(two, signed_on, case[2])
    assert (again[0] is None) == (again[1] is None)
    if again[0] is not None:
        assert comparable(again[0].claims) == comparable(again[1].claims)
