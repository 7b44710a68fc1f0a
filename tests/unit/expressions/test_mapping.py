"""Mapping expressions from the outside: what they give for which bindings."""

import pytest

from deputize.expressions import MISSING, EvaluationError, ExpressionSyntaxError
from deputize.expressions.mapping import MappingExpression, compile_mapping, parse_attribute_value

ACT = (
    "(#root.context.requestData.subjectToken.may_act.sub == #root.context.requestData.actorToken.client_id)"
    "?#root.context.requestData.subjectToken.may_act:null"
)
MAY_ACT = (
    '(#root.context.requestData.grantType == "client_credentials")?null:({ "sub": '
    "#root.context.appConfig.clientId })"
)

BINDINGS = {
    "context": {
        "requestData": {
            "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subjectToken": {"sub": "demouser", "act": {"sub": "a0"}, "p1.userId": "u1", "nothing": None},
            "actorToken": {"client_id": "a1", "aud": ["agent"]},
        },
        "appConfig": {"clientId": "a1"},
    },
    "user": {
        "name": {"given": "Jo", "family": "Doe"},
        "enabled": True,
        "tags": ["a", "b", "c"],
        "custom-attributes": {"tier": "gold"},
        "accounts": [{"id": 1, "type": "x"}, {"id": 2, "type": "y"}, {"id": 3, "type": "y"}],
    },
}


def evaluated(source, bindings=BINDINGS):
    return compile_mapping(source).evaluate(bindings)


def exchange(may_act, actor):
    subject = {} if may_act is None else {"may_act": {"sub": may_act, "note": "kept"}}
    data = {"subjectToken": subject, **({} if actor is None else {"actorToken": {"client_id": actor}})}
    return {"context": {"requestData": data}}


@pytest.mark.parametrize(
    ("may_act", "actor", "expected"),
    [
        ("X", "X", {"sub": "X", "note": "kept"}),
        ("X", "Y", None),
        ("X", None, None),
        (None, "Y", None),
        (None, None, None),
    ],
)
def test_act_of_the_use_case(may_act, actor, expected):
    assert evaluated(ACT, exchange(may_act, actor)) == expected


@pytest.mark.parametrize(
    ("grant_type", "expected"),
    [("client_credentials", None), ("authorization_code", {"sub": "a1"}), ("refresh_token", {"sub": "a1"})],
)
def test_may_act_of_the_use_case(grant_type, expected):
    bindings = {"context": {"requestData": {"grantType": grant_type}, "appConfig": {"clientId": "a1"}}}
    assert evaluated(MAY_ACT, bindings) == expected


def test_chains_of_actors_nest():
    chain = (
        "{'sub': #root.context.requestData.actorToken.client_id, 'act': "
        "#root.context.requestData.subjectToken.act}"
    )
    assert evaluated(chain) == {"sub": "a1", "act": {"sub": "a0"}}
    assert evaluated(chain, exchange("X", "a1")) == {"sub": "a1"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("'it''s'", "it's"),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("42", 42),
        ("{}", []),
        ("{:}", {}),
        ("{1, 'a', user.enabled}", [1, "a", True]),
        ("{null, user.absent}", [None, None]),
        ("{k: 1, 'l': 2, \"m\": 3}", {"k": 1, "l": 2, "m": 3}),
        ("{user.name.given: 1}", {"Jo": 1}),
        ("{null: 1, user.absent: 2, a: user.absent, b: null}", {"b": None}),
        ("{1: 'one', true: 'yes'}", {"1": "one", "true": "yes"}),
        ("{'a': {'b': 1}}.a.b", 1),
        ("user.name.given", "Jo"),
        ("#this.user.name.given", "Jo"),
        ("#root['user']['name'].given", "Jo"),
        ("user['custom-attributes'].tier", "gold"),
        ("context.requestData.subjectToken['p1.userId']", "u1"),
        ("context.requestData.actorToken.aud[0]", "agent"),
        ("context?.requestData?.actorToken?.aud[0]", "agent"),
        ("user.tags[1 + 1]", "c"),
        ("user\n.name .\tgiven", "Jo"),
        ("user.name.given + ' ' + user.name.family", "Jo Doe"),
        ("'a' + null", "anull"),
        ("'n' + 1", "n1"),
        ("1 + 2 * 3", 7),
        ("(1+2)*3", 9),
        ("7/2", 3),
        ("7.0/2", 3.5),
        ("7 mod 3", 1),
        ("8 DIV 3", 2),
        ("2^3^2", 64),
        ("-2^2", 4),
        ("10-3-2", 5),
        ("+3", 3),
        ("1 < 2 and 'a' lt 'b' && 2 GE 2 and 1 ne 2", True),
        ("1 gt 2 or 2 le 1 || 1 == 1.0", True),
        ("not true or ! false", True),
        ("true or false and false", True),
        ("1 == true", False),
        ("'1' == 1", False),
        ("{1,2} == {1,2}", True),
        ("'abc' matches '[a-c]+'", True),
        ("'abcd' matches '[a-c]+'", False),
        ("user.absent matches '.*'", False),
        ("true?1:2", 1),
        ("false ? 1 : true ? 2 : 3", 2),
        ("user.absent ?: 'none'", "none"),
        ("'' ?: 'none'", "none"),
        ("user.name.given ?: 'none'", "Jo"),
        ("false ?: true", False),
        ("user.accounts.?[type == 'y'].![id]", [2, 3]),
        ("user.accounts.^[type == 'y'].id", 2),
        ("user.accounts.$[type == 'y'].id", 3),
        (
            "user.accounts.![{id: id, who: #root.user.name.given}]",
            [{"id": n, "who": "Jo"} for n in (1, 2, 3)],
        ),
        ("user.tags.?[#this != 'b']", ["a", "c"]),
        ("user.tags.![absent]", [None, None, None]),
        ("{1,2,3}.![#this * 2].?[#this gt 2]", [4, 6]),
        ("{{1,2},{3}}.![#this.![#this + 1]]", [[2, 3], [4]]),
        ("user.and.or", MISSING),
        ("user.tags?.?[#this == 'a']", ["a"]),
    ],
)
def test_values(source, expected):
    value = evaluated(source)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    "source",
    [
        "absent",
        "user.absent.deeper.still",
        "user.name.given.length",
        "user.tags[9]",
        "user.tags[-1]",
        "user.tags['0']",
        "user[user.absent]",
        "user.accounts.^[type == 'z']",
        "absent.?[true]",
        "absent.![x]",
        "context.requestData.subjectToken.nothing.deeper",
        "user.__class__",
        "user.keys",
    ],
)
def test_what_is_not_there_is_missing(source):
    assert evaluated(source) is MISSING


def test_stored_null_is_null():
    assert evaluated("context.requestData.subjectToken.nothing") is None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("user.absent == user.absent", False),
        ("user.absent == null", False),
        ("null == user.absent", False),
        ("user.absent == ''", False),
        ("null == null", True),
        ("context.requestData.subjectToken.nothing == null", True),
        ("user.absent != null", False),
        ("user.absent != user.other", False),
        ("user.absent != 'x'", True),
        ("user.name.given != null", True),
        ("null != null", False),
        ("null == context.requestData.subjectToken.nothing", True),
        ("context.requestData.subjectToken.nothing == context.requestData.subjectToken.nothing", False),
        ("#string.trim(user.absent) == #string.trim(user.other)", False),
        ("(user.absent ?: null) == (user.other ?: null)", False),
        ("#string.trim(user.absent) == null", True),
        ("user.absent < 1", False),
        ("user.absent >= null", False),
        ("{user.absent} == {null}", True),
    ],
)
def test_missing_never_equals(source, expected):
    assert evaluated(source) is expected


@pytest.mark.parametrize(
    ("source", "reason", "position"),
    [
        ("user.absent ? 1 : 2", "a condition must be true or false, not a missing value", 0),
        ("null ? 1 : 2", "not null", 0),
        ("1 and true", "not a number", 0),
        ("not 'x'", "not a text", 0),
        ("1 + null", "a number is needed, not null", 2),
        ("1 + true", "not a boolean", 2),
        ("1 - 'a'", "not a text", 2),
        ("-user", "not a map", 0),
        ("'a' < 1", "no order", 4),
        ("1 / 0", "division by zero", 2),
        ("{'a':1}.b", "the map has no member 'b'", 0),
        ("{'a':1}.b.c", "the map has no member 'b'", 0),
        ("{{1}: 2}", "no text form", 0),
        ("user.name.?[true]", "a list is needed, not a map", 0),
        ("'abc'.![#this]", "a list is needed, not a text", 0),
        ("user.tags.?[#this]", "not a text", 12),
        ("'x' + user", "a map has no text form", 4),
        ("'x' matches 1", "a regular expression must be a text", 4),
        ("user matches 'x'", "a map has no text form", 5),
        ("1 + (2 + null)", "not null", 7),
    ],
)
def test_what_cannot_be_evaluated_says_why_and_where(source, reason, position):
    with pytest.raises(EvaluationError) as caught:
        evaluated(source)
    assert reason in caught.value.reason
    assert caught.value.position == position


def test_evaluation_is_lazy_where_the_language_says_so():
    assert evaluated("false and 1") is False
    assert evaluated("true or 1") is True
    assert evaluated("true ? 1 : 1 / 0") == 1
    assert evaluated("'x' ?: 1 / 0") == "x"


def test_results_share_nothing_with_the_bindings():
    evaluated("user.name")["given"] = "changed"
    assert evaluated("user.name.given") == "Jo"


def test_an_unforeseen_error_of_a_lazy_binding_fails_the_expression_only():
    class Broken(dict):
        def __getitem__(self, name):
            raise ValueError("the body is not JSON")

    with pytest.raises(EvaluationError, match="the body is not JSON"):
        evaluated("user.x", {"user": Broken()})


@pytest.mark.parametrize(
    ("text", "expected", "is_literal"),
    [
        ("${user.name.given}", "Jo", False),
        ("  ${ user.name.given } ", "Jo", False),
        ("${'}'}", "}", False),
        ("user.name.given", "user.name.given", True),
        ("a ${b}", "a ${b}", True),
        ("", "", True),
    ],
)
def test_attribute_values_are_wrapped_expressions_or_constants(text, expected, is_literal):
    mapping = parse_attribute_value(text)
    assert mapping.evaluate(BINDINGS) == expected
    assert mapping.is_literal is is_literal


def test_an_empty_expression_is_refused():
    for text in ("${}", "${ }"):
        with pytest.raises(ExpressionSyntaxError, match="a value is expected, not the end"):
            parse_attribute_value(text)


def test_constants():
    mapping = MappingExpression.literal("x")
    assert (mapping.source, mapping.evaluate({}), mapping.explain({})) == ("x", "x", ())
