from dataclasses import replace

import pytest

from deputize.jose import (
    KeyInvalid,
    KeyRing,
    TokenInvalid,
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
    assert RING.current.kid == "a"
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


def test_algorithm_can_change_with_a_rotation():
    rotated = rotate(
        rotate(RING, 1.0, generate_key("RS256", "c", 1.0)), 2.0, generate_key("Ed25519", "d", 2.0)
    )
    assert rotated.algorithms == ("RS256", "Ed25519", "ES256")
    assert verify(sign(CLAIMS, RING), rotated, "i", 0.0) == verify(sign(CLAIMS, rotated), rotated, "i", 0.0)


@pytest.mark.parametrize(
    "keys",
    [(), RING.keys[1:], (RING.keys[0], replace(RING.keys[1], state="current")), (RING.keys[0], *RING.keys)],
)
def test_has_exactly_one_current_key_and_every_kid_once(keys):
    with pytest.raises(KeyInvalid):
        KeyRing(keys)


def test_rotation_refuses_a_kid_that_is_taken():
    with pytest.raises(KeyInvalid):
        rotate(RING, 1.0, generate_key("ES256", "a", 1.0))


def test_a_retired_key_is_gone_when_the_last_token_it_signed_is():
    once = rotate(RING, 200.0, generate_key("ES256", "c", 200.0))
    assert outlived_at(once.find("a")) == 200.0 + MAX_TOKEN_LIFETIME
    assert outlived_at(once.current) is None
    assert without_outlived(once, 199.0 + MAX_TOKEN_LIFETIME) == once
    assert [key.kid for key in without_outlived(once, 200.0 + MAX_TOKEN_LIFETIME).keys] == ["b", "c"]
