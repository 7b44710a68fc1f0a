from dataclasses import replace

import pytest

from deputize.jose import TokenInvalid
from deputize.oauth.access_tokens import LiveToken
from deputize.oauth.introspection import introspection_response
from deputize.oauth.records.store import Standing
from support.agent_delegation import AGENT, AGENT_ID, AGENT_RESOURCE, OTHER, TEST, TEST_AUDIENCE

CLAIMS = {"aud": [TEST_AUDIENCE], "client_id": AGENT_ID, "sub": "demouser", "act": {"sub": AGENT_ID}, "scope": "test"}
FOUND = LiveToken(CLAIMS, Standing(None, None, None, (), frozenset()))


@pytest.mark.parametrize("caller", [TEST, AGENT])
def test_the_resource_and_the_client_see_every_claim(caller):
    assert introspection_response(caller, FOUND) == {**CLAIMS, "active": True, "token_type": "Bearer"}


@pytest.mark.parametrize("caller", [AGENT_RESOURCE, OTHER, replace(TEST, audience=TEST_AUDIENCE + "/")])
def test_others_see_nothing(caller):
    assert introspection_response(caller, FOUND) == {"active": False}


def test_a_dead_token_shows_nothing_not_even_why():
    assert introspection_response(TEST, TokenInvalid("expired")) == {"active": False}


@pytest.mark.parametrize("aud", [TEST_AUDIENCE, None, {"x": TEST_AUDIENCE}])
def test_an_audience_that_is_no_list_is_for_nobody(aud):
    assert introspection_response(TEST, replace(FOUND, claims={**CLAIMS, "aud": aud})) == {"active": False}


def test_a_mapped_claim_cannot_pose_as_a_member_of_the_answer():
    posing = replace(FOUND, claims={**CLAIMS, "active": False, "token_type": "N_A"})
    assert introspection_response(TEST, posing)["active"] is True
