import pytest

from deputize.oauth.pkce import challenge_of, is_challenge, verifies

# RFC 7636 appendix B
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_vector_of_the_specification():
    assert challenge_of(VERIFIER) == CHALLENGE
    assert verifies(VERIFIER, CHALLENGE)


def test_plain_does_not_verify():
    assert not verifies(CHALLENGE, CHALLENGE)


@pytest.mark.parametrize(
    "verifier",
    ["", "x" * 42, "x" * 129, VERIFIER + "\n", VERIFIER[:-1] + "é", VERIFIER[:-1] + " ", VERIFIER + "="],
)
def test_malformed_verifiers_verify_nothing(verifier):
    assert not verifies(verifier, CHALLENGE)


@pytest.mark.parametrize(
    ("text", "fits"),
    [(CHALLENGE, True), (CHALLENGE + "=", False), (CHALLENGE[:-1], False), ("", False), ("+" * 43, False)],
)
def test_a_challenge_is_the_base64url_of_a_sha256(text, fits):
    assert is_challenge(text) is fits
