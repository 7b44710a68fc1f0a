from dataclasses import replace

import pytest

from deputize.jose import TokenInvalid
from deputize.oauth.access_tokens import LiveToken
from deputize.oauth.introspection import introspection_refusal, introspection_response
from deputize.oauth.records.store import TokenState
from support.agent_delegation import AGENT, AGENT_ID, AGENT_RESOURCE, ENVIRONMENT, OTHER, TEST, TEST_AUDIENCE

CLAIMS = {
    "aud": [TEST_AUDIENCE],
    "client_id": AGENT_ID,
    "sub": "demouser",
    "act": {"sub": AGENT_ID},
    "scope": "test",
}
FOUND = LiveToken(CLAIMS, TokenState(None, None, None, (), frozenset()))


@pytest.mark.parametrize("caller", [TEST, AGENT])
def test_the_resource_and_the_client_see_every_claim(caller):
    assert introspection_response(ENVIRONMENT, caller, FOUND) == {
        **CLAIMS,
        "active": True,
        "token_type": "Bearer",
    }


@pytest.mark.parametrize("caller", [AGENT_RESOURCE, OTHER, replace(TEST, audience=TEST_AUDIENCE + "/")])
def test_others_see_nothing(caller):
    assert introspection_response(ENVIRONMENT, caller, FOUND) == {"active": False}


def test_an_agent_learns_nothing_of_tokens_for_what_it_may_not_use_any_more():
    without_scope = replace(AGENT, scopes={AGENT_RESOURCE.id: frozenset({"agent"}), TEST.id: frozenset()})
    assert introspection_response(ENVIRONMENT, without_scope, FOUND) == {"active": False}
    assert "has no scope of" in introspection_refusal(ENVIRONMENT, without_scope, FOUND)
    own = replace(FOUND, claims={**CLAIMS, "aud": [ENVIRONMENT.issuer]})
    assert introspection_response(ENVIRONMENT, without_scope, own)["active"] is True


@pytest.mark.parametrize("audience", ["https://IG.example.com:8443/mcp", "https://ig.example.com:8443/%6dcp"])
def test_a_token_issued_under_another_spelling_of_the_audience_is_the_same_resource_s(audience):
    for caller in (TEST, AGENT):
        found = replace(FOUND, claims={**CLAIMS, "aud": [audience]})
        assert introspection_response(ENVIRONMENT, caller, found)["active"] is True


def test_the_reason_is_told_to_the_operator():
    assert introspection_refusal(ENVIRONMENT, TEST, TokenInvalid("expired")) == "expired"
    assert (
        introspection_refusal(ENVIRONMENT, AGENT_RESOURCE, FOUND)
        == "it is not for the resource 'agent' that asks"
    )
    assert (
        introspection_refusal(ENVIRONMENT, OTHER, FOUND)
        == f"it was not issued to the agent {OTHER.name!r} that asks"
    )
    assert introspection_refusal(ENVIRONMENT, TEST, FOUND) is None


def test_a_dead_token_shows_nothing_not_even_why():
    assert introspection_response(ENVIRONMENT, TEST, TokenInvalid("expired")) == {"active": False}


@pytest.mark.parametrize("aud", [TEST_AUDIENCE, None, {"x": TEST_AUDIENCE}])
def test_an_audience_that_is_no_list_is_for_nobody(aud):
    assert introspection_response(ENVIRONMENT, TEST, replace(FOUND, claims={**CLAIMS, "aud": aud})) == {
        "active": False
    }


def test_a_mapped_claim_cannot_pose_as_a_member_of_the_answer():
    posing = replace(FOUND, claims={**CLAIMS, "active": False, "token_type": "N_A"})
    assert introspection_response(ENVIRONMENT, TEST, posing)["active"] is True
