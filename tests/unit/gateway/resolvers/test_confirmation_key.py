"""Tokens that are bound to a certificate (RFC 8705 section 3), whatever resolvers stand where."""

import pytest

from deputize.gateway.exchange.contexts import RefusalContext
from deputize.gateway.filters.oauth2_resource_server import OAuth2ResourceServerFilter
from support.gateway import built, exchange_for
from support.oauth_filters import CLAIMS, oauth_heap, resource_server, through_to
from support.proofs import Prover

MINE, THEIRS = "m" * 43, "t" * 43
PROVER = Prover()
NOW = 1_700_000_000.0
TOKENS = {
    "bound": {**CLAIMS, "cnf": {"x5t#S256": MINE}},
    "both": {**CLAIMS, "cnf": {"x5t#S256": MINE, "jkt": PROVER.thumbprint}},
    "free": CLAIMS,
    "empty": {**CLAIMS, "cnf": {}},
    "named": {**CLAIMS, "cnf": {"kid": "k1"}},
    "twice": {**CLAIMS, "cnf": {"x5t#S256": MINE, "jwk": {}}},
    "odd": {**CLAIMS, "cnf": {"x5t#S256": [MINE]}},
    "null": {**CLAIMS, "cnf": {"x5t#S256": None}},
}
VERIFIER = "ConfirmationKeyVerifierAccessTokenResolver"
CACHE = "CacheAccessTokenResolver"


def resolving(*kinds):
    """Return resolvers of these types, one in front of the other."""
    resolver = {"type": "Tokens"}
    for kind in reversed(kinds):
        resolver = {"type": kind, "config": {"delegate": resolver}}
    return resolver


def filter_of(*kinds):
    config = resource_server(
        accessTokenResolver=resolving(*kinds), dpop={"publicOrigin": "https://ig.example.com"}
    )
    return built(OAuth2ResourceServerFilter, config, oauth_heap(tokens=TOKENS))


async def outcome(some_filter, token, certificate=None, scheme="Bearer", proof=None):
    headers = [("Authorization", f"{scheme} {token}"), *([("DPoP", proof)] if proof else [])]
    exchange = exchange_for("/mcp", headers=headers, certificate=certificate)
    response, seen = await through_to(some_filter, exchange)
    refused = exchange.find(RefusalContext)
    assert (seen is None) == (response.status == 401)
    return response.status, refused and refused.reason


@pytest.mark.parametrize("kinds", [(), (VERIFIER,), (VERIFIER, CACHE), (CACHE, VERIFIER), (CACHE,)])
async def test_a_bound_token_is_for_whoever_shows_its_certificate(kinds):
    some_filter = filter_of(*kinds)
    for _ in range(2):  # remembered or not
        assert await outcome(some_filter, "bound", MINE) == (200, None)
        for certificate, reason in ((THEIRS, "another certificate"), (None, "showed none"), ("", "another")):
            status, why = await outcome(some_filter, "bound", certificate)
            assert (status, reason in why) == (401, True)
        for token in ("free", "empty"):
            for certificate in (MINE, None):
                assert await outcome(some_filter, token, certificate) == (200, None)


@pytest.mark.parametrize("token", ["named", "twice"])
async def test_what_is_bound_in_a_way_that_is_not_supported_is_nobodys(token):
    status, reason = await outcome(filter_of(VERIFIER), token, MINE)
    assert (status, "not supported" in reason) == (401, True)


@pytest.mark.parametrize("token", ["odd", "null"])
async def test_a_certificate_that_cannot_be_read_is_nobodys(token):
    for certificate in (MINE, None):
        assert (await outcome(filter_of(VERIFIER), token, certificate))[0] == 401


async def test_what_is_bound_to_key_and_certificate_needs_both():
    some_filter = filter_of(VERIFIER)

    def prove():
        return PROVER.prove("GET", "https://ig.example.com/mcp", NOW, "both")

    assert (await outcome(some_filter, "both", MINE, "DPoP", prove()))[0] == 200
    assert (await outcome(some_filter, "both", THEIRS, "DPoP", prove()))[0] == 401
    assert (await outcome(some_filter, "both", MINE, "DPoP"))[0] == 401
    assert (await outcome(some_filter, "both", MINE))[0] == 401
