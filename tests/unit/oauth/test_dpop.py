import hmac
import json
from dataclasses import replace
from hashlib import sha256

import pytest

from deputize.jose import TokenInvalid
from deputize.oauth.dpop import (
    LEEWAY,
    MAX_JTI,
    NONCE_PERIOD,
    PROOF_ALGORITHMS,
    PROOF_LIFETIME,
    Proof,
    ProofNonces,
    ProofVerifier,
    SeenProofs,
    bound_key,
    is_uri_of,
    token_type_of,
)
from deputize.oauth.errors import InvalidDPoPProof, UseDPoPNonce
from support.proofs import Prover, text_of

NOW = 1_774_039_729.0
URI = "https://auth.example.com/e/as/token"
PROVER = Prover()
RSA = Prover("RS256")


def verify(proof, *, method="POST", uri=URI, now=NOW, token=None, verifier=None):
    return (verifier or ProofVerifier()).verify(proof, method, uri, now, token)


def refusal(proof, **options):
    with pytest.raises(InvalidDPoPProof) as caught:
        verify(proof, **options)
    return caught.value.detail


@pytest.mark.parametrize("algorithm", PROOF_ALGORITHMS)
def test_a_proof_by_each_algorithm_tells_its_key(algorithm):
    prover = Prover(algorithm)
    proof = verify(prover.prove("POST", URI, NOW, jti="one"))
    assert proof == Proof(prover.thumbprint, "one", NOW + PROOF_LIFETIME, None)


def test_a_known_key_is_not_read_again_and_verifies_as_before():
    verifier = ProofVerifier()
    for _ in range(2):
        assert verify(PROVER.prove("POST", URI, NOW), verifier=verifier).thumbprint == PROVER.thumbprint
    header, claims, _ = PROVER.prove("POST", URI, NOW).split(".")
    forged = f"{header}.{claims}.{Prover().prove('POST', URI, NOW).split('.')[2]}"
    assert refusal(forged, verifier=verifier) == "the signature does not verify"


def test_a_key_is_remembered_only_when_its_proof_was_right():
    verifier = ProofVerifier(capacity=2)
    known = Prover()
    verify(known.prove("POST", URI, NOW), verifier=verifier)
    for _ in range(4):
        refusal(Prover().prove("POST", URI, NOW)[:-4] + "AAAA", verifier=verifier)
    assert list(verifier._keys) == [known.prove("POST", URI, NOW).split(".")[0]]


@pytest.mark.parametrize(
    "change",
    [
        {"typ": None},
        {"typ": "JWT"},
        {"typ": "DPOP+JWT"},
        {"typ": "at+jwt"},
        {"alg": None},
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "HS256"},
        {"alg": "ES512"},
        {"alg": "ES384"},
        {"alg": ["ES256"]},
        {"jwk": None},
        {"jwk": "x"},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"jwk": PROVER.key.as_dict(private=True)},
        {"jwk": Prover().public_jwk},
        {"crit": ["b64"], "b64": False},
    ],
    ids=range(17),
)
def test_a_header_that_is_not_a_proofs_is_refused(change):
    assert refusal(PROVER.prove("POST", URI, NOW, header=change))


def test_no_signature_and_one_made_with_the_public_key_as_a_secret_are_refused():
    header, claims, _ = PROVER.prove("POST", URI, NOW, header={"alg": "none"}).split(".")
    assert refusal(f"{header}.{claims}.")
    for jwk in (PROVER.public_jwk, {"kty": "oct", "k": text_of(b"secret")}):
        header = text_of(json.dumps({"typ": "dpop+jwt", "alg": "HS256", "jwk": jwk}).encode())
        secret = json.dumps(jwk).encode() if "x" in jwk else b"secret"
        mac = text_of(hmac.digest(secret, f"{header}.{claims}".encode(), sha256))
        assert refusal(f"{header}.{claims}.{mac}")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"jti": None}, "jti"),
        ({"jti": ""}, "jti"),
        ({"jti": 7}, "jti"),
        ({"jti": "x" * (MAX_JTI + 1)}, "jti"),
        ({"htm": None}, "htm"),
        ({"htm": "GET"}, "htm"),
        ({"htm": "post"}, "htm"),
        ({"htu": None}, "htu"),
        ({"htu": 1}, "htu"),
        ({"htu": "https://auth.example.com/e/as/userinfo"}, "htu"),
        ({"htu": "http://auth.example.com/e/as/token"}, "htu"),
        ({"htu": "https://auth.example.com:8443/e/as/token"}, "htu"),
        ({"htu": "https://auth.example.com.evil.com/e/as/token"}, "htu"),
        ({"htu": "https://auth.example.com/e/as/token/"}, "htu"),
        ({"htu": "https://auth.example.com/E/as/token"}, "htu"),
        ({"htu": "https://user@auth.example.com/e/as/token"}, "htu"),
        ({"htu": "/e/as/token"}, "htu"),
        ({"htu": URI + "?" + "x" * 2048}, "htu"),
        ({"iat": None}, "iat"),
        ({"iat": str(int(NOW))}, "iat"),
        ({"iat": True}, "iat"),
        ({"iat": NOW + LEEWAY + 1}, "ahead"),
        ({"iat": NOW - PROOF_LIFETIME}, "ago"),
        ({"iat": 0}, "ago"),
        ({"iat": 10**40}, "ahead"),
        ({"nonce": 1}, "nonce"),
    ],
    ids=range(26),
)
def test_claims_that_are_not_of_this_request_are_refused(change, reason):
    assert reason in refusal(PROVER.prove("POST", URI, NOW, **change))


@pytest.mark.parametrize(
    "htu",
    [
        URI + "?a=b",
        URI + "#f",
        URI + "?a#b?c",
        "HTTPS://AUTH.example.com/e/as/token",
        "https://auth.example.com:443/e/as/token",
        "https://auth.example.com:/e/as/token",
        "https://auth.example.com/%65/as/token",
        "https://auth.example.com/x/../e/./as/token",
    ],
)
def test_a_uri_is_compared_normalised_and_without_query_and_fragment(htu):
    assert verify(PROVER.prove("POST", URI, NOW, htu=htu)).thumbprint == PROVER.thumbprint
    assert is_uri_of(htu, URI)


def test_a_proof_is_in_time_from_the_leeway_before_to_the_end_of_its_lifetime():
    verifier = ProofVerifier(lifetime=30)
    early = PROVER.prove("POST", URI, NOW + LEEWAY)
    assert verify(early, verifier=verifier)
    proof = verify(PROVER.prove("POST", URI, NOW), now=NOW + 29.9, verifier=verifier)
    assert proof.expires_at == NOW + 30
    assert "30 s ago" in refusal(PROVER.prove("POST", URI, NOW), now=NOW + 30, verifier=verifier)


@pytest.mark.parametrize("ath", [None, "", 1, text_of(sha256(b"other").digest()), "token"])
def test_a_proof_that_comes_with_a_token_names_that_token(ath):
    assert "ath" in refusal(PROVER.prove("POST", URI, NOW, "token", ath=ath), token="token")


def test_a_proof_names_its_token_by_the_hash():
    assert verify(PROVER.prove("POST", URI, NOW, "token"), token="token")
    assert "ath" in refusal(PROVER.prove("POST", URI, NOW, "token"), token="token2")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "a.b.c",
        "e30.e30.e30",
        PROVER.prove("POST", URI, NOW, padding="x" * 4096),
        PROVER.prove("POST", URI, NOW, header={"padding": "x" * 2048}),
        PROVER.sign(b'{"typ":"dpop+jwt","typ":"dpop+jwt"}', {}),
        PROVER.sign(PROVER.header(), b"[]"),
        PROVER.sign(PROVER.header(), b"not JSON"),
        PROVER.sign(PROVER.header(), b'{"a":' * 40 + b"1" + b"}" * 40),
        f"{PROVER.prove('POST', URI, NOW)}, {PROVER.prove('POST', URI, NOW)}",
        PROVER.prove("POST", URI, NOW) + "é",
    ],
    ids=range(12),
)
def test_what_is_no_jws_of_a_bounded_size_is_refused(text):
    assert refusal(text)


def test_the_longest_key_and_its_signature_fit():
    jwk = {"kty": "RSA", "n": text_of(b"\xff" * 512), "e": "AQAB"}
    proof = PROVER.prove("POST", URI, NOW, "token", header={"alg": "PS256", "jwk": jwk}, nonce="n" * 22)
    signed = f"{proof.rpartition('.')[0]}.{text_of(b'x' * 512)}"
    assert refusal(signed, token="token") == "the signature does not verify"


def test_an_id_is_its_keys_own():
    one, other = (verify(each.prove("POST", URI, NOW, jti="same")) for each in (PROVER, RSA))
    assert one.id_digest != other.id_digest


def test_nonces_are_good_for_one_to_two_periods_in_every_process():
    here, there = ProofNonces(b"key"), ProofNonces(b"key")
    start = NOW - NOW % NONCE_PERIOD
    proof = Proof("t", "j", NOW, here.current(start))
    for now in (start, start + NONCE_PERIOD, start + 2 * NONCE_PERIOD - 1):
        there.check(proof, now, required=True)
    for now in (start + 2 * NONCE_PERIOD, start - 1):
        with pytest.raises(UseDPoPNonce):
            there.check(proof, now, required=False)
    assert here.current(start) != here.current(start + NONCE_PERIOD)


def test_a_nonce_of_somebody_else_is_refused_and_lacking_one_only_where_one_is_required():
    nonces = ProofNonces(b"key")
    for nonce in (ProofNonces(b"other").current(NOW), "", "é", nonces.current(NOW)[:-1]):
        with pytest.raises(UseDPoPNonce):
            nonces.check(Proof("t", "j", NOW, nonce), NOW, required=False)
    nonces.check(Proof("t", "j", NOW, None), NOW, required=False)
    with pytest.raises(UseDPoPNonce):
        nonces.check(Proof("t", "j", NOW, None), NOW, required=True)


def test_each_proof_is_used_up_until_it_is_out_of_time():
    seen = SeenProofs(capacity=3)
    proofs = [Proof("t", f"j{index}", NOW + 120, None) for index in range(3)]
    for proof in proofs:
        assert not seen.is_full(NOW)
        assert seen.use(proof)
    assert seen.is_full(NOW)
    for later in (0, 60, 119.9):
        assert seen.is_full(NOW + later)
        # by its id and key: with another time it is the same one
        assert not any(seen.use(replace(each, expires_at=NOW + later + 120)) for each in proofs)
    assert not seen.is_full(NOW + 120 + 30)
    assert seen.use(Proof("u", "j0", NOW + 300, None))


def test_what_a_token_is_bound_to_is_read_or_refused():
    assert bound_key({}) is bound_key({"cnf": None}) is bound_key({"cnf": {"x5t#S256": "x"}}) is None
    assert bound_key({"cnf": {"jkt": "x"}}) == "x"
    for cnf in ("x", [], {"jkt": 1}, {"jkt": None}, {"jkt": ["x"]}):
        with pytest.raises(TokenInvalid):
            bound_key({"cnf": cnf})
    assert (token_type_of({}), token_type_of({"cnf": {"jkt": "x"}})) == ("Bearer", "DPoP")
