from dataclasses import replace

import pytest

from deputize.oauth.lineage import VIA_CLAIM, Basis, Lineage, basis_of
from deputize.oauth.records.store import TokenState
from deputize.oauth.resources import OPENID_TERM
from deputize.oauth.token_state import ancestors_of, coverage_refusal, token_refusal
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    AGENT_RESOURCE_ID,
    AGREEMENT,
    AGREEMENT_ID,
    CONSENT,
    ENVIRONMENT,
    ISSUER,
    LINEAGE,
    NOW,
    OTHER,
    OTHER_ID,
    POLICY,
    POLICY_NAME,
    SESSION,
    SESSION_ID,
    TEST,
    TEST_AUDIENCE,
    USER,
    USER_ID,
    WHO,
    World,
    with_agent,
    with_resource,
)

GRANT = World().grant()
SEGMENT, MCP_SEGMENT = LINEAGE.segments[0], f"{AGENT.term}{TEST.term}{1:014d}"
OTHER_SEGMENT = f"{OTHER.term}{AGENT_RESOURCE.term}{2:014d}"
CLAIMS = {
    "aud": ["agent"],
    "client_id": AGENT_ID,
    "jti": f"{GRANT.id}.{SEGMENT}",
    "scope": "agent",
    "sub": "demouser",
    "p1.userId": USER_ID,
    "sid": SESSION_ID,
    "acr": POLICY_NAME,
    "auth_time": WHO.auth_time,
}
BASIS = Basis(AGENT_ID, Lineage(GRANT.id, (SEGMENT,)), (("agent", "agent"),), WHO)
EXCHANGED = Basis(AGENT_ID, Lineage(GRANT.id, (SEGMENT, MCP_SEGMENT)), ((TEST_AUDIENCE, "test"),), WHO)
CHAINED = Basis(
    OTHER_ID,
    Lineage(GRANT.id, (SEGMENT, MCP_SEGMENT, OTHER_SEGMENT)),
    ((TEST_AUDIENCE, "test"), ("agent", "agent")),
    WHO,
)
MACHINE = Basis(AGENT_ID, LINEAGE, (("agent", "agent"),), None)
ALIVE = TokenState(GRANT, USER, SESSION, (CONSENT,), frozenset())
NOBODY = TokenState(None, None, None, (), frozenset())


def refusal(state=ALIVE, environment=ENVIRONMENT, basis=BASIS, now=NOW):
    return token_refusal(environment, basis, state, now)


def test_claims_tell_what_a_token_rests_on():
    assert basis_of(CLAIMS) == BASIS


def test_sub_is_the_user_id_where_no_other_claim_says_it():
    claims = {name: value for name, value in CLAIMS.items() if name != "p1.userId"}
    assert basis_of({**claims, "sub": USER_ID}) == BASIS


def test_a_machine_token_rests_on_its_client_only():
    jti = LINEAGE.jti
    assert (
        basis_of(
            {
                "client_id": AGENT_ID,
                "jti": jti,
                "p1.rid": jti,
                "aud": ["agent"],
                "scope": "agent",
                "sub": "anything",
            }
        )
        == MACHINE
    )


def test_an_id_token_names_its_client_as_audience():
    claims = {name: value for name, value in CLAIMS.items() if name not in {"client_id", "scope"}}
    assert basis_of({**claims, "aud": AGENT_ID}) == replace(BASIS, obtained=((AGENT_ID, ""),))


def test_an_exchanged_token_tells_its_ancestors_where_the_grant_does_not():
    two = {**CLAIMS, "jti": EXCHANGED.lineage.jti, "aud": [TEST_AUDIENCE], "scope": "test"}
    assert basis_of(two) == EXCHANGED
    via = [["agent", "more"]]
    assert basis_of({**two, VIA_CLAIM: via}) == replace(
        EXCHANGED, obtained=(("agent", "more"), (TEST_AUDIENCE, "test"))
    )


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": None},
        {"sid": None},
        {"acr": 1},
        {"auth_time": "then"},
        {"p1.userId": None},
        {"jti": None},
        {"jti": "j"},
        {"jti": LINEAGE.jti},  # a user without a grant
        {"p1.rid": CLAIMS["jti"]},  # a grant without a user
        {"aud": ["a", "b"]},
        {"scope": 7},
        {VIA_CLAIM: "x"},
        {VIA_CLAIM: [["a"]]},
        {VIA_CLAIM: [["agent", "agent"]]},  # an ancestor more than segments
        {"jti": f"{CLAIMS['jti']}.{SEGMENT}.{SEGMENT}"},  # one less
    ],
)
def test_claims_that_do_not_tell_are_not_believed(change):
    assert basis_of({**CLAIMS, **change}) is None


def test_a_token_without_client_is_not_believed():
    assert basis_of({"aud": ["agent"], "scope": "agent", "jti": LINEAGE.jti, "p1.rid": LINEAGE.jti}) is None


@pytest.mark.parametrize("basis", [BASIS, EXCHANGED, CHAINED])
def test_alive(basis):
    assert refusal(basis=basis) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"grant": None}, "grant is gone"),
        ({"grant": replace(GRANT, environment_id="another")}, "grant is gone"),
        ({"grant": replace(GRANT, ended_at=NOW)}, "grant was ended"),
        ({"grant": replace(GRANT, client_term="a-term-0")}, "not the one its claims tell of"),
        (
            {"grant": replace(GRANT, authentication=replace(WHO, user_id="another"))},
            "not the one its claims tell of",
        ),
        ({"user": None}, "user"),
        ({"user": replace(USER, enabled=False)}, "user"),
        ({"user": replace(USER, id="another")}, "user"),
        ({"user": replace(USER, term="u-term-2")}, "since"),
        ({"session": None}, "session is gone"),
        ({"session": replace(SESSION, id="another")}, "session is gone"),
        ({"session": replace(SESSION, user_id="another")}, "session is gone"),
        ({"session": replace(SESSION, ended_at=NOW - 1)}, "session was ended"),
        ({"consents": ()}, "consent"),
        ({"consents": (replace(CONSENT, withdrawn_at=NOW),)}, "withdrawn"),
        ({"consents": (replace(CONSENT, expires_at=NOW),)}, "expired"),
        ({"consents": (replace(CONSENT, id="a later one"),)}, "was replaced"),
        ({"consents": (replace(CONSENT, client_id=OTHER_ID),)}, "was replaced"),
        ({"revoked": frozenset({BASIS.lineage.jti})}, "revoked"),
    ],
)
@pytest.mark.parametrize("basis", [BASIS, EXCHANGED, CHAINED])
def test_dead_with_any_part_of_its_basis(basis, change, reason):
    assert reason in refusal(replace(ALIVE, **change), basis=basis)


@pytest.mark.parametrize("basis", [BASIS, EXCHANGED, CHAINED])
@pytest.mark.parametrize("agent", [AGENT, OTHER])
def test_dead_with_any_agent_that_the_user_withdrew_from_since(basis, agent):
    has_part = agent.term in basis.lineage.terms
    for number, before in ((1, 0), (1, 1), (5, 4), (5, 5), (5, 7)):
        state = replace(
            ALIVE,
            grant=replace(GRANT, withdrawn=before),
            user=replace(USER, withdrawals={agent.id: number, "another": 9}),
        )
        why = refusal(state, basis=basis)
        if has_part and number > before:
            assert f"what the user had agreed to for {agent.name!r} was withdrawn after this sign-on" in why
        else:
            assert why is None


@pytest.mark.parametrize(
    ("by", "at", "said"),
    [
        ("user", NOW, " by the user"),
        ("administrator alice", NOW, " by administrator alice"),
        (None, NOW, ""),
        ("administrator alice", GRANT.created_at - 1, ""),
    ],
)
def test_who_withdrew_is_said_where_that_is_known_of_this_withdrawal(by, at, said):
    state = replace(
        ALIVE,
        grant=replace(GRANT, withdrawn=0),
        user=replace(USER, withdrawals={AGENT.id: 1}),
        consents=(replace(CONSENT, withdrawn_at=at, withdrawn_by=by),),
    )
    assert f"was withdrawn{said} after this sign-on" in refusal(state)


def test_an_agent_that_the_user_withdrew_from_since_obtains_nothing_whatever_is_agreed_to_by_now():
    """The consent covers it, or no agreement is asked for."""
    withdrawn = replace(ALIVE, user=replace(USER, withdrawals={OTHER_ID: 1}))
    unasked = replace(ENVIRONMENT, policies={POLICY_NAME: replace(POLICY, steps=())})
    for environment in (ENVIRONMENT, unasked):
        assert coverage_refusal(environment, ALIVE, OTHER, TEST, ["test"]) is None
        assert "was withdrawn" in coverage_refusal(environment, withdrawn, OTHER, TEST, ["test"])
        assert coverage_refusal(environment, withdrawn, AGENT, TEST, ["test"]) is None


def test_a_lapsed_session_only_ends_silent_sign_on():
    assert refusal(replace(ALIVE, session=replace(SESSION, expires_at=NOW - 1))) is None


@pytest.mark.parametrize(
    "agents", [{}, {AGENT_ID: replace(AGENT, enabled=False)}, {AGENT_ID: replace(AGENT, term="a-term-2")}]
)
@pytest.mark.parametrize("basis", [BASIS, EXCHANGED])
def test_dead_with_its_client(agents, basis):
    assert "gone or disabled" in refusal(environment=replace(ENVIRONMENT, agents=agents), basis=basis)


@pytest.mark.parametrize("agent", [replace(AGENT, enabled=False), replace(AGENT, term="a-term-2")])
def test_dead_with_any_agent_it_passed_through(agent):
    assert "gone or disabled" in refusal(environment=with_agent(ENVIRONMENT, agent), basis=CHAINED)


def test_the_last_term_is_the_clients():
    assert "gone or disabled" in refusal(basis=replace(BASIS, client_id=OTHER_ID))


@pytest.mark.parametrize(
    "environment",
    [
        with_resource(ENVIRONMENT, replace(AGENT_RESOURCE, term="r-term-3")),
        with_resource(ENVIRONMENT, replace(TEST, term="r-term-3")),
    ],
)
def test_dead_with_any_resource_that_was_created_anew(environment):
    ended = {basis for basis in (BASIS, EXCHANGED, CHAINED) if refusal(environment=environment, basis=basis)}
    assert ended == (
        {EXCHANGED, CHAINED} if environment.resources[TEST.id] != TEST else {BASIS, EXCHANGED, CHAINED}
    )
    assert (refusal(environment=environment, basis=MACHINE) is None) == (
        environment.resources[TEST.id] != TEST
    )


def test_dead_with_a_policy_that_was_created_anew():
    policies = {POLICY_NAME: replace(ENVIRONMENT.policies[POLICY_NAME], term="p-term-2")}
    for basis in (BASIS, EXCHANGED, CHAINED):
        assert "policy" in refusal(environment=replace(ENVIRONMENT, policies=policies), basis=basis)


LOSSES = [
    with_agent(ENVIRONMENT, replace(AGENT, scopes={AGENT_RESOURCE_ID: frozenset({"agent"})})),
    with_resource(ENVIRONMENT, replace(TEST, scopes={})),
    replace(ENVIRONMENT, resources={AGENT_RESOURCE_ID: AGENT_RESOURCE}),
]


@pytest.mark.parametrize("environment", LOSSES)
def test_a_lost_scope_ends_the_token_and_what_came_of_it(environment):
    assert refusal(environment=environment) is None
    assert "no longer granted" in refusal(environment=environment, basis=EXCHANGED)
    assert "no longer granted" in refusal(environment=environment, basis=CHAINED)


def test_so_does_a_scope_of_the_sign_on():
    lost = with_agent(ENVIRONMENT, replace(AGENT, scopes={TEST.id: frozenset({"test"})}))
    for basis in (BASIS, EXCHANGED, CHAINED):
        assert "no longer granted" in refusal(environment=lost, basis=basis)


def test_openid_scopes_need_no_grant_of_the_administrator():
    openid = replace(
        ALIVE, grant=replace(GRANT, resource_id=None, resource_term=OPENID_TERM, scopes=("openid", "profile"))
    )
    assert refusal(openid, basis=replace(BASIS, obtained=((ISSUER, "openid profile"),))) is None
    assert refusal(openid, basis=EXCHANGED) is None


def test_what_the_grant_says_is_not_said_again():
    assert ancestors_of(ENVIRONMENT, BASIS, GRANT) == ()
    assert ancestors_of(ENVIRONMENT, BASIS, replace(GRANT, scopes=("openid", "agent"))) == ()
    assert ancestors_of(ENVIRONMENT, BASIS, replace(GRANT, scopes=("agent", "more"))) == BASIS.obtained
    assert ancestors_of(ENVIRONMENT, EXCHANGED, GRANT) == EXCHANGED.obtained
    assert ancestors_of(ENVIRONMENT, MACHINE, None) == MACHINE.obtained


def test_dead_with_its_policy():
    assert "policy" in refusal(environment=replace(ENVIRONMENT, policies={}))


def test_dead_with_its_agreement():
    assert "does not exist" in refusal(environment=replace(ENVIRONMENT, agreements={}))
    assert "due again" in refusal(
        environment=replace(ENVIRONMENT, agreements={AGREEMENT_ID: replace(AGREEMENT, version=2)})
    )


def test_a_machine_token_needs_no_user():
    assert refusal(NOBODY, basis=MACHINE) is None
    assert refusal(replace(NOBODY, revoked=frozenset({LINEAGE.jti})), basis=MACHINE)
    assert refusal(NOBODY, with_agent(ENVIRONMENT, replace(AGENT, enabled=False)), MACHINE)
    assert "no longer granted" in refusal(NOBODY, with_agent(ENVIRONMENT, replace(AGENT, scopes={})), MACHINE)
