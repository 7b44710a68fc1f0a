"""A sealed session id opens for the token it was made for, unchanged and under a secret in force, and in no
other case.
"""

from hypothesis import given
from hypothesis import strategies as st

from deputize.gateway.exchange.contexts import read_claims
from deputize.gateway.exchange.mcp_sessions import SessionBinding
from deputize.http.messages import Headers
from deputize.mcp.errors import Rejection
from deputize.mcp.headers import MAX_SESSION, read_fields
from deputize.secrets.sealing import TextSeal

SESSIONS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=512)
SECRETS = st.binary(min_size=32, max_size=48)
NAMES = st.sampled_from(["a", "b", '"', "a,b", "a\x00b"])
ACTORS = st.recursive(
    st.none()
    | st.just({})
    | NAMES.map(lambda name: {"sub": name})
    | st.fixed_dictionaries({"sub": NAMES, "iss": NAMES}),
    lambda inner: st.fixed_dictionaries({"sub": NAMES, "act": inner}),
    max_leaves=3,
)
CLAIMS = st.fixed_dictionaries(
    {}, optional={"iss": NAMES, "sub": NAMES, "client_id": NAMES, "azp": NAMES, "act": ACTORS}
)
IRRELEVANT = st.fixed_dictionaries({}, optional={"jti": NAMES, "scope": NAMES, "exp": st.integers()})


def opened_by(secrets, claims, resource, session, token="t"):
    """What the server is told, or that the session is refused."""
    headers = Headers([(b"Mcp-Session-Id", session.encode())])
    outcome = SessionBinding(TextSeal(lambda: secrets)).open(
        headers, read_claims(token, claims, None), resource
    )
    return None if isinstance(outcome, Rejection) else headers.get("mcp-session-id")


def sealed_by(secrets, claims, resource, session, token="t"):
    headers = Headers([(b"Mcp-Session-Id", session.encode())])
    SessionBinding(TextSeal(lambda: secrets)).seal(
        Headers(), headers, read_claims(token, claims, None), resource, None
    )
    return headers.get("mcp-session-id")


def holder(claims):
    """Who a session of these claims belongs to, written down independently of the binding."""
    chain, act = [], claims.get("act")
    while act is not None:
        chain.append((act.get("iss"), act.get("sub")))
        act = act.get("act")
    return claims.get("iss"), claims.get("sub"), claims.get("client_id", claims.get("azp")), tuple(chain)


@given(SESSIONS, SECRETS, CLAIMS, CLAIMS, IRRELEVANT, st.sampled_from(["r", "s"]))
def test_a_session_opens_for_its_holder_and_for_nobody_else(
    session, secret, mine, other, irrelevant, resource
):
    sealed = sealed_by([secret], {**mine, **irrelevant}, "r", session)

    assert opened_by([secret], mine, "r", sealed) == session
    expected = session if holder(mine) == holder(other) and resource == "r" else None
    assert opened_by([secret], other, resource, sealed) == expected
    if mine.keys().isdisjoint({"sub", "client_id", "azp"}):
        assert opened_by([secret], mine, "r", sealed, token="another") is None


@given(SESSIONS, SECRETS, CLAIMS)
def test_what_the_client_gets_is_bounded_visible_ascii_and_says_nothing(session, secret, claims):
    one, other = (sealed_by([secret], claims, "r", session) for _ in range(2))

    assert one != other
    assert len(one) <= 38 + 4 * len(session) // 3 + 2 <= MAX_SESSION
    assert one.isascii()
    assert one.isprintable()
    assert " " not in one
    assert read_fields([(b"mcp-session-id", one.encode())]).session == one
    assert len(session) < 8 or session not in one


@given(SESSIONS, SECRETS, st.data())
def test_any_change_closes_it(session, secret, data):
    sealed = sealed_by([secret], {"sub": "a"}, "r", session)
    at = data.draw(st.integers(0, len(sealed) - 1))
    letter = data.draw(st.characters(min_codepoint=0x21, max_codepoint=0x7E))
    changed = data.draw(
        st.sampled_from(
            [sealed[:at] + letter + sealed[at + 1 :], sealed[:at], sealed + letter, sealed[1:], sealed + "="]
        )
    )
    if changed == sealed:  # by chance, as it was sealed with: no assumption, for it would not hold each time
        return

    assert not changed or opened_by([secret], {"sub": "a"}, "r", changed) is None


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF), max_size=2000), SECRETS)
def test_made_up_ids_are_unknown(text, secret):
    assert TextSeal(lambda: [secret]).open(text, b"") is None


@given(
    SESSIONS,
    st.lists(SECRETS, min_size=1, max_size=4, unique=True),
    st.lists(SECRETS, min_size=1, max_size=3),
)
def test_it_opens_exactly_while_its_secret_is_in_force(session, before, after):
    sealed = sealed_by(before, {"sub": "a"}, "r", session)

    assert opened_by(after, {"sub": "a"}, "r", sealed) == (session if before[0] in after else None)


@given(CLAIMS, CLAIMS)
def test_bindings_are_unambiguous(one, other):
    """Names that hold separators cannot make two holders look the same."""
    same = holder(one) == holder(other)
    secrets = [bytes(32)]
    assert (opened_by(secrets, other, "r", sealed_by(secrets, one, "r", "x")) == "x") is same


@given(st.integers(1, 40), st.integers(0, 39))
def test_an_actor_far_down_the_chain_counts_as_the_first_does(length, changed):
    """`actors_of` reads so many actors: those beyond must not make two chains look the same."""

    def claims(names):
        act = None
        for name in reversed(names):
            act = {"sub": name} if act is None else {"sub": name, "act": act}
        return {"sub": "u", "act": act}

    mine = ["a"] * length
    other = [*mine]
    other[changed % length] = "b"
    sealed = sealed_by([bytes(32)], claims(mine), "r", "x")
    assert opened_by([bytes(32)], claims(mine), "r", sealed) == "x"
    assert opened_by([bytes(32)], claims(other), "r", sealed) is None
