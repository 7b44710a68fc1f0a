"""Whatever a mapping says and whoever asks.

An exchange narrows, and only the authenticated actor is added to a chain.
"""

import asyncio
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.expressions.mapping import compile_mapping
from deputize.jose import sign
from deputize.oauth.delegation import MAX_DEPTH, MAX_SIZE, act_refusal
from deputize.oauth.errors import OAuthError
from deputize.oauth.grants.token_exchange import ACCESS_TOKEN, ID_TOKEN
from deputize.oauth.records.directory import Attribute, Scope
from support.agent_delegation import (
    ACT,
    AGENT,
    AGENT_ID,
    CHAINED_ACT,
    ENVIRONMENT,
    ISSUER,
    KEYS,
    LINEAGE,
    NOW,
    OTHER,
    OTHER_ID,
    POLICY_NAME,
    SESSION_ID,
    SUBJECT_SUB,
    TEST,
    TEST_AUDIENCE,
    TEST_ID,
    USER_ID,
    WHO,
    World,
    grant_id_of,
    with_agent,
    with_resource,
)
from support.examples import examples
from support.records import replace

AGENTS = [AGENT_ID, OTHER_ID]
subs = st.sampled_from([*AGENTS, "stranger", "", 7, None])
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([*AGENTS, "x"])
claims_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["sub", "act", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
acts = st.recursive(
    st.none() | claims_values, lambda inner: st.fixed_dictionaries({"sub": subs, "act": inner}), max_leaves=3
)
subjects = st.fixed_dictionaries({}, optional={"act": acts, "may_act": acts})

MAPPINGS = [
    ACT,
    CHAINED_ACT,
    "null",
    "#root.context.requestData.subjectToken.may_act",
    "#root.context.requestData.subjectToken.act",
    "#root.context.requestData.subjectToken",
    '{"sub": #root.context.requestData.actorToken.client_id}',
    (
        '{"sub": #root.context.requestData.subjectToken.may_act.sub, "act": '
        "#root.context.requestData.subjectToken.act}"
    ),
    '{"sub": #root.context.appConfig.clientId, "act": {"sub": "stranger"}}',
    '{"sub": #root.context.appConfig.clientId}',
    f"{{'sub': '{AGENT_ID}'}}",
    f"{{'sub': '{OTHER_ID}', 'act': {{'sub': '{AGENT_ID}'}}}}",
    "'text'",
    "1 + null",
]


def depth_of(act):
    return 1 + depth_of(act.get("act")) if isinstance(act, dict) else 0


@given(acts, subjects, st.sampled_from([*AGENTS, None]))
def test_an_act_that_may_be_issued_is_the_actor_at_the_head_of_the_subject_s_chain(act, subject, actor):
    if act_refusal(act, subject, actor) is not None:
        return
    if act is None:
        assert subject.get("act") is None
        return
    assert actor is not None
    assert act["sub"] == actor == subject["may_act"]["sub"]
    assert json.dumps(act.get("act"), sort_keys=True) == json.dumps(subject.get("act"), sort_keys=True)
    assert depth_of(act) <= MAX_DEPTH
    assert len(json.dumps(act)) <= 2 * MAX_SIZE


@given(st.lists(st.sampled_from(AGENTS), min_size=1, max_size=9), st.sampled_from(AGENTS))
def test_a_chain_grown_by_its_actor_is_accepted_up_to_its_bound(before, actor):
    chain = None
    for sub in before:
        chain = {"sub": sub} if chain is None else {"sub": sub, "act": chain}
    refusal = act_refusal({"sub": actor, "act": chain}, {"act": chain, "may_act": {"sub": actor}}, actor)
    assert (refusal is None) == (len(before) < MAX_DEPTH)


def mostly(likely, other):
    """The likely value in three draws of four, so that most generated requests get past the first checks."""
    return st.integers(0, 3).flatmap(lambda n: other if n == 0 else likely)


def _usually(draw, likely, other):
    return draw(mostly(st.just(likely), other))


@st.composite
def exchanges(draw):
    """A target resource with some mapping, a subject token with some claims, and some agent's request."""
    client = draw(st.sampled_from(AGENTS))
    granted = _usually(
        draw, frozenset({"test", "read", "write"}), st.frozensets(st.sampled_from(["test", "read", "write"]))
    )
    chain = draw(
        mostly(st.sampled_from([None, {"sub": AGENT_ID}, {"sub": OTHER_ID, "act": {"sub": AGENT_ID}}]), acts)
    )
    permission = _usually(draw, {"sub": client}, acts)
    return {
        "mapping": draw(mostly(st.sampled_from(MAPPINGS[:2]), st.sampled_from(MAPPINGS))),
        "delegation_required": draw(st.booleans()),
        "may_outlive": draw(st.booleans()),
        "lifetime": draw(st.integers(300, 7200)),
        "granted": granted,
        "requested": draw(
            st.none()
            | st.lists(
                mostly(st.sampled_from(["test", "read"]), st.sampled_from(["write", "agent", "openid"])),
                max_size=3,
            )
        ),
        "subject": {
            name: value for name, value in (("act", chain), ("may_act", permission)) if value is not None
        },
        "subject_audience": draw(st.sampled_from(["agent", TEST_AUDIENCE])),
        "subject_scope": draw(st.sampled_from(["agent", "test", "test read", ""])),
        "left": draw(st.integers(1, 7200)),
        "client": client,
        "actor": _usually(draw, client, st.sampled_from([*AGENTS, None])),
    }


def outcome(case):
    """The subject token's claims, and the answer, `None` when refused.

    Anything but a wire error would be a bug.
    """
    attributes = (
        Attribute("sub", compile_mapping(SUBJECT_SUB)),
        Attribute("act", compile_mapping(case["mapping"])),
    )
    resource = replace(
        TEST,
        attributes=attributes,
        scopes=dict.fromkeys(["test", "read", "write"], Scope("")),
        delegation_required=case["delegation_required"],
        may_outlive_subject=case["may_outlive"],
        token_lifetime=case["lifetime"],
    )
    environment = with_resource(ENVIRONMENT, resource)
    for agent in (AGENT, OTHER):
        environment = with_agent(
            environment, replace(agent, scopes={**agent.scopes, TEST_ID: case["granted"]})
        )
    subject = {
        **case["subject"],
        "iss": ISSUER,
        "aud": [case["subject_audience"]],
        "scope": case["subject_scope"],
        "client_id": AGENT_ID,
        "jti": f"{grant_id_of()}.{LINEAGE.jti}",
        "sub": "demouser",
        "p1.userId": USER_ID,
        "sid": SESSION_ID,
        "acr": POLICY_NAME,
        "auth_time": WHO.auth_time,
        "exp": int(NOW) + case["left"],
    }
    extra = {} if case["requested"] is None else {"scope": " ".join(case["requested"])}
    return subject, asyncio.run(_exchange(World(environment), sign(subject, KEYS), case, extra))


async def _exchange(world, subject, case, extra):
    world.store.grants[grant_id_of()] = world.grant()
    actor = await world.actor_token(case["actor"]) if case["actor"] else None
    try:
        return await world.exchange(
            subject, actor, case["client"], **{"scope": "", "resource": TEST_AUDIENCE, **extra}
        )
    except OAuthError:
        return None


@settings(max_examples=examples(300), deadline=None)
@given(exchanges())
def test_an_exchange_never_widens_scope_audience_or_lifetime_and_never_names_anybody_else(case):
    subject, response = outcome(case)
    if response is None:
        return
    claims = response.claims
    scopes = set(claims["scope"].split(" "))
    assert scopes
    assert scopes <= case["granted"]
    wanted = set(case["requested"] or ()) - {"openid"}
    assert scopes == (wanted or case["granted"])
    assert claims["aud"] == [TEST_AUDIENCE]
    if case["subject_audience"] == TEST_AUDIENCE:
        assert scopes <= set(case["subject_scope"].split(" "))
    assert case["may_outlive"] or claims["exp"] <= subject["exp"]
    assert claims["exp"] <= NOW + case["lifetime"]
    assert (claims["sub"], claims["p1.userId"], claims["sid"], claims["client_id"]) == (
        "demouser",
        USER_ID,
        SESSION_ID,
        case["client"],
    )
    assert_actors(case, subject, claims)


def assert_actors(case, subject, claims):
    act = claims.get("act")
    if act is None:
        assert not case["delegation_required"]
        assert subject.get("act") is None
        return
    assert act["sub"] == case["client"] == case["actor"] == subject["may_act"]["sub"]
    assert json.dumps(act.get("act"), sort_keys=True) == json.dumps(subject.get("act"), sort_keys=True)


@given(st.sampled_from(AGENTS), st.sampled_from(AGENTS), subjects)
def test_missing_never_satisfies_the_use_case_s_mapping(client, actor, subject):
    """`act` comes out only when both sides are there and equal.

    An absent may_act and an absent actor are not the same.
    """
    mapping = compile_mapping(ACT)
    for actor_token in ({"client_id": actor}, {}, None):
        request = {"subjectToken": subject, **({} if actor_token is None else {"actorToken": actor_token})}
        value = mapping.evaluate({"context": {"requestData": request, "appConfig": {"clientId": client}}})
        if value:
            assert actor_token
            assert value["sub"] == actor


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.booleans(), st.booleans(), st.sampled_from(["agent", "test"])),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
)
def test_no_way_of_exchanges_makes_a_permission_that_the_user_s_agent_does_not_have(steps, impersonation):
    asyncio.run(_walk(steps, impersonation))


async def _walk(steps, impersonation):
    """The second agent got hold of the first one's subject and ID token, and exchanges whatever it has for
    whatever it can.

    Unless the resource allows impersonation by name, that is nothing at all.
    """
    world = World(
        with_resource(
            ENVIRONMENT, replace(TEST, delegation_required=False, impersonation_allowed=impersonation)
        )
    )
    theirs, own = await world.sign_on(scopes=("openid", "agent")), await world.actor_token(OTHER_ID)
    held = [(theirs.access_token, ACCESS_TOKEN), (theirs.id_token, ID_TOKEN)]
    for index, latest, acting, scope in steps:
        token, kind = held[-1] if latest else held[index % len(held)]
        try:
            response = await world.exchange(
                token, own if acting else None, OTHER_ID, scope, subject_token_type=kind
            )
        except OAuthError:
            continue
        assert impersonation
        assert response.claims.keys().isdisjoint({"act", "may_act"})
        held.append((response.access_token, ACCESS_TOKEN))
