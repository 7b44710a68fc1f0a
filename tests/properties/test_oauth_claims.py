"""Mappings cannot say what only the server may say.

Credentials and introspection give nothing away to whoever does not match.
"""

import asyncio
from base64 import b64encode
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from deputize.expressions.mapping import MappingExpression
from deputize.oauth.access_tokens import MAX_ATTRIBUTES, Issue, assemble
from deputize.oauth.client_auth import authenticate_caller
from deputize.oauth.errors import InvalidGrant, OAuthError
from deputize.oauth.introspection import LiveToken, introspection_response
from deputize.oauth.records.directory import Agent, Attribute
from deputize.oauth.records.store import TokenState
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGENT_RESOURCE,
    AGENT_SECRET,
    ENVIRONMENT,
    ISSUER,
    LINEAGE,
    NOW,
    OTHER,
    TEST,
    TEST_AUDIENCE,
    TEST_ID,
    TEST_SECRET,
    USER,
    WHO,
)
from support.client_proofs import auth_ports

SERVER_CLAIMS = {
    "aud": ["agent"],
    "client_id": AGENT_ID,
    "env": ENVIRONMENT.id,
    "exp": int(NOW) + 60,
    "iat": int(NOW),
    "iss": ISSUER,
    "jti": LINEAGE.jti,
    "org": ENVIRONMENT.organization_id,
    "scope": "agent",
}
names = st.sampled_from(
    [*SERVER_CLAIMS, "acr", "sid", "auth_time", "p1.userId", "p1.rid", "p1.x", "nbf", "cnf", "amr"]
) | st.text(max_size=10)
attributes = st.lists(
    st.builds(
        lambda name, value: Attribute(name, MappingExpression.literal(value)), names, st.text(max_size=30)
    ),
    max_size=8,
)


@given(attributes, st.booleans())
def test_what_the_server_says_stands_whatever_is_mapped(mapped, personal):
    issue = Issue(
        ENVIRONMENT,
        AGENT,
        replace(AGENT_RESOURCE, attributes=tuple(mapped)),
        ("agent",),
        "x",
        NOW,
        int(NOW) + 60,
        LINEAGE,
        **_sign_on(personal),
    )
    claims = assemble(issue).claims
    assert {name: claims[name] for name in SERVER_CLAIMS} == SERVER_CLAIMS
    assert not {"nbf", "cnf", "amr", "p1.x"} & claims.keys()
    if personal:
        assert (claims["sid"], claims["acr"], claims["auth_time"]) == (WHO.session_id, WHO.acr, WHO.auth_time)
        assert claims.get("p1.userId", claims["sub"]) == USER.id
        assert "p1.rid" not in claims
    else:
        assert claims["p1.rid"] == LINEAGE.jti
        assert not {"sid", "acr", "auth_time", "p1.userId"} & claims.keys()


def _sign_on(personal):
    return {"authentication": WHO, "user": USER} if personal else {}


@given(st.lists(st.integers(0, 9000), max_size=5))
def test_mapped_claims_never_exceed_their_bound(sizes):
    mapped = tuple(
        Attribute(f"c{index}", MappingExpression.literal("x" * size)) for index, size in enumerate(sizes)
    )
    issue = Issue(
        ENVIRONMENT,
        AGENT,
        replace(AGENT_RESOURCE, attributes=mapped),
        ("agent",),
        "x",
        NOW,
        int(NOW) + 60,
        LINEAGE,
    )
    try:
        assemble(issue)
    except InvalidGrant:
        assert sum(sizes) > MAX_ATTRIBUTES - 100
    else:
        assert sum(sizes) <= MAX_ATTRIBUTES


ids = st.sampled_from([AGENT_ID, TEST_ID, "unknown"]) | st.text(max_size=10)
secrets = st.sampled_from([AGENT_SECRET, TEST_SECRET, ""]) | st.text(max_size=10)
headers = (
    st.none()
    | st.text(max_size=40)
    | st.text(max_size=40).map("Basic {}".format)
    | st.builds(
        lambda name, secret: "Basic " + b64encode(f"{name}:{secret}".encode("utf-8", "replace")).decode(),
        ids,
        secrets,
    )
)
forms = st.fixed_dictionaries({}, optional={"client_id": ids, "client_secret": secrets})


@given(headers, forms)
def test_only_the_right_secret_proves_an_identity_and_nothing_else_happens(header, form):
    try:
        caller = asyncio.run(authenticate_caller(ENVIRONMENT, header, form, auth_ports(), NOW)).client
    except OAuthError:
        return
    expected = AGENT_SECRET if isinstance(caller, Agent) else TEST_SECRET
    basic = header and header == "Basic " + b64encode(f"{caller.id}:{expected}".encode()).decode()
    assert basic or form == {"client_id": caller.id, "client_secret": expected}


audiences = st.sampled_from([TEST_AUDIENCE, "agent", TEST_AUDIENCE + "/", "", None, 1])


@given(
    st.sampled_from([AGENT, OTHER, TEST, AGENT_RESOURCE]),
    st.lists(audiences, max_size=3) | audiences,
    st.sampled_from([AGENT_ID, OTHER.id, None]),
)
def test_a_token_is_visible_to_its_client_and_its_audience_only(caller, audience, client_id):
    found = LiveToken(
        {"aud": audience, "client_id": client_id}, TokenState(None, None, None, (), frozenset()), 2000.0
    )
    visible = introspection_response(ENVIRONMENT, caller, found)[0] != {"active": False}
    if isinstance(caller, Agent):
        usable = {resource.audience for resource in (TEST, AGENT_RESOURCE) if caller.scopes.get(resource.id)}
        assert visible == (
            client_id == caller.id and isinstance(audience, list) and bool(usable & set(audience))
        )
    else:
        assert visible == (isinstance(audience, list) and caller.audience in audience)
