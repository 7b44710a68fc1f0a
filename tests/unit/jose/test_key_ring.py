from dataclasses import replace

import pytest

from deputize.jose import (
    KeyInvalid,
    KeyRing,
    TokenInvalid,
    complete_keys,
    generate_key,
    new_key_ring,
    outlived_at,
    rotate,
    sign,
    verify,
    without_outlived,
)
from deputize.jose.key_ring import MAX_TOKEN_LIFETIME

RING = new_key_ring("a", "b", 100.0)
CLAIMS = {"iss": "i", "exp": 10**10}


def states(ring):
    return {key.kid: key.state for key in ring.keys}


def test_new_ring_has_a_current_and_a_next_key():
    assert states(RING) == {"a": "current", "b": "next"}
    assert RING.signing_key("ES256").kid == "a"
    assert RING.algorithms == ("ES256",)


def test_publishes_every_key_so_that_caches_know_the_next_one_before_it_signs():
    published = rotate(RING, 200.0, generate_key("ES256", "c", 200.0)).public_jwks()
    assert [key["kid"] for key in published["keys"]] == ["b", "c", "a"]


def test_rotation_moves_every_key_on():
    rotated = rotate(RING, 200.0, generate_key("ES256", "c", 200.0))
    assert states(rotated) == {"b": "current", "c": "next", "a": "retired"}
    assert rotated.find("a").retired_at == 200.0


def test_rotation_without_a_next_key_signs_with_the_new_one():
    ring = KeyRing((generate_key("ES256", "a", 0.0, "current"),))
    assert states(rotate(ring, 1.0, generate_key("ES256", "b", 1.0))) == {"b": "current", "a": "retired"}


def test_tokens_of_a_retired_key_verify_until_it_is_dropped():
    token = sign(CLAIMS, RING)
    once = rotate(RING, 200.0, generate_key("ES256", "c", 200.0))
    assert verify(token, once, "i", 200.0)["iss"] == "i"
    kept = rotate(once, 199.0 + MAX_TOKEN_LIFETIME, generate_key("ES256", "d", 0.0))
    assert kept.find("a")
    dropped = rotate(once, 201.0 + MAX_TOKEN_LIFETIME, generate_key("ES256", "d", 0.0))
    assert dropped.find("a") is None
    with pytest.raises(TokenInvalid, match="names no key"):
        verify(token, dropped, "i", 200.0)


def test_each_algorithm_has_keys_of_its_own_and_is_named_when_it_signs():
    rotated = rotate(rotate(RING, 1.0, generate_key("RS256", "c", 1.0)), 2.0, generate_key("EdDSA", "d", 2.0))
    assert rotated.algorithms == ("ES256", "RS256", "EdDSA")
    assert states(rotated) == {"a": "current", "b": "next", "c": "current", "d": "current"}
    tokens = [sign(CLAIMS, rotated, algorithm=each) for each in rotated.algorithms]
    assert [verify(each, rotated, "i", 0.0) for each in tokens] == [CLAIMS] * 3
    with pytest.raises(KeyInvalid, match="deputize keys rotate --algorithm Ed25519"):
        sign(CLAIMS, rotated, algorithm="Ed25519")


def test_completing_makes_what_is_missing_and_nothing_else():
    new_kid = map("n{}".format, range(9)).__next__
    complete = complete_keys(RING.keys, ("ES256", "EdDSA"), 5.0, new_kid)
    assert states(complete) == {"a": "current", "b": "next", "n0": "current", "n1": "next"}
    assert complete_keys(complete.keys, ("EdDSA",), 6.0, new_kid) == complete


@pytest.mark.parametrize(
    "keys",
    [(), RING.keys[1:], (RING.keys[0], replace(RING.keys[1], state="current")), (RING.keys[0], *RING.keys)],
)
def test_has_a_current_key_not_two_of_an_algorithm_and_every_kid_once(keys):
    with pytest.raises(KeyInvalid):
        KeyRing(keys)


def test_rotation_refuses_a_kid_that_is_taken():
    with pytest.raises(KeyInvalid):
        rotate(RING, 1.0, generate_key("ES256", "a", 1.0))


def test_a_retired_key_is_gone_when_the_last_token_it_signed_is():
    once = rotate(RING, 200.0, generate_key("ES256", "c", 200.0))
    assert outlived_at(once.find("a")) == 200.0 + MAX_TOKEN_LIFETIME
    assert outlived_at(once.signing_key("ES256")) is None
    assert without_outlived(once, 199.0 + MAX_TOKEN_LIFETIME) == once
    assert [key.kid for key in without_outlived(once, 200.0 + MAX_TOKEN_LIFETIME).keys] == ["b", "c"]
