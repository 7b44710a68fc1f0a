import time

import pytest

from deputize.expressions.errors import OperandError, OperandLimitError
from deputize.expressions.limits import MAX_TEXT
from deputize.expressions.patterns import MAX_OCCURRENCES, MAX_PATTERN, Pattern, as_pattern, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "text", "found", "whole"),
    [
        ("^/mcp", "/mcp/x", True, False),
        ("^/mcp", "/x/mcp", False, False),
        ("^/mcp", "", False, False),
        ("/mcp", "/mcp", True, True),
        ("^/mc.", "/mcp", True, True),
        ("^/mcp$", "/mcp\n", False, False),
        ("é+", "caféé", True, False),
        (".", "\U0001f600", True, True),
        ("^a b", "a b c", True, False),
    ],
)
def test_finding_and_matching(pattern, text, found, whole):
    assert Pattern(pattern).is_found_in(text) is found
    assert Pattern(pattern).matches(text) is whole


def test_groups_that_took_no_part_are_null():
    assert Pattern("(a)|(b)").groups("xb") == ["b", None, "b"]
    assert Pattern("(a)").groups("x") is None


def test_occurrences_splits_and_replacements():
    assert Pattern("[0-9]+").occurrences("a1b22é333") == ["1", "22", "333"]
    assert Pattern(",").split("a,é,,b") == ["a", "é", "", "b"]
    assert Pattern("x*").split("axb") == ["a", "b"]
    assert Pattern("(a)(b)?").replace("ab-a", r"[$2$1\$1]") == "[ba$1]-[a$1]"


@pytest.mark.parametrize("pattern", ["(", "a{2000}{2000}", "(?=x)", r"(a)\1", "x" * (MAX_PATTERN + 1), "\ud800"])
def test_wrong_patterns_are_errors_with_a_reason(pattern):
    with pytest.raises(OperandError, match=r"pattern|surrogate"):
        Pattern(pattern)


def test_a_missing_group_is_an_error():
    with pytest.raises(OperandError, match="group"):
        Pattern("a").replace("a", "$1")


def test_lone_surrogates_are_errors():
    with pytest.raises(OperandError):
        Pattern("a.").is_found_in("\ud800")


def test_searching_is_linear_where_backtracking_engines_explode():
    began = time.perf_counter()
    assert not Pattern("(a+)+$").is_found_in("a" * 100_000 + "b")
    assert time.perf_counter() - began < 2


def test_looking_for_all_occurrences_is_bounded():
    with pytest.raises(OperandLimitError):
        Pattern("a").occurrences("a" * (MAX_OCCURRENCES + 1))
    with pytest.raises(OperandLimitError):
        Pattern("a").split("b" * (MAX_TEXT + 1))
    with pytest.raises(OperandLimitError):
        Pattern("a").replace("a" * 900, "b" * 1000)


def test_operands_are_compiled_once():
    assert compile_pattern("x+") is compile_pattern("x+")
    pattern = Pattern("x")
    assert as_pattern(pattern) is pattern
    assert as_pattern("x").source == "x"
    with pytest.raises(OperandError):
        as_pattern(3)


def test_a_torn_character_does_not_escape_as_a_decoding_error():
    assert Pattern(r"\C").occurrences("é") == ["\ufffd", "\ufffd"]
