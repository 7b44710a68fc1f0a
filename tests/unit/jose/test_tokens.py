import base64
import hmac
import json
from dataclasses import replace
from hashlib import sha256

import pytest

from deputize.jose import (
    ACCESS_TOKEN_TYPE,
    ALGORITHMS,
    ID_TOKEN_TYPE,
    KeyRing,
    TokenInvalid,
    Verifier,
    generate_key,
    new_key_ring,
    sign,
    verify,
)
from deputize.jose.tokens import MAX_TOKEN

RING = new_key_ring("a", "b", 0.0)
CLAIMS = {"iss": "https://as", "exp": 2000, "sub": "Zoë", "act": {"sub": "x"}}


def encode(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def header_of(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))


def refusal(token, now=1000.0, ring=RING, issuer="https://as", typ=ACCESS_TOKEN_TYPE):
    with pytest.raises(TokenInvalid) as caught:
        verify(token, ring, issuer, now, typ)
    return caught.value.reason


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_round_trip_with_each_algorithm(algorithm):
    ring = new_key_ring("a", "b", 0.0, algorithm)
    token = sign(CLAIMS, ring, ACCESS_TOKEN_TYPE, algorithm)
    assert verify(token, ring, "https://as", 1000.0) == CLAIMS
    assert header_of(token) == {"alg": algorithm, "kid": "a", "typ": "at+jwt"}


def test_expiry_and_not_before_are_checked_against_the_time_given():
    assert verify(sign(CLAIMS, RING), RING, "https://as", 1999.9)
    assert refusal(sign(CLAIMS, RING), 2000.0) == "expired"
    assert refusal(sign({**CLAIMS, "nbf": 1001}, RING)) == "not valid yet"
    assert verify(sign({**CLAIMS, "nbf": 1000}, RING), RING, "https://as", 1000.0)


@pytest.mark.parametrize("exp", [None, "2000", True])
def test_expiry_must_be_a_number(exp):
    assert refusal(sign({**CLAIMS, "exp": exp}, RING)) == "exp is not a number"


def test_a_token_without_expiry_is_refused():
    assert refusal(sign({"iss": "https://as"}, RING)) == "exp is not a number"


def test_issuer_is_compared_as_text():
    assert refusal(sign(CLAIMS, RING), issuer="https://as/") == "another issuer's"


def test_id_tokens_do_not_pass_as_access_tokens():
    assert refusal(sign(CLAIMS, RING, ID_TOKEN_TYPE)) == "its type is not at+jwt"
    assert refusal(sign(CLAIMS, RING), typ=ID_TOKEN_TYPE) == "its type is not JWT"


def test_none_is_never_an_algorithm():
    assert (
        refusal(f"{encode({'alg': 'none', 'kid': 'a', 'typ': 'at+jwt'})}.{encode(CLAIMS)}.")
        == "its algorithm is not the named key's"
    )


def test_the_public_key_is_no_hmac_secret():
    signed = f"{encode({'alg': 'HS256', 'kid': 'a', 'typ': 'at+jwt'})}.{encode(CLAIMS)}"
    key = RING.signing_key("ES256")
    for secret in (key.parsed.as_pem(private=False), json.dumps(key.public_jwk).encode()):
        mac = encode(hmac.new(secret, signed.encode(), sha256).digest())
        assert refusal(f"{signed}.{mac}") == "its algorithm is not the named key's"


@pytest.mark.parametrize("named", ALGORITHMS)
@pytest.mark.parametrize("signing", ALGORITHMS)
def test_a_key_is_for_one_algorithm_also_where_another_of_the_ring_is_named(signing, named):
    """Two names of one kind of key are no exception: a token is what its key's own name says."""
    ring = KeyRing(
        tuple(key for each in ALGORITHMS for key in new_key_ring(each, f"{each}-next", 0.0, each).keys)
    )
    header, _, rest = sign(CLAIMS, ring, algorithm=signing).partition(".")
    token = f"{encode({**header_of(f'{header}.'), 'alg': named})}.{rest}"
    if named != signing:
        assert refusal(token, ring=ring) == "its algorithm is not the named key's"
    elsewhere = f"{encode({'alg': named, 'kid': named, 'typ': 'at+jwt'})}.{encode(CLAIMS)}"
    signature = encode(ring.signing_key(signing).sign(elsewhere.encode()))
    if named != signing:
        assert "the signature does not verify" in refusal(f"{elsewhere}.{signature}", ring=ring)


def test_an_embedded_key_is_ignored():
    mine = generate_key("ES256", "a", 0.0, "current")
    token = sign(CLAIMS, KeyRing((mine,)))
    header = {**header_of(token), "jwk": mine.public_jwk, "jku": "https://evil.example"}
    assert "names no key" not in refusal(".".join([encode(header), *token.split(".")[1:]]))


@pytest.mark.parametrize("kid", [None, 1, "", "c", ["a"]])
def test_unknown_keys_are_refused(kid):
    header = {"alg": "ES256", "typ": "at+jwt", **({} if kid is None else {"kid": kid})}
    assert refusal(f"{encode(header)}.{encode(CLAIMS)}.AA") == "names no key of this environment"


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "x" * 100,
        "ä.b.c",
        encode({"alg": "ES256"}),
        f"{encode(b'[]')}.x.x",
        f"{encode(b'{')}.x.x",
        "\ud800.b.c",
        "A" * 600 + ".",
    ],
)
def test_what_is_no_jwt_is_refused(token):
    assert refusal(token)


def test_duplicate_header_members_are_refused():
    doubled = encode(b'{"alg":"none","alg":"ES256","kid":"a","typ":"at+jwt"}')
    assert "stands twice" in refusal(f"{doubled}.{encode(CLAIMS)}.AA")


def test_extra_segments_and_padding_are_refused():
    token = sign(CLAIMS, RING)
    assert refusal(f"{token}.")
    assert refusal(f"{token}==")
    assert refusal(f"{token}\n")


def test_oversized_tokens_are_refused_before_anything_is_decoded():
    assert refusal("e30." + "A" * MAX_TOKEN) == "not a JWT, or too large a one"


def test_crit_extensions_are_refused():
    header = encode({"alg": "ES256", "kid": "a", "typ": "at+jwt", "crit": ["b64"], "b64": False})
    assert refusal(f"{header}.{encode(CLAIMS)}.{'A' * 86}")


def test_verifier_remembers_signatures_only():
    verifier, token = Verifier(), sign(CLAIMS, RING)
    assert (
        verifier.verify(token, RING, "https://as", 1000.0)
        == verifier.verify(token, RING, "https://as", 1001.0)
        == CLAIMS
    )
    for arguments in (
        ("https://as", 2000.0),
        ("https://other", 1000.0),
        ("https://as", 1000.0, ID_TOKEN_TYPE),
    ):
        with pytest.raises(TokenInvalid):
            verifier.verify(token, RING, *arguments)


def test_verifier_forgets_with_the_key():
    verifier, token = Verifier(), sign(CLAIMS, RING)
    verifier.verify(token, RING, "https://as", 1000.0)
    replaced = replace(generate_key("ES256", "a", 0.0), state="current")
    for ring in (new_key_ring("x", "y", 0.0), KeyRing((replaced,))):
        with pytest.raises(TokenInvalid):
            verifier.verify(token, ring, "https://as", 1000.0)


def test_verifier_hands_out_copies():
    verifier, token = Verifier(), sign(CLAIMS, RING)
    first = verifier.verify(token, RING, "https://as", 1000.0)
    first.clear()
    assert verifier.verify(token, RING, "https://as", 1000.0) == CLAIMS


def test_verifier_is_bounded():
    verifier = Verifier(capacity=2)
    tokens = [sign({**CLAIMS, "n": n}, RING) for n in range(5)]
    for token in tokens:
        verifier.verify(token, RING, "https://as", 1000.0)
    assert len(verifier._seen) == 2


def test_verifier_refuses_text_that_cannot_be_encoded():
    with pytest.raises(TokenInvalid):
        Verifier().verify("\ud800", RING, "https://as", 1000.0)
