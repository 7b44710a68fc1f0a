"""Tokens that are bound to a key, at both filters that look at tokens (RFC 9449 section 7)."""

import json

import pytest

from deputize.gateway.exchange.contexts import RefusalContext
from deputize.gateway.filters.mcp_protection import McpProtectionFilter
from deputize.gateway.filters.oauth2_resource_server import OAuth2ResourceServerFilter
from deputize.kernel.errors import ConfigurationError
from deputize.oauth.dpop import NONCE_PERIOD, PROOF_ALGORITHMS, PROOF_LIFETIME, SeenProofs
from support.gateway import Answering, ask, built, exchange_for
from support.oauth_filters import (
    CLAIMS,
    METADATA,
    RESOURCE,
    oauth_heap,
    protection,
    resource_server,
    through_to,
)
from support.proofs import Prover

NOW = 1_700_000_000.0
ALGS = " ".join(PROOF_ALGORITHMS)
PROVER, THIEF = Prover(), Prover()
BOUND = {**CLAIMS, "cnf": {"jkt": PROVER.thumbprint}}
TOKENS = {
    "bound": BOUND,
    "other": BOUND,
    "free": CLAIMS,
    "scopeless": {**BOUND, "scope": "none"},
    "odd": {**CLAIMS, "cnf": {"jkt": 7}},
    "text": {**CLAIMS, "cnf": "jkt"},
}


def heap_with(**rs):
    return oauth_heap(resource_server(**rs), tokens=TOKENS)


def mcp_filter(heap=None, rs=None, **config):
    return built(McpProtectionFilter, protection(**config), heap or heap_with(**(rs or {})))


def rs_filter(**config):
    origin = {"publicOrigin": "https://ig.example.com:8443", **config.pop("dpop", {})}
    return built(
        OAuth2ResourceServerFilter, resource_server(dpop=origin, **config), oauth_heap(tokens=TOKENS)
    )


def presenting(token="bound", *proofs, scheme="DPoP", method="POST", target="/mcp", **options):
    """Return a call with a token and proofs; without one, with the one that is right."""
    proofs = proofs or (PROVER.prove(method, RESOURCE, NOW, token),)
    headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", each) for each in proofs if each)]
    return exchange_for(target, method=method, headers=headers, **options)


async def refusal(some_filter, exchange):
    response, seen = await through_to(some_filter, exchange)
    assert seen is None
    refused = exchange.find(RefusalContext)
    return response.status, refused.error, response.headers.get_all("www-authenticate"), refused.reason


FORGED = THIEF.prove("POST", RESOURCE, NOW, "bound", header={"jwk": PROVER.public_jwk})
BOTH = pytest.mark.parametrize("make", [mcp_filter, rs_filter])


@BOTH
async def test_a_token_and_the_proof_of_its_key_pass(make):
    some_filter = make()
    for _ in range(2):
        response, seen = await through_to(some_filter, presenting())
        assert response.status == 200
        assert response.headers.get("dpop-nonce") is None
    assert seen is not None


async def test_neither_token_nor_proof_goes_further():
    for exchange in (presenting(), presenting("free", scheme="Bearer")):
        _, seen = await through_to(mcp_filter(), exchange)
        assert [name for name, _ in seen.reached.headers.raw] == []


async def test_where_the_token_goes_its_proof_goes():
    exchange = presenting()
    _, seen = await through_to(mcp_filter(forwardToken=True), exchange)
    assert seen.request.headers.raw == exchange.received.headers.raw


@BOTH
async def test_a_stolen_bound_token_is_worth_nothing_as_bearer(make):
    for proofs in ((None,), ()):
        status, error, challenges, reason = await refusal(
            make(), presenting("bound", *proofs, scheme="Bearer")
        )
        assert (status, error) == (401, "invalid_token")
        assert challenges[0].startswith('Bearer error="invalid_token"')
        assert challenges[1].startswith(f'DPoP algs="{ALGS}"')
        assert "without a proof" in reason


@BOTH
@pytest.mark.parametrize(
    ("proofs", "reason"),
    [
        ((None,), "the request has no proof (DPoP)"),
        ((PROVER.prove("POST", RESOURCE, NOW, "bound"),) * 2, "it has 2 DPoP fields, not one"),
        (("",) + (PROVER.prove("POST", RESOURCE, NOW, "bound"),) * 3, "it has 3 DPoP fields, not one"),
        (("no proof",), "not a JWS"),
        ((PROVER.prove("POST", RESOURCE, NOW, "bound", padding="x" * 4096),), "too large"),
        ((THIEF.prove("POST", RESOURCE, NOW, "bound"),), "bound to another key"),
        (
            (THIEF.prove("POST", RESOURCE, NOW, "bound", header={"jwk": PROVER.public_jwk}),),
            "does not verify",
        ),
        ((PROVER.prove("GET", RESOURCE, NOW, "bound"),), "htm"),
        ((PROVER.prove("POST", RESOURCE + "/x", NOW, "bound"),), "htu"),
        ((PROVER.prove("POST", "http://client.example/mcp", NOW, "bound"),), "htu"),
        ((PROVER.prove("POST", RESOURCE, NOW, "other"),), "ath"),
        ((PROVER.prove("POST", RESOURCE, NOW),), "ath"),
        ((PROVER.prove("POST", RESOURCE, NOW - PROOF_LIFETIME, "bound"),), "ago"),
        ((PROVER.prove("POST", RESOURCE, NOW + 61, "bound"),), "ahead"),
        ((PROVER.prove("POST", RESOURCE, NOW, "bound", header={"typ": "JWT"}),), "typ"),
        ((PROVER.prove("POST", RESOURCE, NOW, "bound", header={"alg": "none"}),), "alg"),
    ],
    ids=range(16),
)
async def test_a_call_that_does_not_prove_the_key_is_refused(make, proofs, reason):
    status, error, challenges, why = await refusal(make(), presenting("bound", *proofs))
    assert (status, error) == (401, "invalid_dpop_proof")
    assert len(challenges) == 1
    assert challenges[0].startswith(f'DPoP error="invalid_dpop_proof", algs="{ALGS}"')
    assert reason in why


async def test_the_challenges_lead_to_the_metadata():
    pointing = f'resource_metadata="{METADATA}"'
    _, _, challenges, _ = await refusal(mcp_filter(), exchange_for("/mcp"))
    assert challenges == [f'Bearer scope="test", {pointing}', f'DPoP algs="{ALGS}", scope="test", {pointing}']
    _, _, challenges, _ = await refusal(mcp_filter(), presenting("bound", None))
    assert challenges == [f'DPoP error="invalid_dpop_proof", algs="{ALGS}", scope="test", {pointing}']


@BOTH
async def test_a_proof_counts_once(make):
    some_filter = make()
    proof = PROVER.prove("POST", RESOURCE, NOW, "bound")
    assert (await through_to(some_filter, presenting("bound", proof)))[0].status == 200
    for _ in range(2):
        assert (await refusal(some_filter, presenting("bound", proof)))[3] == "the proof was used before"
    again = PROVER.prove("POST", RESOURCE, NOW - 5, "bound", jti="same")
    assert (await through_to(some_filter, presenting("bound", again)))[0].status == 200
    renewed = PROVER.prove("POST", RESOURCE, NOW - 4, "bound", jti="same")
    assert (await refusal(some_filter, presenting("bound", renewed)))[3] == "the proof was used before"


async def test_a_proof_counts_once_also_where_its_route_is_built_anew():
    heap = heap_with()
    proof = PROVER.prove("POST", RESOURCE, NOW, "bound")
    assert (await through_to(mcp_filter(heap), presenting("bound", proof)))[0].status == 200
    again = built(McpProtectionFilter, protection(resourceId=RESOURCE + "2"), heap)
    assert (await refusal(again, presenting("bound", proof)))[3] == "the proof was used before"


async def test_a_refused_proof_is_not_used_up():
    some_filter = mcp_filter()
    proof = PROVER.prove("POST", RESOURCE, NOW, "bound")
    await refusal(some_filter, presenting("other", proof))
    assert (await through_to(some_filter, presenting("bound", proof)))[0].status == 200


async def test_where_no_more_proofs_can_be_remembered_none_is_accepted():
    heap = heap_with()
    object.__setattr__(heap.registry, "seen_proofs", SeenProofs(capacity=1))
    some_filter = mcp_filter(heap)
    assert (await through_to(some_filter, presenting()))[0].status == 200
    status, error, _, _ = await refusal(some_filter, presenting())
    assert (status, error) == (503, "temporarily_unavailable")


@pytest.mark.parametrize("origin", ["http://client.example", "https://evil.example"])
async def test_the_host_that_a_request_names_does_not_count(origin):
    proof = PROVER.prove("POST", f"{origin}/mcp", NOW, "bound")
    for make in (mcp_filter, rs_filter):
        assert "htu" in (await refusal(make(), presenting("bound", proof, origin=origin)))[3]


@BOTH
async def test_query_and_spelling_of_the_uri_do_not_count(make):
    for htu in (RESOURCE + "?a=b", "HTTPS://IG.example.com:8443/%6Dcp"):
        proof = PROVER.prove("POST", htu, NOW, "bound")
        response, _ = await through_to(make(), presenting("bound", proof, target="/mcp?c=d"))
        assert response.status == 200


@BOTH
async def test_a_token_that_is_bound_to_no_key_is_none_for_this_scheme(make):
    status, error, challenges, reason = await refusal(make(), presenting("free"))
    assert (status, error) == (401, "invalid_token")
    assert challenges[1].startswith('DPoP error="invalid_token"')
    assert "no cnf.jkt" in reason


@BOTH
@pytest.mark.parametrize("token", ["odd", "text"])
@pytest.mark.parametrize("scheme", ["Bearer", "DPoP"])
async def test_a_binding_that_cannot_be_read_is_refused(make, token, scheme):
    status, error, _, reason = await refusal(make(), presenting(token, scheme=scheme))
    assert (status, error) == (401, "invalid_token")
    assert reason.startswith("cnf")


async def test_who_proves_nothing_does_not_learn_what_the_token_lacks():
    assert (await refusal(mcp_filter(), presenting("scopeless", None)))[0] == 401
    assert (await refusal(mcp_filter(), presenting("scopeless")))[:2] == (403, "insufficient_scope")


async def test_a_resource_may_require_bound_tokens():
    heap = heap_with(dpop={"required": True})
    some_filter = mcp_filter(heap)
    status, error, challenges, _ = await refusal(some_filter, presenting("free", None, scheme="Bearer"))
    assert (status, error, len(challenges)) == (401, "invalid_token", 1)
    assert challenges[0].startswith("DPoP ")
    assert (await through_to(some_filter, presenting()))[0].status == 200
    path = "/.well-known/oauth-protected-resource/mcp"
    endpoint = heap.deployment.endpoints[path]
    document = json.loads((await ask(endpoint.handler, exchange_for(path))).body.buffered)
    assert document["dpop_bound_access_tokens_required"] is True
    assert document["dpop_signing_alg_values_supported"] == list(PROOF_ALGORITHMS)


async def test_without_a_known_origin_no_bound_token_is_accepted():
    some_filter = built(OAuth2ResourceServerFilter, resource_server(), oauth_heap(tokens=TOKENS))
    status, error, challenges, reason = await refusal(some_filter, presenting())
    assert (status, error) == (401, "invalid_token")
    assert [each.partition(" ")[0] for each in challenges] == ["Bearer"]
    assert "publicOrigin" in reason
    assert (await refusal(some_filter, presenting(scheme="Bearer")))[0] == 401


async def test_a_nonce_is_asked_for_given_and_taken_for_a_while():
    heap = heap_with(dpop={"requireNonce": True})
    some_filter = mcp_filter(heap)
    clock = heap.registry.instance.clock

    async def call(**claims):
        proof = PROVER.prove("POST", RESOURCE, clock.now(), "bound", **claims)
        exchange = presenting("bound", proof)
        return (await through_to(some_filter, exchange))[0], exchange.find(RefusalContext)

    response, refused = await call()
    nonce = response.headers.get("dpop-nonce")
    assert (response.status, refused.error) == (401, "use_dpop_nonce")
    assert response.headers.get("www-authenticate").startswith('DPoP error="use_dpop_nonce"')
    for _ in range(2):  # a nonce says when, the proof's id says once
        response, _ = await call(nonce=nonce)
        assert (response.status, response.headers.get("dpop-nonce")) == (200, nonce)
    for wrong in ("x", "", nonce[:-1], Prover().thumbprint):
        response, refused = await call(nonce=wrong)
        assert (response.status, refused.error) == (401, "use_dpop_nonce")
    clock.time += 2 * NONCE_PERIOD
    response, refused = await call(nonce=nonce)
    assert (response.status, refused.error) == (401, "use_dpop_nonce")
    response, _ = await call(nonce=response.headers.get("dpop-nonce"))
    assert response.status == 200


async def test_nonces_of_processes_with_one_secret_are_the_same():
    secret = "c2Vzc2lvbi1zZWNyZXQtc2Vzc2lvbi1zZWNyZXQtc2Vzc2lvbg=="
    store = {"type": "Base64EncodedSecretStore", "config": {"secrets": {"sealing": secret}}}
    given = set()
    for config in ({}, {}, {"sessionSecretId": "sealing", "secretsProvider": store}):
        some_filter = mcp_filter(rs={"dpop": {"requireNonce": True}, **config})
        given.add((await through_to(some_filter, presenting()))[0].headers.get("dpop-nonce"))
    assert len(given) == 2


@pytest.mark.parametrize(
    ("dpop", "at"),
    [
        ({"publicOrigin": "api.example.com"}, "/dpop/publicOrigin"),
        ({"publicOrigin": "https://api.example.com/path"}, "/dpop/publicOrigin"),
        ({"publicOrigin": "https://user@api.example.com"}, "/dpop/publicOrigin"),
        ({"proofLifetime": "11 minutes"}, "/dpop/proofLifetime"),
        ({"proofLifetime": "unlimited"}, "/dpop/proofLifetime"),
        ({"proofLifetime": "0 seconds"}, "/dpop/proofLifetime"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(dpop, at):
    with pytest.raises(ConfigurationError) as caught:
        built(OAuth2ResourceServerFilter, resource_server(dpop=dpop), oauth_heap())
    assert at in str(caught.value)


async def test_the_answer_of_an_upstream_tells_clients_nothing_of_other_nonces():
    upstream = Answering(headers=[("DPoP-Nonce", "the server's")])
    some_filter = mcp_filter(rs={"dpop": {"requireNonce": True}})
    nonce = (await through_to(some_filter, presenting()))[0].headers.get("dpop-nonce")
    proof = PROVER.prove("POST", RESOURCE, NOW, "bound", nonce=nonce)
    response, _ = await through_to(some_filter, presenting("bound", proof), upstream)
    assert response.headers.get_all("dpop-nonce") == [nonce]
