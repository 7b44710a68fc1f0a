from dataclasses import replace

import pytest

from deputize.oauth.records.store import Standing
from deputize.oauth.standing import Basis, basis_of, read_standing, standing_refusal
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    CONSENT,
    ENVIRONMENT,
    NOW,
    POLICY_NAME,
    SESSION,
    SESSION_ID,
    USER,
    USER_ID,
    WHO,
    seeded_store,
    with_agent,
)

CLAIMS = {
    "client_id": AGENT_ID,
    "jti": "j",
    "sub": "demouser",
    "p1.userId": USER_ID,
    "sid": SESSION_ID,
    "acr": POLICY_NAME,
    "auth_time": WHO.auth_time,
}
BASIS = Basis(AGENT_ID, "j", WHO)
ALIVE = Standing(USER, SESSION, (CONSENT,), frozenset())


def refusal(standing=ALIVE, environment=ENVIRONMENT, basis=BASIS, now=NOW):
    return standing_refusal(environment, basis, standing, now)


def test_claims_tell_what_a_token_rests_on():
    assert basis_of(CLAIMS) == BASIS


def test_sub_is_the_user_id_where_no_other_claim_says_it():
    claims = {name: value for name, value in CLAIMS.items() if name != "p1.userId"}
    assert basis_of({**claims, "sub": USER_ID}) == BASIS


def test_a_machine_token_rests_on_its_client_only():
    assert basis_of({"client_id": AGENT_ID, "jti": "j", "p1.rid": "j", "sub": "anything"}) == Basis(AGENT_ID, "j", None)


def test_an_id_token_names_its_client_as_audience():
    claims = {name: value for name, value in CLAIMS.items() if name not in {"client_id", "jti"}}
    assert basis_of({**claims, "aud": AGENT_ID}) == Basis(AGENT_ID, None, WHO)


@pytest.mark.parametrize("change", [{"client_id": None}, {"sid": None}, {"acr": 1}, {"auth_time": "then"}, {"p1.userId": None}])
def test_claims_that_do_not_tell_are_not_believed(change):
    assert basis_of({**CLAIMS, **change}) is None


def test_a_token_without_client_is_not_believed():
    assert basis_of({"aud": [AGENT_ID], "p1.rid": "j"}) is None


def test_alive():
    assert refusal() is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"user": None}, "user"),
        ({"user": replace(USER, enabled=False)}, "user"),
        ({"user": replace(USER, id="another")}, "user"),
        ({"user": replace(USER, environment_id="another")}, "user"),
        ({"session": None}, "session is gone"),
        ({"session": replace(SESSION, id="another")}, "session is gone"),
        ({"session": replace(SESSION, user_id="another")}, "session is gone"),
        ({"session": replace(SESSION, ended_at=NOW - 1)}, "session has ended"),
        ({"session": replace(SESSION, expires_at=NOW)}, "session has ended"),
        ({"consents": ()}, "consent"),
        ({"consents": (replace(CONSENT, withdrawn_at=NOW),)}, "consent"),
        ({"revoked": frozenset({"j"})}, "revoked"),
    ],
)
def test_dead_with_any_part_of_its_basis(change, reason):
    assert reason in refusal(replace(ALIVE, **change))


@pytest.mark.parametrize("agents", [{}, {AGENT_ID: replace(AGENT, enabled=False)}])
def test_dead_with_its_client(agents):
    assert "gone or disabled" in refusal(environment=replace(ENVIRONMENT, agents=agents))


def test_dead_with_its_policy():
    assert "policy" in refusal(environment=replace(ENVIRONMENT, policies={}))


def test_a_machine_token_needs_no_user():
    machine, nobody = Basis(AGENT_ID, "j", None), Standing(None, None, (), frozenset())
    assert refusal(nobody, basis=machine) is None
    assert refusal(replace(nobody, revoked=frozenset({"j"})), basis=machine)
    assert refusal(nobody, with_agent(ENVIRONMENT, replace(AGENT, enabled=False)), machine)


async def test_everything_is_read_at_once():
    store = seeded_store()
    store.revoked = {"other", "unasked"}
    assert await read_standing(store, ENVIRONMENT, BASIS, "other") == replace(ALIVE, revoked=frozenset({"other"}))
    assert store.calls == 1


async def test_nothing_about_a_user_is_read_for_a_machine_token():
    store = seeded_store()
    assert await read_standing(store, ENVIRONMENT, Basis(AGENT_ID, "j", None)) == Standing(None, None, (), frozenset())


async def test_a_policy_that_is_gone_asks_for_no_consents():
    standing = await read_standing(seeded_store(), replace(ENVIRONMENT, policies={}), BASIS)
    assert standing.consents == ()
