import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.mcp.challenge import Challenge, ChallengeError, bearer, parse_challenges, relayed_challenges

TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126))


def test_a_bare_challenge_has_no_parameters():
    assert str(bearer(realm=None)) == "Bearer"


def test_values_are_quoted():
    assert (
        str(bearer(realm='a "b" \\c', error="invalid_token"))
        == 'Bearer realm="a \\"b\\" \\\\c", error="invalid_token"'
    )


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x=y", "caf\xe9", "a\x00b", "\u2028"])
def test_nothing_a_header_cannot_carry_gets_out(value):
    text = str(bearer(error_description=value))
    assert text.isascii()
    assert text.isprintable()


@given(TEXTS)
def test_quoting_and_parsing_lead_back(value):
    assert parse_challenges(str(bearer(realm=value))) == [bearer(realm=value)]


@pytest.mark.parametrize(
    ("value", "challenges"),
    [
        ("Bearer", [Challenge("Bearer", {})]),
        ("Bearer realm=x", [Challenge("Bearer", {"realm": "x"})]),
        (
            'Bearer realm="x, y", error=a, Basic realm="z"',
            [Challenge("Bearer", {"realm": "x, y", "error": "a"}), Challenge("Basic", {"realm": "z"})],
        ),
        ("Negotiate YII=, Bearer", [Challenge("Negotiate", {}, "YII="), Challenge("Bearer", {})]),
        ("Bearer, Basic realm=z", [Challenge("Bearer", {}), Challenge("Basic", {"realm": "z"})]),
        (" , Bearer ,", [Challenge("Bearer", {})]),
        ("", []),
    ],
)
def test_reading_challenges(value, challenges):
    assert parse_challenges(value) == challenges


@pytest.mark.parametrize(
    "value",
    [
        'Bearer realm="x',
        '"x"',
        "Bearer realm=x y",
        "Bearer a=1, A=2",
        "Bearer Basic realm=x",
        "Bearer (x",
        "=",
        "a" * 9000,
    ],
)
def test_what_is_no_challenge(value):
    with pytest.raises(ChallengeError):
        parse_challenges(value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["Bearer"], ["Bearer"]),
        (['bearer error="invalid_token"'], ['Bearer error="invalid_token"']),
        (
            ['BEARER Error=insufficient_scope, SCOPE="a b"'],
            ['Bearer error="insufficient_scope", scope="a b"'],
        ),
        (['Bearer realm="resource_metadata=http://evil.example/ "'], ["Bearer"]),
        (['Bearer scope="resource_metadata=http://evil.example/"'], ["Bearer"]),
        (['Bearer error_description="x, resource_metadata=\\"http://evil.example/\\""'], ["Bearer"]),
        (['Bearer Resource_Metadata="https://evil.example/"'], ["Bearer"]),
        (["Bearer x_resource_metadata=evil.example"], ["Bearer"]),
        (["Bearer x_resource_metadata=http:evil"], []),
        (['DPoP algs="ES256", resource_metadata="http://evil.example/"'], ['DPoP algs="ES256"']),
        (['Bearer error=a, Basic realm="x", DPoP algs=b'], ['Bearer error="a"', 'DPoP algs="b"']),
        (["Basic realm=x", "Negotiate", "Bearer abc=", "Bearer"], ["Bearer"]),
        (["Bearer error=a, error=b"], []),
        (["Bearer error=a, ERROR=b"], []),
        (['Bearer error="a" resource_metadata="http://evil.example/"'], []),
        (['Bearer realm="x'], []),
        (["Bearer\trealm=x"], []),
        ([""], []),
        ([], []),
    ],
)
def test_what_a_client_sees_of_others_challenges(values, expected):
    assert [str(each) for each in relayed_challenges(values)] == expected
