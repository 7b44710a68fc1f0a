"""What is remembered of tokens would be found out anew: signatures, what they rest on, who is alive."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.jose import (
    ACCESS_TOKEN_TYPE,
    ID_TOKEN_TYPE,
    KeyRing,
    TokenInvalid,
    Verifier,
    generate_key,
    rotate,
    sign,
)
from deputize.oauth.lineage import Basis, Lineage
from deputize.oauth.records.store import TokenState
from deputize.oauth.token_state import token_refusal
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    AGREEMENT,
    AGREEMENT_ID,
    CONSENT,
    ENVIRONMENT,
    LINEAGE,
    NOW,
    OTHER_ID,
    SESSION,
    USER,
    WHO,
    World,
    with_agent,
)
from support.examples import examples

KEYS = [generate_key("ES256", name, 0.0) for name in "abcd"]
NAMESAKE = generate_key("ES256", "a", 0.0)
FIRST = KeyRing((replace(KEYS[0], state="current"), KEYS[1]))
RINGS = (
    FIRST,
    rotate(FIRST, 10.0, KEYS[2]),
    rotate(rotate(FIRST, 10.0, KEYS[2]), 20.0, KEYS[3]),
    KeyRing((replace(KEYS[1], state="current"),)),
    KeyRing((replace(NAMESAKE, state="current"), KEYS[1])),
)
TOKENS = [
    sign({"iss": issuer, "exp": 100, "n": n}, ring, typ)
    for n, ring in enumerate(RINGS)
    for issuer in ("i", "j")
    for typ in (ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE)
]


@st.composite
def presented(draw) -> str:
    """A token, as it was signed, with a letter changed, or with parts of another one."""
    token, other = draw(st.sampled_from(TOKENS)), draw(st.sampled_from(TOKENS))
    match draw(st.integers(0, 3)):
        case 0:
            at = draw(st.integers(0, len(token) - 1))
            return token[:at] + draw(st.sampled_from("Aa-_.")) + token[at + 1 :]
        case 1:
            return token.rpartition(".")[0] + "." + other.rpartition(".")[2]
        case _:
            return token


questions = st.tuples(
    presented(),
    st.sampled_from(RINGS),
    st.sampled_from("ij"),
    st.sampled_from([50.0, 99.9, 100.0, 150.0]),
    st.sampled_from([ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE]),
)


def count(claims) -> int:
    return len(claims)


def outcome(ask, *arguments):
    try:
        return ask(*arguments)
    except TokenInvalid as invalid:
        return invalid.reason


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(questions, max_size=30), st.sampled_from([1, 3, 4096]))
def test_a_remembered_signature_is_one_that_would_be_verified_now(asked, capacity) -> None:
    remembering = Verifier(capacity)
    for question in [*asked, *asked]:
        anew = outcome(Verifier().verify, *question)
        assert outcome(remembering.verify, *question) == anew
        read = outcome(remembering.verify_and_read, count, *question)
        assert read == (anew if isinstance(anew, str) else (anew, len(anew)))


SEGMENT = LINEAGE.segments[0]
GRANT = World().grant()
MACHINE = Basis(AGENT_ID, LINEAGE, (("agent", "agent"),), None)
BASES = (
    Basis(AGENT_ID, Lineage(GRANT.id, (SEGMENT,)), (("agent", "agent"),), WHO),
    Basis(OTHER_ID, Lineage(GRANT.id, (SEGMENT,)), (("agent", "agent"),), WHO),
    MACHINE,
    replace(MACHINE),
)
ENVIRONMENTS = (
    ENVIRONMENT,
    with_agent(ENVIRONMENT, replace(AGENT, enabled=False)),
    *(
        replace(
            ENVIRONMENT,
            agreements={
                AGREEMENT_ID: replace(
                    AGREEMENT, settings=AGREEMENT.settings.model_copy(update={"reconsent_every": every})
                )
            },
        )
        for every in (None, 5.0, 50.0)
    ),
)
ends = st.sampled_from([None, NOW, NOW + 10, NOW + 100])
times = st.sampled_from([NOW - 1, NOW, NOW + 4.9, NOW + 5, NOW + 9.9, NOW + 10, NOW + 50, NOW + 100])
judgements = st.tuples(st.sampled_from(ENVIRONMENTS), st.sampled_from(BASES), times)


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(judgements, max_size=20), ends, st.sampled_from([None, NOW]), st.booleans())
def test_who_is_remembered_to_be_alive_is_alive(asked, expires_at, withdrawn_at, revoked) -> None:
    consent = replace(CONSENT, accepted_at=NOW, expires_at=expires_at, withdrawn_at=withdrawn_at)
    jtis = frozenset({LINEAGE.jti}) if revoked else frozenset[str]()
    state = TokenState(GRANT, USER, SESSION, (consent,), jtis)
    for environment, basis, now in asked:
        anew = token_refusal(environment, basis, replace(state), now)
        assert token_refusal(environment, basis, state, now) == anew


def test_a_consent_that_lapses_ends_what_was_remembered() -> None:
    consent = replace(CONSENT, accepted_at=NOW, expires_at=NOW + 10)
    state = TokenState(GRANT, USER, SESSION, (consent,), frozenset())
    assert token_refusal(ENVIRONMENT, BASES[0], state, NOW) is None
    assert token_refusal(ENVIRONMENT, BASES[0], state, NOW + 9) is None
    assert "expired" in (token_refusal(ENVIRONMENT, BASES[0], state, NOW + 10) or "")


@pytest.mark.parametrize("now", [NOW, NOW - 100])
def test_a_token_is_judged_once_while_nothing_changes(now) -> None:
    state = TokenState(GRANT, USER, SESSION, (CONSENT,), frozenset())
    assert token_refusal(ENVIRONMENT, BASES[0], state, now) is None
    assert token_refusal(ENVIRONMENT, BASES[0], state, now) is None
    assert [each[:2] for each in state.judged] == [(ENVIRONMENT, BASES[0])]
