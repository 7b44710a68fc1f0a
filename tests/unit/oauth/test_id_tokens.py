from dataclasses import replace

import pytest

from deputize.jose import ID_TOKEN_TYPE, TokenInvalid, verify
from deputize.oauth.id_tokens import at_hash, issue_id_token, profile_claims
from deputize.oauth.lineage import Lineage
from support.agent_delegation import (
    AGENT_ID,
    ENVIRONMENT,
    ISSUER,
    KEYS,
    LINEAGE,
    NOW,
    USER,
    USER_ID,
    WHO,
    World,
    grant_id_of,
)


def id_token(nonce=None, scopes=("openid",), algorithm="RS256"):
    grant = World().grant()
    lineage = Lineage(grant.id, LINEAGE.segments)
    token = issue_id_token(
        ENVIRONMENT,
        grant,
        lineage,
        profile_claims(USER, scopes),
        "access",
        algorithm=algorithm,
        now=NOW,
        nonce=nonce,
    )
    return token, verify(token, KEYS, ISSUER, NOW, ID_TOKEN_TYPE)


def test_tells_the_client_who_signed_on_when_and_how():
    _, claims = id_token("n-1", ("openid", "email"))
    assert claims == {
        "acr": WHO.acr,
        "at_hash": at_hash("access", "RS256"),
        "aud": AGENT_ID,
        "auth_time": WHO.auth_time,
        "email": "demo@example.com",
        "env": ENVIRONMENT.id,
        "exp": int(NOW) + 3600,
        "iat": int(NOW),
        "iss": ISSUER,
        "jti": f"{grant_id_of()}.{LINEAGE.jti}",
        "nonce": "n-1",
        "org": ENVIRONMENT.organization_id,
        "sid": WHO.session_id,
        "sub": USER_ID,
    }


def test_is_not_an_access_token():
    with pytest.raises(TokenInvalid):
        verify(id_token()[0], KEYS, ISSUER, NOW)


def test_profile_claims_follow_the_scopes():
    assert profile_claims(USER, ("openid",)) == {"sub": USER_ID}
    assert profile_claims(USER, ("openid", "email")) == {"sub": USER_ID, "email": "demo@example.com"}
    assert profile_claims(replace(USER, preferred_language="de"), ("profile",)) == {
        "sub": USER_ID,
        "preferred_username": "demouser",
        "given_name": "Demo",
        "family_name": "User",
        "name": "Demo User",
        "locale": "de",
    }
    nameless = replace(USER, given_name=None, family_name=None, email=None)
    assert profile_claims(nameless, ("profile", "email")) == {
        "sub": USER_ID,
        "preferred_username": "demouser",
    }


def test_at_hash_vector_of_the_specification():
    # OpenID Connect Core appendix A.3
    assert at_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "ES256") == "77QmUPtjPfzWtF2AnpK9RQ"


def test_at_hash_uses_the_hash_of_the_signature():
    assert len(at_hash("x", "RS256")) == 22
    assert len(at_hash("x", "Ed25519")) == len(at_hash("x", "EdDSA")) == 43
