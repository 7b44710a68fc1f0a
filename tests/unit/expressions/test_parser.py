"""Where nodes stand, and what binds more tightly than what."""

import pytest

from deputize.expressions import ExpressionSyntaxError
from deputize.expressions.gateway import compile_template
from deputize.expressions.mapping import compile_mapping
from deputize.expressions.tree import children, count, walk
from support.expression_source import gateway_source, mapping_source


def texts(source):
    return {source[node.start : node.end] for node, _ in walk(compile_mapping(source).program.tree)} - {""}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("(a == b) && c", {"(a == b) && c", "a == b", "a", "b", "c"}),
        ("( a ).b[ 'c' ]", {"( a ).b[ 'c' ]", "( a ).b", "a", "'c'"}),
        ("!(a) ? {1} : {k: 2}", {"!(a) ? {1} : {k: 2}", "!(a)", "a", "{1}", "1", "{k: 2}", "k", "2"}),
        ("#string.trim(a.b) ?: 'x'", {"#string.trim(a.b) ?: 'x'", "#string.trim(a.b)", "a.b", "a", "'x'"}),
        (
            "a.?[#this > 1].![b]",
            {"a.?[#this > 1].![b]", "a.?[#this > 1]", "a", "#this > 1", "#this", "1", "b"},
        ),
    ],
)
def test_every_node_cuts_its_own_text_out_of_the_source(source, expected):
    assert texts(source) == expected


@pytest.mark.parametrize(
    ("source", "grouped"),
    [
        ("a or b and c", "(a or (b and c))"),
        ("a == b and c != d", "((a == b) and (c != d))"),
        ("a + b < c * d", "((a + b) < (c * d))"),
        ("a - b - c", "((a - b) - c)"),
        ("-a ^ b", "((- a) ^ b)"),
        ("a * b ^ c", "(a * (b ^ c))"),
        ("! a == b", "((not a) == b)"),
        ("a ? b : c ? d : e", "(a ? b : (c ? d : e))"),
        ("a ?: b ?: c", "(a ?: (b ?: c))"),
        ("(a)?b:c", "(a ? b : c)"),
        ("not a.b", "(not a.b)"),
        ("a matches b and c", "((a matches b) and c)"),
    ],
)
def test_precedence_in_mappings(source, grouped):
    assert mapping_source(compile_mapping(source).program.tree) == grouped


@pytest.mark.parametrize(
    ("source", "grouped"),
    [
        ("a == b < c", "(a == (b < c))"),
        ("empty a.b and c", "((empty a.b) and c)"),
        ("a mod b div c", "((a % b) / c)"),
        ("not a || b && c", "((not a) or (b and c))"),
        ("a ? b : c ? d : e", "(a ? b : (c ? d : e))"),
        ("-a.b + f.trim()", "((- a.b) + f.trim())"),
    ],
)
def test_precedence_in_gateway_expressions(source, grouped):
    (program,) = compile_template(f"${{{source}}}").parts
    assert gateway_source(program.tree) == grouped


def test_words_that_are_operators_are_names_after_a_dot():
    assert mapping_source(compile_mapping("a.mod.matches.and").program.tree) == "a.mod.matches.and"


def test_counting_visits_every_node_once():
    tree = compile_mapping("a.b == {1, {k: 2}} ? #core.ifelse(a, 1, 2) : -c").program.tree
    assert count(tree) == sum(1 for _ in walk(tree)) == 1 + sum(count(child) for child in children(tree))


@pytest.mark.parametrize(
    ("spaced", "plain"),
    [
        ("a . ? [b]", "a.?[b]"),
        ("a.? [b]", "a.?[b]"),
        ("a. ?[b]", "a.?[b]"),
        ("a.?\n[b]", "a.?[b]"),
        ("a .^ [b]", "a.^[b]"),
        ("a . $ [b]", "a.$[b]"),
        ("a.! [b]", "a.![b]"),
        ("a ? . ? [b]", "a?.?[b]"),
        ("a ?. ! [b]", "a?.![b]"),
        ("a ? . b", "a?.b"),
        ("a . b [ 'c' ]", "a.b['c']"),
        ("a ? : b", "a ?: b"),
        ("# string . trim ( a )", "#string.trim(a)"),
        ("# root . a", "#root.a"),
        ("{ : }", "{:}"),
        ("a?{1}:{:}", "a ? {1} : {:}"),
    ],
)
def test_blanks_may_stand_between_the_parts_of_an_operator(spaced, plain):
    assert mapping_source(compile_mapping(spaced).program.tree) == mapping_source(
        compile_mapping(plain).program.tree
    )


@pytest.mark.parametrize("source", ["a = = b", "a < = b", "a ! = b", "a & & b", "a | | b"])
def test_comparisons_are_not_torn_apart(source):
    with pytest.raises(ExpressionSyntaxError):
        compile_mapping(source)
