import pytest

from deputize.oauth.errors import InvalidScope, InvalidTarget
from deputize.oauth.records.directory import Scope
from deputize.oauth.resources import (
    MAX_SCOPES,
    TOKEN_EXCHANGE,
    choose_target,
    format_scope,
    openid_resource,
    openid_scopes,
    parse_scope,
    resource_of,
    resource_scopes,
)
from support.agent_delegation import (
    AGENT,
    AGENT_RESOURCE,
    AGENT_RESOURCE_ID,
    ENVIRONMENT,
    ISSUER,
    TEST,
    TEST_AUDIENCE,
    TEST_ID,
    attribute,
    with_resource,
)
from support.records import replace

OPEN = with_resource(ENVIRONMENT, replace(TEST, delegation_required=False))


def target(environment=ENVIRONMENT, agent=AGENT, user_present=False, carries_act=False, **parameters):
    return choose_target(environment, agent, parameters, user_present=user_present, carries_act=carries_act)


def test_a_scope_chooses_its_resource():
    assert target(scope="agent").resource is AGENT_RESOURCE
    assert target(scope="test", carries_act=True).resource is TEST


@pytest.mark.parametrize("name", ["resource", "audience"])
def test_a_resource_can_be_named_by_audience_also_by_a_plain_one(name):
    assert target(**{name: "agent"}).scopes == ("agent",)
    assert target(**{name: TEST_AUDIENCE}, carries_act=True).scopes == ("test",)


def test_without_anything_the_one_eligible_resource_is_meant():
    chosen = target(user_present=True)
    assert (chosen.resource, chosen.scopes) == (AGENT_RESOURCE, ("agent",))


def test_without_anything_several_eligible_resources_are_ambiguous():
    for arguments in ({"environment": OPEN}, {"carries_act": True}):
        with pytest.raises(InvalidScope, match="2 resources are eligible"):
            target(**arguments)


def test_without_anything_and_without_grants_there_is_nothing_to_have():
    with pytest.raises(InvalidScope, match="0 resources"):
        target(agent=replace(AGENT, scopes={}))


def test_scopes_of_two_resources_are_refused_in_the_original_s_words():
    with pytest.raises(InvalidScope) as caught:
        target(scope="agent test", carries_act=True)
    assert caught.value.description == "May not request scopes for multiple resources"


def test_scope_and_resource_must_agree():
    with pytest.raises(InvalidTarget):
        target(scope="agent", resource=TEST_AUDIENCE, carries_act=True)
    with pytest.raises(InvalidTarget, match="differ"):
        target(resource=TEST_AUDIENCE, audience="agent", carries_act=True)
    assert (
        target(scope="test", resource=TEST_AUDIENCE, audience=TEST_AUDIENCE, carries_act=True).resource
        is TEST
    )


def test_scopes_that_only_an_exchange_obtains_may_accompany_the_others():
    for named in (
        {},
        {"resource": "agent"},
        {"resource": f"agent\n{TEST_AUDIENCE}"},
        {"resource": f"{TEST_AUDIENCE}\nagent"},
    ):
        chosen = target(scope="test openid agent", user_present=True, **named)
        assert (chosen.resource, chosen.scopes, chosen.by_exchange) == (
            AGENT_RESOURCE,
            ("agent",),
            {TEST_ID: ("test",)},
        )
        assert chosen.requested == ("openid", "agent"), "the token is for what was asked for directly"


def test_a_resource_that_only_an_exchange_reaches_may_be_named_beside_the_other():
    for scope in ({}, {"scope": "agent"}):
        chosen = target(resource=f"agent\n{TEST_AUDIENCE}", user_present=True, **scope)
        assert (chosen.resource, chosen.scopes, chosen.by_exchange) == (
            AGENT_RESOURCE,
            ("agent",),
            {TEST_ID: ()},
        )


def test_what_only_an_exchange_obtains_accompanies_nothing_where_no_exchange_can_follow():
    without = replace(AGENT, grant_types=AGENT.grant_types - {TOKEN_EXCHANGE})
    with pytest.raises(InvalidScope, match="several resources"):
        target(agent=without, scope="agent test", user_present=True)
    with pytest.raises(InvalidScope, match="several resources"):
        target(scope="agent test")
    with pytest.raises(InvalidTarget, match="differ"):
        target(resource=f"agent\n{TEST_AUDIENCE}")


def test_a_scope_of_two_resources_that_only_exchanges_reach_needs_one_named():
    second = replace(TEST, id="second", name="second", audience="https://second.example")
    agent = replace(AGENT, scopes={**AGENT.scopes, "second": frozenset({"test"})})
    environment = with_resource(ENVIRONMENT, second)
    with pytest.raises(InvalidScope, match="several resources"):
        target(environment, agent, scope="agent test", user_present=True)
    chosen = target(
        environment, agent, scope="agent test", user_present=True, resource="agent\nhttps://second.example"
    )
    assert chosen.by_exchange == {"second": ("test",)}


def test_a_scope_asked_for_on_use_is_never_chosen_by_default():
    marked = with_resource(
        ENVIRONMENT, replace(AGENT_RESOURCE, scopes={"agent": Scope(), "pay": Scope("", "on_use")})
    )
    agent = replace(AGENT, scopes={AGENT_RESOURCE_ID: frozenset({"agent", "pay"})})
    assert target(marked, agent).scopes == ("agent",)
    assert target(marked, agent, scope="pay").scopes == ("pay",)
    with pytest.raises(InvalidScope, match="by name"):
        target(marked, replace(agent, scopes={AGENT_RESOURCE_ID: frozenset({"pay"})}))


def test_equal_identifiers_name_the_same_resource_however_they_are_spelled():
    plain = with_resource(ENVIRONMENT, replace(TEST, audience="https://ig.example.com"))
    for resource in (
        "https://ig.example.com/",
        "HTTPS://IG.example.com:443",
        "https://ig.example.com\nhttps://ig.example.com/",
    ):
        assert target(plain, resource=resource, carries_act=True).resource.id == TEST_ID
    for resource in ("https://ig.example.com/mcp", "http://ig.example.com", "https://ig.example.com:8443"):
        with pytest.raises(InvalidTarget):
            target(plain, resource=resource, carries_act=True)


@pytest.mark.parametrize(
    "resource", [TEST_AUDIENCE + "/", "https://unknown.example", TEST_ID, "test", "x" * 1000]
)
def test_unknown_resources_are_invalid_targets(resource):
    with pytest.raises(InvalidTarget):
        target(resource=resource, carries_act=True)


def test_scopes_not_granted_are_refused():
    for scope in ("admin", "agent admin"):
        with pytest.raises(InvalidScope, match="not granted"):
            target(scope=scope)
    with pytest.raises(InvalidScope, match="not granted"):
        target(scope="admin", resource="agent")


def test_a_scope_of_the_resource_that_the_agent_was_not_granted_is_refused():
    wider = with_resource(ENVIRONMENT, replace(AGENT_RESOURCE, scopes={"agent": Scope(), "admin": Scope()}))
    with pytest.raises(InvalidScope):
        target(wider, scope="admin")
    assert target(wider).scopes == ("agent",)


def test_a_grant_outlives_neither_its_scope_nor_its_resource():
    with pytest.raises(InvalidScope):
        target(with_resource(ENVIRONMENT, replace(AGENT_RESOURCE, scopes={"other": Scope()})), scope="agent")
    with pytest.raises(InvalidTarget):
        target(replace(ENVIRONMENT, resources={TEST_ID: TEST}), resource="agent")


def test_a_resource_that_requires_delegation_is_out_of_reach_for_grants_without_act():
    for parameters in ({"scope": "test"}, {"resource": TEST_AUDIENCE}):
        with pytest.raises(InvalidTarget, match="requires delegation"):
            target(**parameters)
        assert target(**parameters, environment=OPEN).resource.id == TEST_ID


@pytest.mark.parametrize(
    "parameters",
    [
        {"scope": "test"},
        {"resource": TEST_AUDIENCE},
        {"scope": "test", "resource": TEST_AUDIENCE},
        {"audience": TEST_AUDIENCE},
    ],
)
@pytest.mark.parametrize("exchanges", [True, False])
def test_a_user_signs_on_for_the_delegation_resource_where_the_other_requires_delegation(
    parameters, exchanges
):
    agent = AGENT if exchanges else replace(AGENT, grant_types=frozenset({"authorization_code"}))
    chosen = target(agent=agent, user_present=True, **parameters)
    assert (chosen.resource, chosen.scopes, chosen.by_exchange) == (TEST, ("test",), {})
    assert (chosen.subject.resource, chosen.subject.scopes) == (AGENT_RESOURCE, ("agent",))
    assert chosen.signed_on_for is chosen.subject


def test_openid_scopes_accompany_a_sign_on_in_one_step():
    chosen = target(scope="openid test", user_present=True)
    assert (chosen.requested, chosen.subject.requested) == (("openid", "test"), ("openid", "agent"))


def test_what_is_asked_for_directly_is_signed_on_for_itself():
    chosen = target(scope="agent", user_present=True)
    assert (chosen.subject, chosen.signed_on_for) == (None, chosen)
    assert target(user_present=True).subject is None, "the one resource that needs no exchange is meant"


def test_one_step_needs_one_resource_to_sign_users_on_for():
    second = replace(AGENT_RESOURCE, id="second", name="second", audience="second")
    agent = replace(AGENT, scopes={**AGENT.scopes, "second": frozenset({"agent"})})
    environment = with_resource(ENVIRONMENT, second)
    with pytest.raises(InvalidTarget, match="2 of its granted resources map may_act"):
        target(environment, agent, scope="test", user_present=True)
    named = replace(agent, delegation_resource="second")
    assert target(environment, named, scope="test", user_present=True).subject.resource is second
    with pytest.raises(InvalidTarget, match="0 of its granted resources map may_act"):
        target(agent=replace(AGENT, scopes={TEST_ID: frozenset({"test"})}), scope="test", user_present=True)


@pytest.mark.parametrize("named", [TEST_ID, "removed", "second"])
def test_a_delegation_resource_is_granted_and_does_not_require_delegation_itself(named):
    second = replace(AGENT_RESOURCE, id="second", name="second", audience="second")
    with pytest.raises(InvalidTarget, match="delegation_resource is not granted"):
        target(
            with_resource(ENVIRONMENT, second),
            replace(AGENT, delegation_resource=named),
            scope="test",
            user_present=True,
        )


def test_a_resource_that_passes_permission_on_is_none_to_sign_users_on_for():
    passing = replace(TEST, attributes=(*TEST.attributes, attribute("may_act", '{"sub": "x"}')))
    chosen = target(with_resource(ENVIRONMENT, passing), scope="test", user_present=True)
    assert chosen.subject.resource is AGENT_RESOURCE


def test_a_scope_name_shared_by_resources_needs_a_resource_unless_one_is_eligible():
    shared = replace(AGENT_RESOURCE, scopes={"test": Scope()})
    agent = replace(AGENT, scopes={AGENT_RESOURCE_ID: frozenset({"test"}), TEST_ID: frozenset({"test"})})
    environment = with_resource(ENVIRONMENT, shared)
    assert target(environment, agent, scope="test").resource is shared
    with pytest.raises(InvalidScope, match="several resources"):
        target(environment, agent, scope="test", carries_act=True)
    assert target(environment, agent, scope="test", resource=TEST_AUDIENCE, carries_act=True).resource is TEST


def test_openid_scopes_accompany_those_of_one_resource():
    chosen = target(scope="openid agent profile", user_present=True)
    assert (chosen.resource, chosen.scopes, chosen.openid_scopes) == (
        AGENT_RESOURCE,
        ("agent",),
        ("openid", "profile"),
    )
    assert chosen.requested == ("openid", "profile", "agent")
    assert target(scope="openid", resource="agent", user_present=True).scopes == ("agent",)


def test_openid_scopes_alone_are_for_the_authority_itself():
    chosen = target(scope="openid email", user_present=True)
    assert chosen.resource.audience == ISSUER
    assert chosen.scopes == chosen.requested == ("openid", "email")
    with pytest.raises(InvalidScope, match="without a user"):
        target(scope="openid")


def test_offline_access_alone_asks_for_no_id_token():
    chosen = target(scope="offline_access", user_present=True)
    assert (chosen.resource, chosen.requested) == (AGENT_RESOURCE, ("offline_access", "agent"))


def test_the_resource_of_a_code():
    assert resource_of(ENVIRONMENT, TEST_ID) is TEST
    assert resource_of(ENVIRONMENT, "removed") is None
    assert resource_of(ENVIRONMENT, None) == openid_resource(ENVIRONMENT)


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        (None, ()),
        ("", ()),
        ("a", ("a",)),
        ("b a", ("b", "a")),
        ("a  a b a", ("a", "b")),
        (" ", ()),
        ("banking:read_balance", ("banking:read_balance",)),
    ],
)
def test_parses_a_set_in_order(scope, names):
    assert parse_scope(scope) == names


@pytest.mark.parametrize(
    "scope",
    ['a "b"', "a\tb", "a\\b", "ä", "a\nb", "x" * 129, " ".join(f"s{n}" for n in range(MAX_SCOPES + 1))],
)
def test_refuses_what_is_no_scope(scope):
    with pytest.raises(InvalidScope):
        parse_scope(scope)


def test_openid_scopes_are_told_from_a_resource_s():
    names = parse_scope("test openid email banking offline_access")
    assert openid_scopes(names) == ("openid", "email", "offline_access")
    assert resource_scopes(names) == ("test", "banking")
    assert format_scope(names) == "test openid email banking offline_access"
