import pytest

from deputize.jose import ALGORITHMS, KeyInvalid, SigningKey, generate_key

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "k"}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_survives_storage(algorithm):
    key = generate_key(algorithm, "k", 5.0)
    stored = key.to_json()
    again = SigningKey.from_json(stored)
    assert again == key
    assert again.to_json() == stored
    assert (key.state, key.created_at, key.retired_at) == ("next", 5.0, None)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_public_jwk_names_key_and_algorithm_and_has_no_private_member(algorithm):
    jwk = generate_key(algorithm, "k", 0.0).public_jwk
    assert not PRIVATE_MEMBERS & jwk.keys()
    assert (jwk["kid"], jwk["alg"], jwk["use"]) == ("k", algorithm, "sig")


def test_text_form_shows_no_secret():
    key = generate_key("ES256", "k", 0.0)
    assert str(key.private_jwk["d"]) not in repr(key)
    assert "jwk" not in repr(key)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS512", "", "es256"])
def test_generates_only_named_algorithms(algorithm):
    with pytest.raises(KeyInvalid, match="is not one of ES256, RS256, EdDSA, Ed25519"):
        generate_key(algorithm, "k", 0.0)


@pytest.mark.parametrize(
    "change",
    [
        {"kid": None},
        {"algorithm": "HS256"},
        {"algorithm": "RS256"},
        {"state": "spare"},
        {"jwk": None},
        {"jwk": {}},
        {"jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"}},
        {"jwk": {"kty": "oct", "k": "c2VjcmV0"}},
        {"created_at": "yesterday"},
        {"created_at": True},
        {"retired_at": "soon"},
    ],
)
def test_refuses_malformed_stored_keys(change):
    with pytest.raises(KeyInvalid):
        SigningKey.from_json({**generate_key("ES256", "k", 0.0).to_json(), **change})


def test_refuses_a_public_key():
    key = generate_key("ES256", "k", 0.0)
    public = {name: value for name, value in key.public_jwk.items() if name in {"kty", "crv", "x", "y"}}
    with pytest.raises(KeyInvalid, match="not a private ES256 key"):
        SigningKey.from_json({**key.to_json(), "jwk": public})


def test_refuses_another_curve():
    stored = generate_key("Ed25519", "k", 0.0).to_json()
    from joserfc.jwk import OKPKey  # noqa: PLC0415 - makes a key this product would not

    with pytest.raises(KeyInvalid, match="not a private Ed25519 key"):
        SigningKey.from_json({**stored, "jwk": OKPKey.generate_key("Ed448").as_dict(private=True)})
