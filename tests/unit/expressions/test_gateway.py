"""Gateway strings from the outside."""

import pytest

from deputize.expressions import EvaluationError, ExpressionSyntaxError
from deputize.expressions.gateway import compile_condition, compile_template

BINDINGS = {
    "request": {
        "method": "POST",
        "uri": {"path": "/mcp/tools", "host": "ig.example.com", "port": 8443},
        "headers": {"X-Level": ["7"], "Accept": ["a", "b"]},
        "queryParams": {},
    },
    "contexts": {"oauth2": {"accessToken": {"info": {"sub": "demouser", "act": {"sub": "a1"}, "exp": 5}}}},
    "response": None,
    "now": {"epochSeconds": 0, "rfc1123": "Thu, 01 Jan 1970 00:00:00 GMT"},
    "attributes": {"secure": True, "ratio": 0.5},
}


def evaluated(source):
    return compile_template(source).evaluate(BINDINGS)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("${request.method}", "POST"),
        ("#{request.method}", "POST"),
        ("${request.uri.port}", 8443),
        ("${attributes.secure}", True),
        ("${contexts.oauth2.accessToken.info.act}", {"sub": "a1"}),
        ("${request.absent.deeper}", None),
        ("${response.status}", None),
        (
            "http://${request.uri.host}:${request.uri.port}#{request.uri.path}",
            "http://ig.example.com:8443/mcp/tools",
        ),
        ("x${request.absent}y", "xy"),
        ("${attributes.secure} ${attributes.ratio} ${1}", "true 0.5 1"),
        (
            "is ${request.headers['Accept']} ${contexts.oauth2.accessToken.info.act}",
            'is ["a","b"] {"sub":"a1"}',
        ),
        (r"\${request.method}", "${request.method}"),
        (r"\#{x} ${1}", "#{x} 1"),
        ("${'${'}x}", "${x}"),
        ("${'}'}", "}"),
        ('${"}"}', "}"),
        ("$ # {} $x #y }", "$ # {} $x #y }"),
        ("${ 1\n+ 1 }", 2),
    ],
)
def test_texts_and_expressions(source, expected):
    value = evaluated(source)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("request.headers['Accept'][1]", "b"),
        ("request.headers['X-Level'][0] > 5", True),
        ("request.headers['X-Level'][0] == 7", True),
        ("request.headers['X-Level'][0] + 1", 8),
        ("'abc' == 7", False),
        ("7 == 'abc'", False),
        ("'TRUE' == true", True),
        ("'yes' == true", False),
        ("1 == true", False),
        ("7 / 2", 3.5),
        ("7 div 2", 3.5),
        ("7 mod 2", 1),
        ("7 % 2 == 1", True),
        ("1 + 2 * 3 - 4", 3),
        ("-1 + 2", 1),
        ("1 lt 2 and 2 ge 2 and 3 ne 4 && 1 le 1", True),
        ("1 gt 2 or not (1 eq 2)", True),
        ("1 < 2 == true", True),
        ("!attributes.secure", False),
        ("not empty request.queryParams", False),
        ("empty request.absent", True),
        ("empty ''", True),
        ("empty 'x'", False),
        ("empty 0", False),
        ("request.absent == null", True),
        ("null == request.absent", True),
        ("response == null", True),
        ("request.absent == request.other", False),
        ("request.absent == contexts.oauth2.accessToken.info.absent", False),
        ("response == response", False),
        ("decodeBase64('*') == decodeBase64('!')", False),
        ("null == null", True),
        ("request.absent != null", False),
        ("request.absent != request.other", False),
        ("request.method != null", True),
        ("request.method ne 'GET'", True),
        ("request.absent < 1", False),
        ("attributes.secure ? 'a' : 'b'", "a"),
        ("request.absent ? 'a' : 'b'", "b"),
        ("'True' && true", True),
        ("request.uri.path.startsWith('/mcp')", True),
        ("request.absent.startsWith('/mcp')", False),
        ("request.method.concat('-', request.uri.port)", "POST-8443"),
        ("now.plusHours(1).epochSeconds", 3600),
        ("now.plusDays(1).rfc1123", "Fri, 02 Jan 1970 00:00:00 GMT"),
        ("find(request.uri.path, '^/mcp')", True),
        ("find(request.uri.path, '^/api')", False),
        ("findGroups(request.uri.path, '^/([a-z]+)/(.*)$')[2]", "tools"),
        ("matchesWithRegex(request.uri.path, '/mcp')", False),
        (r"find('a.html', '\.html$')", True),
        (r"find('axhtml', '\\.html$')", False),
        ("matches(request.uri.path, 'cp')", True),
        ("join(array('a', 1, true), '-')", "a-1-true"),
    ],
)
def test_expressions(expression, expected):
    value = evaluated(f"${{{expression}}}")
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("plain", set()),
        ("${1 + 1}", set()),
        ("${request.uri.path}", {"request"}),
        ("a ${request.method} #{contexts.oauth2} ${find(env.X, 'y')}", {"request", "contexts", "env"}),
        ("${true ? now.epochSeconds : attributes[session.key]}", {"now", "attributes", "session"}),
        (r"\${request}", set()),
    ],
)
def test_names_tell_which_bindings_are_needed(source, names):
    template = compile_template(source)
    assert template.names == names
    assert template.is_constant is not names or template.is_constant == (not names)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("${find(request.uri.path, '^/mcp')}", True),
        ("${request.method == 'GET'}", False),
        ("true", True),
        ("${'TRUE'}", True),
        ("no", False),
        ("${request.absent}", False),
    ],
)
def test_conditions(source, expected):
    assert compile_condition(source).holds(BINDINGS) is expected


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("${request.uri.port / 0}", "division by zero"),
        ("${!(request.uri.path > 1)}", "no order"),
        ("${request}", "a condition must be true or false, not a map"),
        ("${request.uri.port}", "not a number"),
        ("${find('x', request.method.concat('('))}", "pattern"),
        ("${!find('x', request.method.concat('('))}", "pattern"),
    ],
)
def test_conditions_that_fail_say_why(source, reason):
    for evaluate in (compile_condition(source).holds, compile_condition(source).decide):
        with pytest.raises(EvaluationError) as raised:
            evaluate(BINDINGS)
        assert reason in raised.value.reason


@pytest.mark.parametrize(
    "expression",
    [
        "1 + null",
        "1 + 'a'",
        "'a' + 'b'",
        "-'x'",
        "1 / 0",
        "1 < 'a'",
        "request < 1",
        "request ? 1 : 2",
        "1 && true",
        "!request",
        "now.plusDays('x')",
    ],
)
def test_what_cannot_be_evaluated_is_an_error(expression):
    with pytest.raises(EvaluationError):
        evaluated(f"${{{expression}}}")


@pytest.mark.parametrize(
    ("source", "position"),
    [
        ("${", 2),
        ("${}", 2),
        ("ab ${ }", 5),
        ("x ${a", 4),
        ("x ${a b}", 6),
        ("x ${'a}", 4),
        ("x ${a} ${nope(1)}", 9),
        ("${find('x')}", 2),
        ("${'x'.getClass()}", 6),
        ("${find('x', '(')}", 12),
        ("${a.b.exec('x')}", 6),
        ("${#root}", 2),
        ("${{1}}", 2),
    ],
)
def test_syntax_errors_point_into_the_whole_string(source, position):
    with pytest.raises(ExpressionSyntaxError) as caught:
        compile_template(source)
    assert caught.value.position == position
    assert caught.value.source == source


def test_look_around_is_for_patterns_that_stand_in_the_configuration():
    """A pattern that comes with the request is read by the engine whose time is linear, or not at all."""
    bindings = {"path": "/mcp/x", "pattern": "^(?!/admin)/mcp"}
    assert compile_template("${find(path, '^(?!/mcp/admin)/mcp')}").evaluate(bindings) is True
    with pytest.raises(EvaluationError):
        compile_template("${find(path, pattern)}").evaluate(bindings)
