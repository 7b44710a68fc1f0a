import pytest

from deputize.expressions.mapping import compile_mapping

DATA = "#root.context.requestData"
ACT = f"({DATA}.subjectToken.may_act.sub == {DATA}.actorToken.client_id)?{DATA}.subjectToken.may_act:null"
COMPARISON = f"`{DATA}.subjectToken.may_act.sub == {DATA}.actorToken.client_id`"


def explained(source, **bindings):
    return compile_mapping(source).explain(bindings)


def act_explained(subject_token, actor_token=None):
    data = {"subjectToken": subject_token, **({} if actor_token is None else {"actorToken": actor_token})}
    return explained(ACT, context={"requestData": data})


def test_a_mismatch_shows_both_sides():
    assert act_explained({"may_act": {"sub": "a2"}}, {"client_id": "a1"}) == (
        f"{COMPARISON} is false: left is 'a2', right is 'a1'",
    )


def test_a_missing_member_is_named():
    assert act_explained({}, {"client_id": "a1"}) == (
        f"{COMPARISON} is false: left is missing, right is 'a1'",
        f"`{DATA}.subjectToken.may_act` is missing",
    )


def test_a_missing_actor_token_is_named():
    assert act_explained({"may_act": {"sub": "a1"}}) == (
        f"{COMPARISON} is false: left is 'a1', right is missing",
        f"`{DATA}.actorToken` is missing",
    )


def test_nothing_false_needs_no_explanation():
    assert act_explained({"may_act": {"sub": "a1"}}, {"client_id": "a1"}) == ()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a.b.c", ("`a.b` is missing",)),
        ("a.n.c", ("`a.n` is null",)),
        ("a.n", ("`a.n` is null",)),
        ("a['b'].c", ("`a['b']` is missing",)),
        ("zz", ("`zz` is missing",)),
        ("a.flag", ("`a.flag` is false",)),
        ("a.x == 1 and a.x == 2", ("`a.x == 2` is false: left is 1, right is 2",)),
        (
            "a.x == 2 or a.x == 3",
            ("`a.x == 2` is false: left is 1, right is 2", "`a.x == 3` is false: left is 1, right is 3"),
        ),
        ("a.x == 2 or a.x == 1", ()),
        ("not (a.x == 1)", ("`not (a.x == 1)` is false: `a.x == 1` is true",)),
        ("not a.b", ("`a.b` is missing",)),
        ("(a.x == 1) == a.flag", ("`(a.x == 1) == a.flag` is false: left is true, right is false",)),
        ("a.x + 'z' > 1", ("`a.x + 'z' > 1` failed: a text and a number have no order",)),
        ("1 / 0", ("`1 / 0` failed: division by zero",)),
        ("#string.trim(a.x)", ("`#string.trim(a.x)` failed: a text is needed, not a number",)),
        ("a.b ?: 'x'", ("`a.b` is missing",)),
        ("a.x == 1 ? a.b : null", ("`a.b` is missing",)),
        ("a.b ? 1 : 2", ("`a.b` is missing",)),
        ("a == {1}", ("`a == {1}` is false: left is a map, right is a list",)),
        ("a.x", ()),
        ("1 / 0 == 1 / 0", ("`1 / 0 == 1 / 0` failed: division by zero",)),
    ],
)
def test_sentences(source, expected):
    assert explained(source, a={"x": 1, "n": None, "flag": False}) == expected


def test_each_sentence_comes_with_the_part_that_it_is_about():
    data = {"requestData": {"subjectToken": {}, "actorToken": {"client_id": "a1"}}}
    parts = compile_mapping(ACT).explain_parts({"context": data})
    assert [ACT[part.start : part.end] for part in parts] == [
        f"{DATA}.subjectToken.may_act.sub == {DATA}.actorToken.client_id",
        f"{DATA}.subjectToken.may_act",
    ]
    assert tuple(part.sentence for part in parts) == act_explained({}, {"client_id": "a1"})


def test_long_texts_are_cut_and_secrets_masked():
    (sentence,) = explained("a == b", a="x" * 100, b="Bearer abc.def")
    assert sentence == f"`a == b` is false: left is '{'x' * 64}…', right is 'Bearer *****'"


def test_texts_cannot_forge_log_lines():
    (sentence,) = explained("a == 'b'", a="x\nlevel=info")
    assert "\n" not in sentence
