import pytest

from deputize.jose import new_key_ring, sign
from deputize.oauth.errors import ExchangeRefused, InvalidGrant, InvalidRequest, InvalidScope, InvalidTarget
from deputize.oauth.grants.token_exchange import ACCESS_TOKEN, ID_TOKEN
from deputize.oauth.lineage import MAX_SEGMENTS
from deputize.oauth.records.directory import Scope, Step
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    CHAINED_ACT,
    CONSENT,
    ENVIRONMENT,
    ISSUER,
    KEYS,
    OTHER_ID,
    POLICY_NAME,
    SESSION_ID,
    SUBJECT_SUB,
    TEST,
    TEST_AUDIENCE,
    TEST_ID,
    USER_ID,
    World,
    attribute,
    exchange_request,
    with_agent,
    with_resource,
)
from support.records import replace

FAIL_OPEN = with_resource(ENVIRONMENT, replace(TEST, delegation_required=False))


async def tokens(world):
    return (await world.sign_on()).access_token, await world.actor_token()


async def refused(world, subject, actor, client_id=AGENT_ID, **extra):
    with pytest.raises(ExchangeRefused) as caught:
        await world.exchange(subject, actor, client_id, **extra)
    assert (caught.value.code, caught.value.description) == ("invalid_request", ExchangeRefused.public)
    return caught.value.detail


async def test_the_mcp_token():
    world = World()
    subject, actor = await tokens(world)
    response = await world.exchange(subject, actor)
    assert response.claims["act"] == {"sub": AGENT_ID}
    assert response.claims["aud"] == [TEST_AUDIENCE]
    assert (response.claims["sub"], response.claims["p1.userId"], response.scope) == (
        "demouser",
        USER_ID,
        "test",
    )
    assert (response.issued_token_type, response.refresh_token, response.id_token) == (
        ACCESS_TOKEN,
        None,
        None,
    )
    assert response.subject_claims["may_act"] == {"sub": AGENT_ID}


@pytest.mark.parametrize(
    "extra",
    [{"resource": TEST_AUDIENCE}, {"audience": TEST_AUDIENCE}, {"requested_token_type": ACCESS_TOKEN}],
)
async def test_the_target_may_be_named_as_well(extra):
    world = World()
    assert await world.exchange(*await tokens(world), **extra)


async def test_naming_the_resource_suffices():
    world = World()
    response = await world.ask({**exchange_request(*await tokens(world)), "resource": TEST_AUDIENCE})
    assert (response.scope, response.claims["aud"]) == ("test", [TEST_AUDIENCE])


async def test_the_target_must_agree_with_the_scope():
    world = World()
    subject, actor = await tokens(world)
    for extra in (
        {"resource": "agent"},
        {"audience": "agent"},
        {"resource": TEST_AUDIENCE, "audience": "agent"},
    ):
        with pytest.raises(InvalidTarget):
            await world.exchange(subject, actor, **extra)


@pytest.mark.parametrize("scope", ["admin", "test admin", "agent test"])
async def test_scope_must_be_granted_and_of_one_resource(scope):
    world = World()
    with pytest.raises(InvalidScope):
        await world.exchange(*await tokens(world), scope=scope)


async def test_an_agent_without_the_scope():
    world = World(with_agent(ENVIRONMENT, replace(AGENT, scopes={AGENT_RESOURCE.id: frozenset({"agent"})})))
    with pytest.raises(InvalidScope):
        await world.exchange(*await tokens(world))


async def test_a_second_agent_cannot_use_the_first_one_s_subject_token():
    world = World()
    subject, _ = await tokens(world)
    detail = await refused(world, subject, await world.actor_token(OTHER_ID), OTHER_ID)
    assert f"left is '{AGENT_ID}', right is '{OTHER_ID}'" in detail


async def test_an_agent_cannot_present_another_agent_s_actor_token():
    world = World()
    subject, actor = await tokens(world)
    assert "belongs to the client" in await refused(world, subject, actor, OTHER_ID)


async def test_a_mapping_that_trusts_everybody_does_not_help_the_second_agent():
    trusting = attribute("act", '{"sub": #root.context.requestData.actorToken.client_id}')
    world = World(
        with_resource(ENVIRONMENT, replace(TEST, attributes=(attribute("sub", SUBJECT_SUB), trusting)))
    )
    subject, _ = await tokens(world)
    assert "may_act.sub is" in await refused(world, subject, await world.actor_token(OTHER_ID), OTHER_ID)


async def test_without_actor_token_there_is_no_act():
    world = World()
    subject, _ = await tokens(world)
    assert "requires delegation" in await refused(world, subject, None)


async def test_impersonation_needs_a_resource_that_allows_it_by_name_and_is_noted():
    world = World(FAIL_OPEN)
    subject, _ = await tokens(world)
    assert "does not allow impersonation" in await refused(world, subject, None)
    world.environment = with_resource(
        ENVIRONMENT, replace(TEST, delegation_required=False, impersonation_allowed=True)
    )
    response = await world.exchange(subject, None)
    assert "act" not in response.claims
    assert response.claims["sub"] == "demouser"
    assert "act yields nothing" in response.notes[0]


async def test_another_agent_s_subject_token_is_of_no_use():
    world = World(FAIL_OPEN)
    subject, _ = await tokens(world)
    for actor in (None, await world.actor_token(OTHER_ID)):
        assert "does not allow impersonation" in await refused(world, subject, actor, OTHER_ID)
        assert "belongs to another client" in await refused(world, subject, actor, OTHER_ID, scope="agent")


async def test_the_original_s_fail_open_result_stays_possible():
    world = World(
        with_resource(ENVIRONMENT, replace(TEST, delegation_required=False, impersonation_allowed=True))
    )
    subject, _ = await tokens(world)
    response = await world.exchange(subject, await world.actor_token(OTHER_ID), OTHER_ID)
    assert "act" not in response.claims


async def test_a_second_agent_gets_no_permission_out_of_the_first_one_s_subject_token():
    world = World()
    subject, actor = await tokens(world)
    assert "belongs to another client" in await refused(world, subject, None, OTHER_ID, scope="agent")
    allowing = replace(AGENT_RESOURCE, impersonation_allowed=True)
    lenient = World(with_resource(ENVIRONMENT, allowing), world.store)
    assert "would carry may_act" in await refused(lenient, subject, None, OTHER_ID, scope="agent")
    assert (await world.exchange(subject, actor, scope="agent")).claims["may_act"] == {"sub": AGENT_ID}


async def test_nor_by_way_of_a_resource_without_may_act():
    world = World(
        with_resource(ENVIRONMENT, replace(TEST, delegation_required=False, impersonation_allowed=True))
    )
    subject, _ = await tokens(world)
    detour = (await world.exchange(subject, None, OTHER_ID)).access_token
    assert "no may_act.sub" in await refused(world, detour, None, OTHER_ID, scope="agent")


async def test_nor_out_of_an_id_token():
    world = World()
    id_token = (await world.sign_on(scopes=("openid", "agent"))).id_token
    for client_id in (AGENT_ID, OTHER_ID):
        detail = await refused(world, id_token, None, client_id, scope="agent", subject_token_type=ID_TOKEN)
        assert "no may_act.sub" in detail or "belongs to another client" in detail


async def test_a_required_act_refuses_in_the_original_s_words():
    act = replace(TEST.attributes[1], required=True)
    world = World(
        with_resource(
            ENVIRONMENT, replace(TEST, delegation_required=False, attributes=(TEST.attributes[0], act))
        )
    )
    subject, _ = await tokens(world)
    with pytest.raises(InvalidGrant) as caught:
        await world.exchange(subject, None)
    assert (
        caught.value.description
        == "act is configured as required for the Access token but does not have a value"
    )


async def test_a_token_expires_with_its_subject_token_unless_the_resource_says_otherwise():
    world = World()
    subject, _ = await tokens(world)
    world.now += 3000
    response = await world.exchange(subject, await world.actor_token())
    assert response.expires_in == 600
    world.environment = with_resource(ENVIRONMENT, replace(TEST, may_outlive_subject=True))
    assert (await world.exchange(subject, await world.actor_token())).expires_in == 3600


async def test_expired_tokens():
    world = World()
    subject, actor = await tokens(world)
    world.now += 3600
    assert "subject_token is invalid: expired" in await refused(world, subject, await world.actor_token())
    fresh = (await world.sign_on("second")).access_token
    assert "actor_token is invalid: expired" in await refused(world, fresh, actor)


async def test_foreign_and_forged_tokens():
    world = World()
    subject, actor = await tokens(world)
    claims = {**(await world.exchange(subject, actor)).subject_claims}
    forged = [
        sign(claims, new_key_ring("k1", "k2", 0.0)),
        sign(claims, new_key_ring("x", "y", 0.0)),
        sign({**claims, "iss": f"{ISSUER}/"}, KEYS),
        sign(claims, KEYS, "JWT"),
        subject[:-4] + "AAAA",
        "opaque",
    ]
    for token in forged:
        assert "subject_token is invalid" in await refused(world, token, actor)
        assert "actor_token is invalid" in await refused(world, subject, token)


async def test_a_subject_token_that_says_not_what_it_rests_on():
    world = World()
    _, actor = await tokens(world)
    anonymous = sign(
        {
            "iss": ISSUER,
            "exp": world.now + 60,
            "client_id": AGENT_ID,
            "sub": "demouser",
            "may_act": {"sub": AGENT_ID},
        },
        KEYS,
    )
    assert "rests on" in await refused(world, anonymous, actor)


@pytest.mark.parametrize("part", ["session", "user", "consent"])
async def test_a_dead_basis(part):
    world = World()
    subject, actor = await tokens(world)
    {"session": world.store.sessions, "user": world.store.users, "consent": world.store.consents}[
        part
    ].clear()
    assert part in await refused(world, subject, actor)


async def test_withdrawn_consent_and_sign_off_stop_delegation_at_once():
    world = World()
    subject, actor = await tokens(world)
    assert await world.exchange(subject, actor)
    world.store.consents[CONSENT.id] = replace(CONSENT, withdrawn_at=world.now)
    assert "consent" in await refused(world, subject, actor)
    world.store.consents[CONSENT.id] = CONSENT
    world.store.sessions[SESSION_ID] = replace(world.store.sessions[SESSION_ID], ended_at=world.now)
    assert "session" in await refused(world, subject, actor)


async def test_revoked_tokens():
    world = World()
    subject, actor = await tokens(world)
    jtis = [world.ports.verifier.verify(each, KEYS, ISSUER, world.now)["jti"] for each in (subject, actor)]
    for jti in jtis:
        await world.store.revoke_token(jti, 0)
        assert "revoked" in await refused(world, subject, actor)
        world.store.revoked.clear()


async def test_the_agent_the_subject_token_was_issued_to_must_be_enabled():
    world = World(FAIL_OPEN)
    subject, _ = await tokens(world)
    actor = await world.actor_token(OTHER_ID)
    world.environment = with_agent(FAIL_OPEN, replace(AGENT, enabled=False))
    assert "gone or disabled" in await refused(world, subject, actor, OTHER_ID)


@pytest.mark.parametrize(
    "change",
    [
        {"subject_token": None},
        {"subject_token_type": None},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"actor_token": None},
        {"actor_token_type": None},
        {"actor_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        {"requested_token_type": ID_TOKEN},
    ],
)
async def test_malformed_requests(change):
    world = World()
    request = {**exchange_request(*await tokens(world)), "scope": "test", **change}
    with pytest.raises(InvalidRequest):
        await world.ask({name: value for name, value in request.items() if value is not None})


async def test_an_id_token_can_be_the_subject_and_then_its_client_acts():
    world = World(with_resource(ENVIRONMENT, replace(TEST, attributes=(attribute("sub", SUBJECT_SUB),))))
    signed_on = await world.sign_on(scopes=("openid", "agent"))
    response = await world.exchange(signed_on.id_token, None, subject_token_type=ID_TOKEN)
    assert (response.claims["sub"], response.claims["p1.userId"]) == (USER_ID, USER_ID)
    assert response.claims["act"] == {"sub": AGENT_ID}
    assert "subject_token is invalid" in await refused(world, signed_on.id_token, None)


async def test_a_bare_sign_on_gives_nothing_that_the_user_did_not_agree_to():
    """Neither an ID token nor a subject token opens a resource that maps no act, be the scope granted to the
    agent or not.
    """
    admin = replace(
        TEST, id="admin", name="admin", audience="https://admin", attributes=(), scopes={"admin": Scope("")}
    )
    admin = replace(admin, delegation_required=False)
    agent = replace(AGENT, scopes={**AGENT.scopes, "admin": frozenset({"admin"})})
    world = World(with_agent(with_resource(ENVIRONMENT, admin), agent))
    signed_on = await world.sign_on(scopes=("openid", "agent"))
    for token, kind in ((signed_on.access_token, ACCESS_TOKEN), (signed_on.id_token, ID_TOKEN)):
        with pytest.raises(
            InvalidScope,
            match=f"the consent {CONSENT.id} .* does not cover .*'MCP Tutorial' obtains .*'admin'",
        ):
            await world.exchange(token, await world.actor_token(), scope="admin", subject_token_type=kind)
    world.store.consents[CONSENT.id] = replace(CONSENT, covers={AGENT_ID: {"admin": ("admin",)}})
    assert (await world.exchange(token, None, scope="admin", subject_token_type=ID_TOKEN)).claims["act"] == {
        "sub": AGENT_ID
    }


@pytest.mark.parametrize(
    "covers",
    [{}, {AGENT_ID: {}}, {OTHER_ID: {TEST_ID: ("test",)}}, {AGENT_ID: {AGENT_RESOURCE.id: ("test",)}}],
)
async def test_consent_has_to_cover_exactly_this_agent_resource_and_scope(covers):
    world = World()
    subject, actor = await tokens(world)
    world.store.consents[CONSENT.id] = replace(CONSENT, covers=covers)
    with pytest.raises(InvalidScope, match="does not cover"):
        await world.exchange(subject, actor)


async def test_a_policy_without_agreements_covers_what_the_administrator_granted():
    login_only = replace(ENVIRONMENT.policies[POLICY_NAME], steps=(Step("LOGIN", {}),))
    world = World(replace(ENVIRONMENT, policies={POLICY_NAME: login_only}))
    world.store.consents.clear()
    assert await world.exchange(*await tokens(world))


async def test_an_id_token_proves_no_actor():
    world = World()
    signed_on = await world.sign_on(scopes=("openid", "agent"))
    with pytest.raises(InvalidRequest, match="actor_token_type is not supported"):
        await world.exchange(signed_on.access_token, signed_on.id_token, actor_token_type=ID_TOKEN)


async def test_an_actor_token_is_the_agent_s_own():
    """Not a user's, at whatever stage, nor one that was exchanged."""
    world = World(FAIL_OPEN)
    subject, actor = await tokens(world)
    exchanged = (await world.exchange(subject, actor)).access_token
    own_exchanged = (await world.exchange(actor, None)).access_token
    for token in (subject, exchanged, own_exchanged):
        assert "not the client's own" in await refused(world, subject, token)
    assert (await world.exchange(subject, actor)).actor_claims["jti"]


@pytest.mark.parametrize(
    "agent",
    [
        replace(AGENT, term="a-term-2"),
        replace(AGENT, scopes={TEST_ID: frozenset({"test"})}),
        replace(AGENT, scopes={}),
    ],
    ids=["disabled and enabled", "no scope on the token's audience", "no scopes"],
)
async def test_an_actor_token_ends_with_the_state_of_its_agent(agent):
    world = World()
    subject, actor = await tokens(world)
    world.environment = with_agent(ENVIRONMENT, agent)
    with pytest.raises((ExchangeRefused, InvalidScope)):
        await world.exchange(subject, actor)
    enough = replace(agent, scopes={**agent.scopes, TEST_ID: frozenset({"test"})})
    assert "is dead" in await refused(World(with_agent(ENVIRONMENT, enough)), actor, actor)


async def test_another_environment_s_actor_token():
    other = replace(ENVIRONMENT, id="another", issuer="https://auth.example.com/another/as")
    foreign = await World(other).actor_token()
    world = World()
    subject, _ = await tokens(world)
    assert "actor_token is invalid" in await refused(world, subject, foreign)


async def test_a_token_passes_through_eight_issues_at_most():
    world = World(FAIL_OPEN)
    token = await world.actor_token()
    for _ in range(MAX_SEGMENTS - 1):
        token = (await world.exchange(token, None)).access_token
    assert "came from 7 exchanges" in await refused(world, token, None)


async def test_machine_to_machine():
    world = World(FAIL_OPEN)
    machine = await world.actor_token()
    response = await world.exchange(machine, None)
    assert response.claims["p1.rid"] == response.claims["jti"]
    assert not {"sub", "sid", "acr", "p1.userId"} & response.claims.keys()


async def test_an_exchange_for_the_subject_token_s_own_audience_only_narrows():
    wide = replace(
        TEST,
        scopes={"test": Scope(), "admin": Scope()},
        attributes=(attribute("sub", SUBJECT_SUB),),
        delegation_required=False,
    )
    world = World(
        with_agent(
            with_resource(ENVIRONMENT, wide), replace(AGENT, scopes={TEST_ID: frozenset({"test", "admin"})})
        )
    )
    narrow = (await world.sign_on(resource_id=TEST_ID, scopes=("test",))).access_token
    assert (await world.exchange(narrow, None, scope="test")).scope == "test"
    with pytest.raises(InvalidScope, match="not in the scope 'test'"):
        await world.exchange(narrow, None, scope="admin")


async def test_a_chain_of_two_agents():
    """The first agent's token names the second as the next who may act."""
    next_hop = attribute("may_act", f"{{'sub': '{OTHER_ID}'}}")
    chained = attribute("act", CHAINED_ACT)
    first_hop = replace(TEST, attributes=(attribute("sub", SUBJECT_SUB), chained, next_hop))
    second_hop = replace(
        TEST,
        id="second",
        name="second",
        audience="https://second",
        attributes=(attribute("sub", SUBJECT_SUB), chained),
        scopes={"second": Scope()},
    )
    environment = with_resource(with_resource(ENVIRONMENT, first_hop), second_hop)
    other = replace(environment.agents[OTHER_ID], scopes={**AGENT.scopes, "second": frozenset({"second"})})
    world = World(with_agent(environment, other))
    covers = {AGENT_ID: {TEST_ID: ("test",)}, OTHER_ID: {"second": ("second",)}}
    world.store.consents[CONSENT.id] = replace(CONSENT, covers=covers)
    first = await world.exchange(*await tokens(world))
    assert first.claims["act"] == {"sub": AGENT_ID}
    second = await world.exchange(
        first.access_token, await world.actor_token(OTHER_ID), OTHER_ID, scope="second"
    )
    assert second.claims["act"] == {"sub": OTHER_ID, "act": {"sub": AGENT_ID}}
    assert second.claims["sub"] == "demouser"


async def test_a_chain_cannot_be_laundered_by_a_resource_that_maps_no_act():
    plain = replace(
        TEST,
        id="plain",
        name="plain",
        audience="https://plain",
        attributes=(),
        scopes={"plain": Scope("")},
        delegation_required=False,
    )
    agent = replace(AGENT, scopes={**AGENT.scopes, "plain": frozenset({"plain"})})
    world = World(with_agent(with_resource(ENVIRONMENT, plain), agent))
    world.store.consents[CONSENT.id] = replace(
        CONSENT, covers={AGENT_ID: {TEST_ID: ("test",), "plain": ("plain",)}}
    )
    delegated = (await world.exchange(*await tokens(world))).access_token
    laundered = await world.exchange(delegated, None, scope="plain")
    assert laundered.claims["act"] == {"sub": AGENT_ID, "act": {"sub": AGENT_ID}}
    world.environment = with_resource(world.environment, replace(plain, impersonation_allowed=True))
    assert "carries act" in await refused(world, delegated, None, scope="plain")
