"""An ID token counts exactly where every rule of OpenID Connect Core section 3.1.3.7 holds."""

from hypothesis import given
from hypothesis import strategies as st

from deputize.oauth.assertions import LEEWAY
from deputize.oauth.relying_party import Expected, id_token_refusal, response_refusal
from support.agent_delegation import NOW

ISSUER, CLIENT, NONCE = "https://op.example", "client", "the-nonce"
RIGHT = {
    "iss": ISSUER,
    "aud": CLIENT,
    "nonce": NONCE,
    "sub": "user",
    "iat": int(NOW),
    "exp": int(NOW) + 60,
    "auth_time": int(NOW),
}
VALUES = st.one_of(
    st.sampled_from([ISSUER, CLIENT, NONCE, "user", "", f"{ISSUER}/", CLIENT.upper(), NONCE[:-1]]),
    st.sampled_from([[], [CLIENT], [CLIENT, "x"], ["x"], [[CLIENT]], {"client": 1}, None, True]),
    st.floats(NOW - 3 * LEEWAY, NOW + 3 * LEEWAY),
    st.sampled_from([int(NOW), -1, 0, 10**30, float(NOW - LEEWAY), NOW + LEEWAY]),
    st.text(max_size=8),
)
CHANGES = st.dictionaries(st.sampled_from([*RIGHT, "azp", "nbf"]), VALUES, max_size=3)


def number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def within(value, least, most):
    return number(value) and least <= value <= most


@given(CHANGES, st.sets(st.sampled_from([*RIGHT]), max_size=2), st.booleans())
def test_it_counts_exactly_where_every_rule_holds(changes, missing, is_fresh):
    claims = {name: each for name, each in {**RIGHT, **changes}.items() if name not in missing}
    expected = Expected(ISSUER, CLIENT, NONCE, NOW, is_fresh)
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    subject = claims.get("sub")
    counts = (
        claims.get("iss") == ISSUER
        and CLIENT in audiences
        and (claims["azp"] == CLIENT if claims.get("azp") is not None else len(audiences) == 1)
        and claims.get("nonce") == NONCE
        and number(claims.get("exp"))
        and claims["exp"] > NOW - LEEWAY
        and within(claims.get("iat"), NOW - LEEWAY, NOW + LEEWAY)
        and ("nbf" not in claims or within(claims["nbf"], 0, NOW + LEEWAY))
        and (not is_fresh or within(claims.get("auth_time"), NOW - LEEWAY, NOW + LEEWAY))
        and isinstance(subject, str)
        and 1 <= len(subject) <= 255
        and subject.isprintable()
    )
    assert (id_token_refusal(claims, expected, NOW) is None) == counts


@given(st.none() | st.sampled_from([ISSUER, f"{ISSUER}/", ISSUER.upper()]) | st.text(), st.booleans())
def test_a_response_that_names_an_issuer_is_that_ones_alone(named, says_issuer):
    parameters = {} if named is None else {"iss": named}
    counts = named == ISSUER or (named is None and not says_issuer)
    assert (response_refusal(parameters, ISSUER, says_issuer=says_issuer) is None) == counts
