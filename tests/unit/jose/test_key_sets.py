import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey

from deputize.jose import (
    VERIFIABLE_ALGORITHMS,
    KeyInvalid,
    TokenInvalid,
    choose_keys,
    key_of_certificate,
    parse_foreign_token,
    read_key_set,
    verify_with,
)
from deputize.jose.key_sets import MAX_KEYS, MAX_TRIES
from support.examples import examples
from support.issuers import ALGORITHMS, CLAIMS, jwk_set, public_jwk, signed

EC, RSA = ALGORITHMS["ES256"], ALGORITHMS["RS256"]
EVERY = VERIFIABLE_ALGORITHMS


def encoded(value):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def verified(token, keys, algorithms=EVERY):
    parsed = parse_foreign_token(token)
    return verify_with(parsed, choose_keys(parsed, keys, algorithms))


def only(jwk):
    """Return the one key that a set of that one has."""
    (key,) = read_key_set({"keys": [jwk]})
    return key


@pytest.mark.parametrize("algorithm", EVERY)
def test_verifies_with_each_algorithm(algorithm):
    keys = read_key_set(jwk_set(k1=ALGORITHMS[algorithm]))
    assert verified(signed(ALGORITHMS[algorithm], alg=algorithm, kid="k1"), keys) == CLAIMS


@pytest.mark.parametrize("algorithm", EVERY)
@pytest.mark.parametrize("other", EVERY)
def test_an_algorithm_that_is_not_named_is_none(algorithm, other):
    keys = read_key_set(jwk_set(k1=ALGORITHMS[algorithm]))
    token = signed(ALGORITHMS[algorithm], alg=algorithm, kid="k1")
    assert bool(choose_keys(parse_foreign_token(token), keys, (other,))) == (algorithm == other)


def test_a_key_named_for_one_algorithm_verifies_by_no_other():
    keys = (only(public_jwk(RSA, "k1", alg="PS256")),)
    assert verified(signed(RSA, alg="PS256", kid="k1"), keys) == CLAIMS
    assert not choose_keys(parse_foreign_token(signed(RSA, alg="RS256", kid="k1")), keys, EVERY)


@pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
def test_a_key_for_ed25519_has_both_of_its_names(name):
    key = only(public_jwk(ALGORITHMS["EdDSA"], alg=name))
    assert key.algorithms == {"EdDSA", "Ed25519"}


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "HS512", "ES256K", "RSA-OAEP", ""])
def test_no_other_algorithm_is_known(algorithm):
    keys = read_key_set(jwk_set(k1=EC, k2=RSA))
    token = f"{encoded({'alg': algorithm, 'kid': 'k1'})}.{encoded(CLAIMS)}."
    assert not choose_keys(parse_foreign_token(token), keys, (*EVERY, algorithm))


def test_the_public_key_is_no_hmac_secret():
    pem = RSA.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signing_input = f"{encoded({'alg': 'HS256', 'kid': 'k1'})}.{encoded(CLAIMS)}"
    mac = hmac.new(pem, signing_input.encode(), hashlib.sha256).digest()
    with pytest.raises(TokenInvalid):
        verified(f"{signing_input}.{encoded(mac)}", read_key_set(jwk_set(k1=RSA)), ("HS256", "RS256"))


def test_keys_that_the_token_brings_are_ignored():
    stranger = ECKey.generate_key("P-256")
    token = signed(stranger, kid="k1", jwk=public_jwk(stranger))
    with pytest.raises(TokenInvalid, match="does not verify"):
        verified(token, read_key_set(jwk_set(k1=EC)))


def test_of_two_keys_with_one_kid_either_may_have_signed():
    other = ECKey.generate_key("P-256")
    keys = read_key_set({"keys": [public_jwk(other, "k"), public_jwk(EC, "k")]})
    assert verified(signed(EC, kid="k"), keys) == CLAIMS


def test_a_kid_chooses_and_keys_without_one_stand_in():
    named, unnamed = only(public_jwk(EC, "a")), only(public_jwk(EC))
    find = lambda kid, *keys: choose_keys(parse_foreign_token(signed(EC, kid=kid)), keys, EVERY)  # noqa: E731
    assert find("a", named, unnamed) == (named,)
    assert find("b", named, unnamed) == (unnamed,)
    assert find(None, named, unnamed) == (named, unnamed)
    assert find("b", named) == ()
    assert len(find(None, *[named] * 50)) == MAX_TRIES


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "k": "AAAA"},
        {"kty": "EC"},
        EC.as_dict(private=True),
        {"kty": "XX", "alg": "ES256"},
        public_jwk(EC, use="enc"),
        public_jwk(EC, use=["sig"]),
        public_jwk(EC, use={}),
        public_jwk(EC, key_ops=["encrypt"]),
        public_jwk(EC, key_ops="verify"),
        public_jwk(EC, alg="ES384"),
        public_jwk(EC, alg="HS256"),
        public_jwk(EC, alg=7),
        public_jwk(EC, x="AAAA"),
        public_jwk(RSA, n=public_jwk(RSA)["n"][:171]),
        public_jwk(OKPKey.generate_key("X25519")),
        public_jwk(OKPKey.generate_key("Ed448")),
        public_jwk(ECKey.generate_key("secp256k1")),
        [],
        None,
        "key",
    ],
)
def test_keys_that_verify_nothing_are_left_out(jwk):
    assert [key.kid for key in read_key_set({"keys": [jwk, public_jwk(EC, "good")]})] == ["good"]


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, {"keys": [{}] * (MAX_KEYS + 1)}], ids=str)
def test_what_is_no_key_set(document):
    with pytest.raises(KeyInvalid):
        read_key_set(document)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
def test_keys_of_certificates_verify_too(algorithm):
    key = key_of_certificate(ALGORITHMS[algorithm].public_key)
    assert verified(signed(ALGORITHMS[algorithm], alg=algorithm, kid="any"), (key,)) == CLAIMS


@pytest.mark.parametrize(
    "token",
    [
        "",
        "..",
        "a.b",
        "a.b.c.d",
        "a.b.c.d.e",
        "a.b.c.d.e.f",
        "\u00e4.b.c",
        f"{encoded({'alg': 'ES256'})}.\u00e4.c",
        f"{encoded([])}.b.c",
        f"{encoded({'alg': 7})}.b.c",
        f"{encoded({})}.b.c",
        f"{encoded({'alg': 'ES256', 'kid': 7})}.b.c",
        f"{encoded({'alg': 'ES256', 'typ': []})}.b.c",
        f"{encoded({'alg': 'ES256', 'crit': ['exp']})}.b.c",
        f"{encoded({'alg': 'ES256', 'crit': []})}.b.c",
        encoded(b'{"alg":"none","alg":"ES256"}') + ".b.c",
        f"{encoded({'alg': 'ES256', 'x': 'y' * 5000})}.b.c",
        encoded({"alg": "ES256"}) + "=.b.c",
    ],
    ids=lambda token: token[:24] or "empty",
)
def test_what_is_no_jwt_is_refused(token):
    with pytest.raises(TokenInvalid):
        parse_foreign_token(token)


def test_claims_nested_too_deep_are_refused():
    deep = b'{"a":' * 40 + b"1" + b"}" * 40
    with pytest.raises(TokenInvalid, match="deeper"):
        verified(signed(EC, deep), read_key_set(jwk_set(k1=EC)))


@given(st.data())
@settings(max_examples=examples(200))
def test_no_change_of_a_token_is_believed(data):
    token = signed(EC, kid="k1")
    at = data.draw(st.integers(0, len(token) - 1))
    written = data.draw(st.sampled_from("ABCDwxyz0189-_.=+/ \u00e4") | st.just(""))
    kept = data.draw(st.booleans())
    changed = token[:at] + written + token[at + (not kept) :]
    keys = read_key_set(jwk_set(k1=EC))
    if changed != token:
        with pytest.raises(TokenInvalid):
            verified(changed, keys)


MEMBERS = ["kid", "use", "key_ops", "alg", "kty", "crv", "x", "y", "n", "e", "d", "k", "x5c"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.sampled_from(["sig", "EC", "AQAB"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=examples(300))
@given(st.sampled_from(sorted(ALGORITHMS)), st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=3), JSON)
def test_whatever_a_key_is_the_others_are_read(algorithm, changes, odd):
    spoilt = {**public_jwk(ALGORITHMS[algorithm], "spoilt"), **changes}
    assert "good" in [key.kid for key in read_key_set({"keys": [spoilt, odd, public_jwk(EC, "good")]})]


@settings(max_examples=examples(300))
@given(
    st.sampled_from(EVERY),
    st.binary(max_size=140)
    | st.builds(lambda octet, size: octet * size, st.binary(max_size=1), st.integers(0, 513)),
)
def test_whatever_a_signature_is_it_is_right_or_wrong(algorithm, signature):
    head, _, _ = signed(ALGORITHMS[algorithm], alg=algorithm).rpartition(".")
    with pytest.raises(TokenInvalid):
        verified(f"{head}.{encoded(signature)}", read_key_set(jwk_set(k1=ALGORITHMS[algorithm])))
