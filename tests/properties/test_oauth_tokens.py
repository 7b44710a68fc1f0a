"""Any change to a valid token makes it invalid."""

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deputize.jose import ALGORITHMS, TokenInvalid, Verifier, new_key_ring, sign, verify

RINGS = {algorithm: new_key_ring("a", "b", 0.0, algorithm) for algorithm in ALGORITHMS}
CLAIMS = {"iss": "https://as", "exp": 2000, "sub": "demouser", "act": {"sub": "agent"}}
TOKENS = {algorithm: sign(CLAIMS, ring, algorithm=algorithm) for algorithm, ring in RINGS.items()}
characters = st.sampled_from(string.ascii_letters + string.digits + "-_.=+/ \n\x00é")
algorithms = st.sampled_from(ALGORITHMS)


def assert_refused(token, algorithm):
    verifier = Verifier()
    verifier.verify(TOKENS[algorithm], RINGS[algorithm], "https://as", 1000.0)
    for each in (verify, verifier.verify):
        with pytest.raises(TokenInvalid):
            each(token, RINGS[algorithm], "https://as", 1000.0)


@given(algorithms, st.data())
def test_replacing_a_character(algorithm, data):
    token = TOKENS[algorithm]
    at, character = data.draw(st.integers(0, len(token) - 1)), data.draw(characters)
    assume(token[at] != character)
    assert_refused(token[:at] + character + token[at + 1 :], algorithm)


@given(algorithms, st.data())
def test_inserting_and_deleting(algorithm, data):
    token = TOKENS[algorithm]
    at = data.draw(st.integers(0, len(token) - 1))
    assert_refused(token[:at] + data.draw(characters) + token[at:], algorithm)
    assert_refused(token[:at] + token[at + 1 :], algorithm)


@given(algorithms, algorithms, st.permutations(range(3)), st.integers(0, 7))
def test_mixing_the_parts_of_two_tokens(one, other, order, choice):
    parts = [TOKENS[one if choice >> index & 1 else other].split(".")[index] for index in range(3)]
    mixed = ".".join(parts[index] for index in order)
    assume(mixed not in TOKENS.values())
    assert_refused(mixed, one)


@given(st.text(max_size=200) | st.lists(st.text(max_size=20), min_size=3, max_size=3).map(".".join))
def test_arbitrary_text_is_refused_and_nothing_else_happens(text):
    assert_refused(text, "ES256")


@given(
    st.dictionaries(
        st.text(
            alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8
        ),  # no name has NUL
        st.none()
        | st.booleans()
        | st.integers(-(2**53) + 1, 2**53 - 1)
        | st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20),
        max_size=6,
    ),
    algorithms,
)
def test_what_was_signed_is_what_is_read(claims, algorithm):
    assume(all(not any(0xD800 <= ord(character) <= 0xDFFF for character in name) for name in claims))
    claims = {
        **{name: value for name, value in claims.items() if name != "nbf"},
        "iss": "https://as",
        "exp": 2000,
    }
    assert (
        verify(sign(claims, RINGS[algorithm], algorithm=algorithm), RINGS[algorithm], "https://as", 1000.0)
        == claims
    )
