import pytest

from deputize.expressions import EvaluationError, ExpressionSyntaxError
from deputize.expressions.gateway import compile_condition

BINDINGS = {
    "request": {"method": "POST", "headers": {"X-A": ["1"]}, "empty": "", "nothing": None},
    "contexts": {"mcp": {"name": "danger", "list": []}},
}
LEFT_OUT = "contexts.mpc.name"
"""A typing error: nothing is there."""


def decided(expression):
    return compile_condition("${" + expression + "}").decide(BINDINGS)


@pytest.mark.parametrize(
    "expression",
    [
        f"{LEFT_OUT} != 'danger'",
        f"'danger' ne {LEFT_OUT}",
        f"{LEFT_OUT} == 'danger'",
        f"!({LEFT_OUT} == 'danger')",
        f"not ({LEFT_OUT} eq 'danger')",
        f"!(!({LEFT_OUT} != 'danger'))",
        f"!{LEFT_OUT}",
        LEFT_OUT,
        f"{LEFT_OUT} == 'danger' ? false : true",
        f"({LEFT_OUT} == 'danger' ? 'no' : 'yes') == 'yes'",
        f"!matches({LEFT_OUT}, 'danger')",
        f"!find({LEFT_OUT}, 'danger')",
        f"!{LEFT_OUT}.matches('danger')",
        f"!{LEFT_OUT}.startsWith('danger')",
        f"!matchesWithRegex({LEFT_OUT}, 'danger')",
        f"toLowerCase({LEFT_OUT}) != 'danger'",
        f"indexOf({LEFT_OUT}, 'danger') == -1",
        f"indexOf({LEFT_OUT}, 'danger') < 0",
        f"!contains(array('danger'), {LEFT_OUT})",
        f"!contains({LEFT_OUT}, 'danger')",
        f"length({LEFT_OUT}) < 5",
        f"!bool({LEFT_OUT})",
        f"!ipMatch({LEFT_OUT}, '10.0.0.0/8')",
        f"'x'.concat({LEFT_OUT}) != 'xdanger'",
        f"join(array({LEFT_OUT}), ',') != 'danger'",
        f"!({LEFT_OUT} == 'danger' || request.method == 'DELETE')",
        f"!({LEFT_OUT} != 'danger' && request.method == 'POST')",
        f"{LEFT_OUT} != request.nothing",
        f"request.headers[{LEFT_OUT}][0] != '1'",
        f"!({LEFT_OUT} < 5)",
        f"!({LEFT_OUT} ge 5)",
        f"empty ({LEFT_OUT} == 'danger' ? 'x' : '')",
        f"({LEFT_OUT} == 'danger') == null",
        f"toString({LEFT_OUT} == 'danger') == null",
        f"({LEFT_OUT} == 'danger' ? request : contexts).mcp == null",
        "request.nothing != 'danger'",
    ],
)
def test_what_rests_on_something_absent_is_undecided(expression):
    assert decided(expression) is None


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (f"{LEFT_OUT} == null", True),
        (f"{LEFT_OUT} != null", False),
        (f"null eq {LEFT_OUT}", True),
        (f"empty {LEFT_OUT}", True),
        (f"!empty {LEFT_OUT}", False),
        (f"empty toLowerCase({LEFT_OUT})", True),
        ("contexts.mcp.name != null", True),
        ("empty contexts.mcp.list && empty request.empty", True),
        (f"empty {LEFT_OUT} || {LEFT_OUT} != 'danger'", True),
        (f"{LEFT_OUT} != null && {LEFT_OUT} != 'danger'", False),
        (f"{LEFT_OUT} != 'danger' || request.method == 'POST'", True),
        (f"request.method == 'POST' || {LEFT_OUT} != 'danger'", True),
        (f"{LEFT_OUT} != 'danger' && request.method == 'GET'", False),
        (f"!({LEFT_OUT} != 'danger' && request.method == 'GET')", True),
        (f"{LEFT_OUT} == null ? request.method == 'POST' : false", True),
        ("contexts.mcp.name != 'danger'", False),
        ("contexts.mcp.name != 'other'", True),
        ("contains(contexts.mcp.list, 'x')", False),
        ("find(contexts.mcp.name, '^dan')", True),
    ],
)
def test_what_does_not_rest_on_it_is_decided(expression, expected):
    assert decided(expression) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", True), ("no", False), ("${request.nothing}true", None), ("tr${'ue'}", True)],
)
def test_texts_as_conditions(text, expected):
    assert compile_condition(text).decide(BINDINGS) is expected


def test_who_has_to_choose_takes_the_absent_for_different():
    assert compile_condition("${" + LEFT_OUT + " != 'danger'}").holds(BINDINGS) is True
    assert compile_condition("${" + LEFT_OUT + " == 'danger'}").holds(BINDINGS) is False


def test_it_names_what_is_absent():
    condition = compile_condition("${contexts.mpc.name == request.method && contexts['mcp']['nome'] == 1}")
    assert condition.absent(BINDINGS) == ("contexts.mpc.name", "contexts.mcp.nome")


@pytest.mark.parametrize("expression", ["request.headers", "request.method < 5", f"{LEFT_OUT} + 1 > 0"])
def test_what_is_no_condition_is_an_error(expression):
    with pytest.raises(EvaluationError):
        decided(expression)


def test_syntax_is_checked_when_it_is_compiled():
    with pytest.raises(ExpressionSyntaxError):
        compile_condition("${a ==}")
