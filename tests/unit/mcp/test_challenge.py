import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.mcp.challenge import Challenge, ChallengeError, bearer, parse_challenges, with_metadata

URL = "https://ig.example.com:8443/.well-known/oauth-protected-resource/mcp"
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126))


def test_a_bare_challenge_has_no_parameters():
    assert str(bearer(realm=None)) == "Bearer"


def test_values_are_quoted():
    assert str(bearer(realm='a "b" \\c', error="invalid_token")) == 'Bearer realm="a \\"b\\" \\\\c", error="invalid_token"'


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


@pytest.mark.parametrize("value", ['Bearer realm="x', '"x"', "Bearer realm=x y", "=", "a" * 9000])
def test_what_is_no_challenge(value):
    with pytest.raises(ChallengeError):
        parse_challenges(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Bearer", f'Bearer resource_metadata="{URL}"'),
        ('bearer error="x"', f'bearer error="x", resource_metadata="{URL}"'),
        ('Bearer Resource_Metadata="https://evil.example/"', f'Bearer resource_metadata="{URL}"'),
        ('Basic realm="x"', 'Basic realm="x"'),
        ('Bearer realm="x', f'Bearer resource_metadata="{URL}"'),
        ("", f'Bearer resource_metadata="{URL}"'),
    ],
)
def test_pointing_at_metadata(value, expected):
    assert with_metadata(value, URL) == expected


@given(st.text(max_size=80))
def test_any_value_is_read_or_refused_and_never_points_elsewhere(value):
    for each in parse_challenges(with_metadata(value, URL)):
        assert each.scheme.lower() != "bearer" or each.parameters["resource_metadata"] == URL
