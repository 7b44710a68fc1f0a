import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.oauth.delegation import (
    MAX_ACTORS,
    MAX_DEPTH,
    act_refusal,
    actor_token_refusal,
    actors_of,
    default_act,
    default_act_refusal,
    exchanged_expiry,
    scope_refusal,
)
from deputize.oauth.lineage import Basis, Lineage
from deputize.oauth.records.store import Authentication
from support.records import replace

A, B = "agent-a", "agent-b"
SUBJECT = {"may_act": {"sub": A}}


def chain(*subs):
    act = None
    for sub in reversed(subs):
        act = {"sub": sub} if act is None else {"sub": sub, "act": act}
    return act


OWN = Basis(A, Lineage(None, ("a-term-100000000000000",)), (("agent", "agent"),), None)
WHO = Authentication("u", "s", 1, "p")


def test_actors_are_listed_from_the_one_acting_now():
    assert [each["sub"] for each in actors_of({"sub": "a", "act": {"sub": "b"}})] == ["a", "b"]
    assert actors_of(None) == actors_of("a") == ()


@given(st.lists(st.text(), max_size=2 * MAX_ACTORS), st.none() | st.text())
def test_no_more_actors_are_read_than_a_bound(subs, act):
    for sub in reversed(subs):
        act = {"sub": sub, "act": act}
    assert [actor["sub"] for actor in actors_of(act)] == subs[:MAX_ACTORS]


def test_the_bound_holds_for_a_chain_without_end():
    act = {"sub": "a"}
    act["act"] = act
    assert len(actors_of(act)) == MAX_ACTORS


def test_an_actor_token_is_the_authenticated_clients_own():
    assert actor_token_refusal({}, OWN, A) is None
    assert "belongs to the client" in actor_token_refusal({}, OWN, B)
    personal = replace(OWN, lineage=replace(OWN.lineage, grant_id="g"), authentication=WHO)
    exchanged = replace(OWN, lineage=OWN.lineage.append("a-term-100000000000001"))
    for claims, basis in (({}, personal), ({}, exchanged), ({"act": {"sub": A}}, OWN)):
        assert "not the client's own" in actor_token_refusal(claims, basis, A)


def test_by_default_the_client_acts_and_who_acted_before_stays():
    assert default_act(B, {"client_id": B}) == {"sub": B}
    assert default_act(B, {"act": chain(A)}) == chain(B, A)


@pytest.mark.parametrize("subject", [{"client_id": A}, {"aud": A}, {"client_id": B, "may_act": {"sub": A}}])
def test_the_default_act_is_for_the_holder_and_for_whom_may_act_names(subject):
    assert default_act_refusal(default_act(A, subject), subject, A) is None


@pytest.mark.parametrize(
    "subject",
    [{"client_id": B}, {"aud": B}, {"client_id": B, "may_act": {"sub": B}}, {"client_id": B, "aud": A}, {}],
)
def test_and_for_nobody_else(subject):
    assert "belongs to another client" in default_act_refusal(default_act(A, subject), subject, A)


def test_the_default_chain_is_bounded_too():
    subject = {"client_id": A, "act": chain(*[A] * MAX_DEPTH)}
    assert "deeper" in default_act_refusal(default_act(A, subject), subject, A)


def test_the_permitted_actor_may_act():
    assert act_refusal({"sub": A}, SUBJECT, A) is None


def test_act_must_be_the_authenticated_actor():
    assert "authenticated actor is 'agent-b'" in act_refusal({"sub": A}, SUBJECT, B)
    assert "nobody proved to be the actor" in act_refusal({"sub": A}, SUBJECT, None)


@pytest.mark.parametrize(
    "may_act", [None, {}, {"sub": None}, A, [A], {"sub": [A]}, {"sub": B}, {"client_id": A}]
)
def test_the_subject_token_must_permit_the_actor(may_act):
    assert "may_act.sub" in act_refusal({"sub": A}, {"may_act": may_act}, A)


def test_no_permission_without_may_act_or_without_subject():
    assert "no may_act" in act_refusal({"sub": A}, {}, A)
    assert "no may_act" in act_refusal({"sub": A}, None, A)


@pytest.mark.parametrize("act", [A, [], {}, {"sub": None}, {"sub": 1}, True, 0, "", {"act": {"sub": A}}])
def test_act_is_an_object_with_a_sub(act):
    assert "not an object with a sub" in act_refusal(act, SUBJECT, A)


def test_a_chain_grows_at_its_head():
    subject = {"may_act": {"sub": A}, "act": {"sub": B}}
    assert act_refusal(chain(A, B), subject, A) is None


@pytest.mark.parametrize(
    "nested", [None, {"sub": "other"}, {"sub": B, "x": 1}, {"sub": B, "act": {"sub": A}}, "text", []]
)
def test_the_chain_so_far_is_not_altered(nested):
    subject = {"may_act": {"sub": A}, "act": {"sub": B}}
    assert "grows at its head" in act_refusal({"sub": A, "act": nested}, subject, A)


def test_a_chain_is_not_invented():
    assert "grows at its head" in act_refusal(chain(A, B), SUBJECT, A)


def test_a_chain_is_not_dropped():
    assert "would not" in act_refusal(None, {"act": {"sub": B}}, None)
    assert act_refusal(None, {"act": None}, None) is None
    assert act_refusal(None, SUBJECT, A) is None
    assert act_refusal(None, None, None) is None


def test_numbers_and_booleans_in_a_chain_are_not_the_same():
    subject = {"may_act": {"sub": A}, "act": {"sub": B, "n": 1}}
    assert act_refusal({"sub": A, "act": {"sub": B, "n": True}}, subject, A)


def test_the_chain_is_bounded_in_depth():
    names = [A] + [f"agent-{n}" for n in range(MAX_DEPTH)]
    within, beyond = names[:MAX_DEPTH], names
    assert act_refusal(chain(*within), {**SUBJECT, "act": chain(*within[1:])}, A) is None
    assert "deeper than 5" in act_refusal(chain(*beyond), {**SUBJECT, "act": chain(*beyond[1:])}, A)


def test_the_chain_is_bounded_in_size():
    assert "larger than" in act_refusal({"sub": A, "note": "x" * 5000}, SUBJECT, A)


def test_an_exchange_for_an_audience_of_before_only_narrows():
    obtained = (("https://x", "read write"), ("https://z", "send"))
    assert scope_refusal(("read",), "https://x", obtained) is None
    assert scope_refusal(("admin",), "https://y", obtained) is None
    assert "['admin']" in scope_refusal(("read", "admin"), "https://x", obtained)
    assert "['read']" in scope_refusal(("read",), "https://z", obtained)
    assert scope_refusal(("read",), "https://x", (("https://x", ""),))
    assert "['admin']" in scope_refusal(("admin",), "HTTPS://X:443/", obtained), (
        "however the audience is spelled now"
    )
    assert "['write']" in scope_refusal(("write",), "https://x", (*obtained, ("https://x", "read"))), (
        "the last narrowing counts"
    )


@pytest.mark.parametrize(
    ("subject", "outlive", "expiry"),
    [({"exp": 500}, False, 500), ({"exp": 500}, True, 900), ({"exp": 5000}, False, 900), ({}, False, 900)],
)
def test_an_exchanged_token_does_not_outlive_its_subject_token(subject, outlive, expiry):
    assert exchanged_expiry(900, subject, may_outlive_subject=outlive) == expiry
