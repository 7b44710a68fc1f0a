import base64

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from deputize.jose import (
    VERIFIABLE_ALGORITHMS,
    KeyInvalid,
    TokenInvalid,
    encode_base64url,
    parse_compact,
    parse_public_key,
)

EC = ECKey.generate_key("P-256")
RSA = RSAKey.generate_key(2048)
ED = OKPKey.generate_key("Ed25519")
KEYS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSA),
    "ES256": EC,
    "ES384": ECKey.generate_key("P-384"),
    "ES512": ECKey.generate_key("P-521"),
    "Ed25519": ED,
    "EdDSA": ED,
}


def text_of(octets):
    return encode_base64url(octets).decode()


def public(key):
    return key.as_dict(private=False)


def signed(algorithm, key, header=b'{"alg":"x"}'):
    signing_input = encode_base64url(header) + b"." + encode_base64url(b"{}")
    known = "Ed25519" if algorithm == "EdDSA" else algorithm
    signature = JWSRegistry(algorithms=[known]).get_alg(known).sign(signing_input, key)
    return parse_compact(b".".join([signing_input, encode_base64url(signature)]).decode(), 4096, 512)


@pytest.mark.parametrize("algorithm", VERIFIABLE_ALGORITHMS)
def test_each_algorithm_verifies_with_its_own_kind_of_key_only(algorithm):
    jws = signed(algorithm, KEYS[algorithm])
    parse_public_key(public(KEYS[algorithm])).check(jws, algorithm)
    for other in {id(key): key for key in KEYS.values()}.values():
        if other is not KEYS[algorithm]:
            with pytest.raises(TokenInvalid, match="not one for"):
                parse_public_key(public(other)).check(jws, algorithm)


def test_the_same_kind_of_key_does_not_verify_what_another_signed():
    with pytest.raises(TokenInvalid, match="does not verify"):
        parse_public_key(public(ECKey.generate_key("P-256"))).check(signed("ES256", EC), "ES256")


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256", "ES384", ""])
def test_a_key_verifies_nothing_by_an_algorithm_that_is_not_its_own(algorithm):
    with pytest.raises(TokenInvalid, match="not one for"):
        parse_public_key(public(EC)).check(signed("ES256", EC), algorithm)


def test_the_thumbprint_is_that_of_rfc_7638():
    # The key of the examples of RFC 9449; section 6.1 has its thumbprint.
    jwk = {
        "kty": "EC",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        "crv": "P-256",
        "kid": "not of the thumbprint",
    }
    assert parse_public_key(jwk).thumbprint == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
    for key in (RSA, ED):
        assert parse_public_key(public(key)).thumbprint == key.thumbprint()


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_a_private_or_symmetric_member_is_refused_whatever_it_holds(member):
    for key in (EC, RSA, ED):
        with pytest.raises(KeyInvalid, match="private or a symmetric"):
            parse_public_key({**public(key), member: "AA"})


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "oct"},
        {"kty": None},
        {"kty": ["EC"]},
        {"crv": "secp256k1"},
        {"crv": "P-384"},
        {"crv": {}},
        {"x": None},
        {"x": 1},
        {"x": ""},
        {"x": "AA"},
        {"x": f"{EC.as_dict()['x']}="},
        {"x": text_of(b"\0" + base64.urlsafe_b64decode(EC.as_dict()["x"] + "="))},
        {"x": f"{EC.as_dict()['x'][:-1]}é"},
        {"y": EC.as_dict()["x"]},  # a point that is not on the curve
    ],
    ids=range(14),
)
def test_what_is_no_public_key_in_its_one_spelling_is_refused(change):
    jwk = {name: value for name, value in {**public(EC), **change}.items() if value is not None}
    with pytest.raises(KeyInvalid):
        parse_public_key(jwk)


def test_rsa_keys_are_neither_weak_nor_costly():
    modulus = RSA.as_dict()["n"]
    for n, e in (
        (text_of(b"\xff" * 128), "AQAB"),  # 1024 bits
        (text_of(b"\xff" * 513), "AQAB"),  # 4104 bits
        (modulus, text_of(b"\x01" * 5)),
        (modulus, "AA"),
        (modulus, text_of(b"\0\x01\0\x01")),  # a second spelling
    ):
        with pytest.raises(KeyInvalid):
            parse_public_key({"kty": "RSA", "n": n, "e": e})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b",
        "e30.e30.",  # of which the signature alone is empty: decoded, and then refused by every key
        "e30.e30.AA.AA",
        "e30=.e30.AA",
        " e30.e30.AA",
        "e30.e30.AB",  # bits left over
        "e30.e30.A",
        "e30.e30.A+",
        "W10.e30.AA",  # a header that is no object
        "eyJhIjoxLCJhIjoyfQ.e30.AA",  # a member twice
        text_of(b'{"crit":["exp"],"exp":1}') + ".e30.AA",
        text_of(b'{"a":"' + b"x" * 500 + b'"}') + ".e30.AA",
        f"e30.{'A' * 4096}.AA",
    ],
    ids=range(14),
)
def test_a_jws_has_one_spelling_and_limits(text):
    if text == "e30.e30.":
        with pytest.raises(TokenInvalid, match="does not verify"):
            parse_public_key(public(EC)).check(parse_compact(text, 4096, 512), "ES256")
        return
    with pytest.raises(TokenInvalid):
        parse_compact(text, 4096, 512)
