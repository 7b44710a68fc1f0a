import pytest

from deputize.oauth.delegation import (
    MAX_DEPTH,
    act_refusal,
    actor_token_refusal,
    exchanged_expiry,
    scope_refusal,
)

A, B = "agent-a", "agent-b"
SUBJECT = {"may_act": {"sub": A}}


def chain(*subs):
    act = None
    for sub in reversed(subs):
        act = {"sub": sub} if act is None else {"sub": sub, "act": act}
    return act


def test_actor_token_belongs_to_the_authenticated_client():
    assert actor_token_refusal({"client_id": A}, A) is None
    for claims in ({"client_id": B}, {}, {"client_id": [A]}, {"client_id": None}, {"sub": A}):
        assert "belongs to the client" in actor_token_refusal(claims, A)


def test_the_permitted_actor_may_act():
    assert act_refusal({"sub": A}, SUBJECT, A) is None


def test_act_must_be_the_authenticated_actor():
    assert "authenticated actor is 'agent-b'" in act_refusal({"sub": A}, SUBJECT, B)
    assert "nobody proved to be the actor" in act_refusal({"sub": A}, SUBJECT, None)


@pytest.mark.parametrize("may_act", [None, {}, {"sub": None}, A, [A], {"sub": [A]}, {"sub": B}, {"client_id": A}])
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


@pytest.mark.parametrize("nested", [None, {"sub": "other"}, {"sub": B, "x": 1}, {"sub": B, "act": {"sub": A}}, "text", []])
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


def test_an_exchange_for_the_same_audience_only_narrows():
    subject = {"aud": ["https://x"], "scope": "read write"}
    assert scope_refusal(("read",), "https://x", subject) is None
    assert scope_refusal(("admin",), "https://y", subject) is None
    assert "['admin']" in scope_refusal(("read", "admin"), "https://x", subject)
    assert scope_refusal(("read",), "https://x", {"aud": "https://x"})


@pytest.mark.parametrize(
    ("subject", "outlive", "expiry"), [({"exp": 500}, False, 500), ({"exp": 500}, True, 900), ({"exp": 5000}, False, 900), ({}, False, 900)]
)
def test_an_exchanged_token_does_not_outlive_its_subject_token(subject, outlive, expiry):
    assert exchanged_expiry(900, subject, may_outlive_subject=outlive) == expiry
