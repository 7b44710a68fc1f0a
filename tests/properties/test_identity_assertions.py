"""Whatever is done to an identity assertion, it yields nothing; whatever it says, it yields no more."""

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

from hypothesis import given
from hypothesis import strategies as st

from deputize.oauth.errors import InvalidGrant, InvalidScope, OAuthError
from deputize.oauth.records.directory import Scope
from support.agent_delegation import AGENT_RESOURCE, ENVIRONMENT, ISSUER, NOW
from support.identity_assertions import CLIENT, claims_of, id_jag, redeem, world
from support.records import replace

NAMES = ("agent", "read", "write", "admin")
RESOURCE = replace(AGENT_RESOURCE, scopes={name: Scope() for name in NAMES})
RESOURCES = {**ENVIRONMENT.resources, RESOURCE.id: RESOURCE}
SCOPES = st.lists(st.sampled_from((*NAMES, "openid", "offline_access", "unknown", "test")), unique=True)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.text(max_size=40),
    st.lists(st.text(max_size=20), max_size=3),
    st.sampled_from([ISSUER, [ISSUER, ISSUER], int(NOW), "agent", "U019"]),
)


def outcome(there, text, **extra):
    """Return the answer, or the error that nothing was left behind by."""
    try:
        return asyncio.run(redeem(there, text, **extra))
    except OAuthError as error:
        assert (there.store.used, there.store.grants) == (set(), {})
        return error


def decoded(part):
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


@given(st.data())
def test_a_changed_assertion_yields_nothing(data):
    text = id_jag(jti="always the same")
    part = data.draw(st.integers(0, 2))
    parts = text.split(".")
    octets = bytearray(decoded(parts[part]))
    place = data.draw(st.integers(0, len(octets) - 1))
    octets[place] ^= data.draw(st.integers(1, 255))
    parts[part] = urlsafe_b64encode(bytes(octets)).rstrip(b"=").decode()
    assert isinstance(outcome(world(), ".".join(parts)), InvalidGrant)


@given(st.sampled_from(sorted(claims_of())), VALUES)
def test_another_claim_under_the_old_signature_yields_nothing(name, value):
    header, payload, signature = id_jag().split(".")
    claims = json.loads(decoded(payload))
    changed = {**claims, name: value}
    encoded = urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode()
    assert isinstance(outcome(world(), f"{header}.{encoded}.{signature}"), InvalidGrant)


@given(
    st.sampled_from(["iss", "sub", "aud", "client_id", "exp", "iat", "nbf", "jti", "resource", "scope"]),
    VALUES,
)
def test_a_signed_claim_that_is_another_yields_an_error_or_what_it_says(name, value):
    claims = claims_of(**{name: value})
    there = world()
    answer = outcome(there, id_jag(**{name: value}))
    if isinstance(answer, OAuthError):
        return
    audience = claims["aud"]
    assert (audience if isinstance(audience, list) else [audience]) == [ISSUER]
    assert (claims["client_id"], claims["resource"], claims["sub"]) == (CLIENT.id, "agent", "U019")
    assert "agent" in claims["scope"].split()
    assert NOW < claims["exp"] <= NOW + 3660
    assert NOW - 3600 <= claims["iat"] <= NOW + 60
    assert isinstance(claims["jti"], str)


@given(SCOPES, st.none() | SCOPES, st.frozensets(st.sampled_from(NAMES)))
def test_scopes_are_within_what_is_asserted_asked_for_and_granted(asserted, asked, granted):
    agent = replace(CLIENT, scopes={**CLIENT.scopes, RESOURCE.id: granted})
    there = world(agent=agent, resources=RESOURCES)
    extra = {} if asked is None else {"scope": " ".join(asked)}
    answer = outcome(there, id_jag(scope=" ".join(asserted)), **extra)
    allowed = granted.intersection(asserted, asked or asserted)
    if isinstance(answer, OAuthError):
        assert isinstance(answer, InvalidScope)
        assert not allowed
    else:
        assert set(answer.scope.split()) == set(answer.claims["scope"].split()) == allowed
