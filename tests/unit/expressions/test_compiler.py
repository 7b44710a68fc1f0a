"""What evaluations may cost."""

import pytest

from deputize.expressions import EvaluationError, ExpressionLimits, ExpressionSyntaxError, LimitExceeded
from deputize.expressions.gateway import compile_template
from deputize.expressions.mapping import compile_mapping
from deputize.expressions.parser import MAX_SOURCE
from deputize.expressions.values import MAX_DEPTH, MAX_TEXT


def test_an_expression_without_loops_costs_its_nodes():
    mapping = compile_mapping("1 + 2")
    assert mapping.evaluate({}, ExpressionLimits(steps=3)) == 3
    with pytest.raises(LimitExceeded, match="more than 2 steps"):
        mapping.evaluate({}, ExpressionLimits(steps=2))


def test_a_loop_costs_its_body_for_every_element():
    mapping = compile_mapping("items.?[#this > 1]")
    nodes = 1 + 2 + 3
    assert mapping.evaluate({"items": [1, 2]}, ExpressionLimits(steps=nodes + 2 * 3)) == [2]
    with pytest.raises(LimitExceeded):
        mapping.evaluate({"items": [1, 2]}, ExpressionLimits(steps=nodes + 2 * 3 - 1))


def test_nested_loops_are_stopped_before_they_run():
    mapping = compile_mapping("items.![#root.items.![#root.items.![1]]]")
    with pytest.raises(LimitExceeded):
        mapping.evaluate({"items": list(range(1000))})


def test_results_are_bounded_in_size_and_depth():
    with pytest.raises(LimitExceeded, match="too large"):
        compile_mapping("items").evaluate({"items": [0] * 10_001})
    deep = []
    for _ in range(MAX_DEPTH + 1):
        deep = [deep]
    with pytest.raises(LimitExceeded, match="nested deeper"):
        compile_mapping("items").evaluate({"items": deep})


def test_repeating_one_large_value_in_the_result_is_bounded():
    repeated = "{" + ",".join(["items"] * 20) + "}"
    with pytest.raises(LimitExceeded):
        compile_mapping(repeated).evaluate({"items": [0] * 1000})


def test_texts_are_bounded():
    bindings = {"x": "x" * MAX_TEXT}
    assert len(compile_mapping("x").evaluate(bindings)) == MAX_TEXT
    with pytest.raises(LimitExceeded):
        compile_mapping("x + x").evaluate(bindings)
    with pytest.raises(LimitExceeded):
        compile_template("${x}${x}").evaluate(bindings)


@pytest.mark.parametrize("compile_source", [compile_mapping, compile_template])
def test_sources_are_bounded(compile_source):
    compile_source("1" * 19 + " " * (MAX_SOURCE - 19))
    with pytest.raises(ExpressionSyntaxError, match="longer than"):
        compile_source(" " * (MAX_SOURCE + 1))


@pytest.mark.parametrize(
    "source",
    [
        "(" * 3000 + "1" + ")" * 3000,
        "!" * 5000 + "true",
        "-" * 5000 + "1",
        "1" + " + 1" * 1900,
        "a" + ".b" * 4000,
        "a" + "[0]" * 2500,
        "{" * 4000,
        "a?" * 2000 + "1" + ":1" * 2000,
        "a?:" * 2000 + "1",
        "1 or 1 and 1 == 1 + 1 * 1 ^ (" * 200,
        "#string.trim(" * 500,
        "a.?[" * 1000,
    ],
)
def test_nesting_is_bounded_without_exhausting_the_stack(source):
    with pytest.raises(ExpressionSyntaxError, match="nested deeper"):
        compile_mapping(source)


def test_reasonable_nesting_is_fine():
    depth = MAX_DEPTH - 1
    assert compile_mapping("(" * depth + "1" + ")" * depth).evaluate({}) == 1
    assert compile_mapping("1" + " + 1" * depth).evaluate({}) == MAX_DEPTH
    assert compile_mapping("1" + " + (1" * (depth // 2) + ")" * (depth // 2)).evaluate({}) == 1 + depth // 2


def test_a_wrong_literal_pattern_is_found_when_compiling_and_a_computed_one_when_evaluating():
    with pytest.raises(ExpressionSyntaxError, match="pattern") as caught:
        compile_mapping("'x' matches '('")
    assert caught.value.position == 12
    with pytest.raises(EvaluationError, match="pattern"):
        compile_mapping("'x' matches p").evaluate({"p": "("})
