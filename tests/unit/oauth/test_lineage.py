import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.kernel.ids import new_id, new_segment, new_term
from deputize.oauth.lineage import MAX_JTI, MAX_SEGMENTS, SEAL_LENGTH, Lineage, parse_jti

GRANT = "66666666-6666-4666-8666-666666666666"
ONE, TWO = "a-term-1r-term-1AAAAAAAAAAAAAA", "b-term-1r-term-2BBBBBBBBBBBBBB"
SEAL = "s" * SEAL_LENGTH


def test_a_sign_ons_token_and_what_is_exchanged_for_it():
    first = Lineage(GRANT, (ONE,))
    second = first.append(TWO)
    assert second.jti == f"{GRANT}.{ONE}.{TWO}"
    assert second.ids == (f"{GRANT}.{ONE}", second.jti)
    assert second.terms == ("a-term-1", "b-term-1")
    assert second.resource_terms == ("r-term-1", "r-term-2")


def test_an_agents_own_token():
    own = Lineage(None, (ONE,))
    assert (own.jti, own.ids, own.append(TWO).ids) == (ONE, (ONE,), (ONE, f"{ONE}.{TWO}"))


def test_a_seal_is_of_the_token_and_of_none_that_comes_from_it():
    sealed = Lineage(GRANT, (ONE,), SEAL)
    assert (sealed.jti, sealed.id) == (f"{GRANT}.{ONE}.{SEAL}", f"{GRANT}.{ONE}")
    assert sealed.append(TWO) == Lineage(GRANT, (ONE, TWO))


@given(st.booleans(), st.integers(1, MAX_SEGMENTS), st.sampled_from(["", SEAL]))
def test_parsing_gives_back_what_was_issued(personal, count, seal):
    segments = tuple(new_segment(new_term(), new_term()) for _ in range(count))
    lineage = Lineage(new_id() if personal else None, segments, seal)
    assert parse_jti(lineage.jti) == lineage
    assert len(lineage.jti) <= MAX_JTI
    assert len(set(lineage.ids)) == count
    assert all(lineage.jti.startswith(each) for each in lineage.ids)


TOO_MANY = ".".join([ONE] * (MAX_SEGMENTS + 1))
NO_GRANT = [
    f"{ONE}.{GRANT}",
    f"{ONE}..{TWO}",
    f".{ONE}",
    f"{ONE}.",
    f"{ONE} ",
    f"{ONE}A",
    f"{ONE}\n",
    f"{GRANT.upper()}x.{ONE}",
    SEAL,
    f"{GRANT}.{SEAL}",
    f"{ONE}.{SEAL}.{SEAL}",
    f"{ONE}.{SEAL}.{TWO}",
    f"{ONE}.{SEAL}s",
]


@pytest.mark.parametrize(
    "jti", [None, 7, "", "x", GRANT, f"{GRANT}.", f"{GRANT}.{ONE}.{TWO}!", TOO_MANY, *NO_GRANT]
)
def test_other_forms_are_not_believed(jti):
    assert parse_jti(jti) is None
