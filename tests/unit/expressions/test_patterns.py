import time

import pytest

from deputize.expressions.errors import OperandError, OperandLimitError
from deputize.expressions.patterns import (
    MAX_BACKTRACKED_TEXT,
    MAX_OCCURRENCES,
    MAX_PATTERN,
    Pattern,
    as_pattern,
    compile_pattern,
)
from deputize.expressions.values import MAX_TEXT


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


@pytest.mark.parametrize(
    "pattern", ["(", "a{2000}{2000}", "(?=x)", r"(a)\1", "x" * (MAX_PATTERN + 1), "\ud800"]
)
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


@pytest.mark.parametrize(
    ("pattern", "text", "found", "whole"),
    [
        ("^(?!/mcp/admin)/mcp", "/mcp/x", True, False),
        ("^(?!/mcp/admin)/mcp", "/mcp/admin", False, False),
        ("(?<=@)[^.]+", "a@test.com", True, False),
        ("(?<!x)y", "xy", False, False),
        (r"(\w)\1", "hello", True, False),
        (r"(?:(\w)\1)+", "aabb", True, True),
        ("(?>a+)b", "aab", True, True),
        ("a++b", "aab", True, True),
        ("^(?=.*é)...$", "caé", True, True),
    ],
)
def test_what_re2_refuses_is_taken_where_an_operator_wrote_it(pattern, text, found, whole):
    assert compile_pattern(pattern).is_found_in(text) is found
    assert compile_pattern(pattern).matches(text) is whole
    with pytest.raises(OperandError):
        as_pattern(pattern)


def test_the_other_uses_of_a_backtracking_pattern():
    pattern = compile_pattern(r"(?<=-)([a-zé])(\d)?")
    assert pattern.groups("x-é-b2") == ["é", "é", None]
    assert pattern.groups("xé") is None
    assert pattern.occurrences("-a1-é-b2") == ["a1", "é", "b2"]
    assert pattern.split("-a1-é--b2x") == ["-", "-", "--", "x"]
    assert pattern.replace("-a1-é", r"[$2$1\$]") == "-[1a$]-[é$]"
    with pytest.raises(OperandError, match="names a group"):
        pattern.replace("-a1", "$7")


CATASTROPHIC = compile_pattern(r"(?=a)(a|aa|a)+$(?<!c)")
UNLUCKY = "a" * 200 + "b"


@pytest.mark.parametrize(
    "use",
    [
        lambda: CATASTROPHIC.is_found_in(UNLUCKY),
        lambda: CATASTROPHIC.matches(UNLUCKY),
        lambda: CATASTROPHIC.groups(UNLUCKY),
        lambda: CATASTROPHIC.occurrences(UNLUCKY),
        lambda: CATASTROPHIC.split(UNLUCKY),
        lambda: CATASTROPHIC.replace(UNLUCKY, "x"),
    ],
)
def test_a_text_that_makes_it_take_too_long_is_an_error(use):
    """Without the limit this would not end before the universe does."""
    with pytest.raises(OperandLimitError, match="takes too long"):
        use()


def test_a_backtracking_pattern_is_not_tried_on_long_texts():
    with pytest.raises(OperandLimitError, match="longer than"):
        compile_pattern("(?=a)b").is_found_in("x" * (MAX_BACKTRACKED_TEXT + 1))
    with pytest.raises(OperandLimitError, match="occurs more than"):
        compile_pattern("(?=a)a").occurrences("a" * (MAX_OCCURRENCES + 1))
    with pytest.raises(OperandError, match="surrogate"):
        compile_pattern("(?=a)a").is_found_in("\ud800")


@pytest.mark.parametrize("pattern", ["(?=x", "(?<=x*)(", r"\1(", "(?=" * 400])
def test_what_neither_engine_takes_is_refused(pattern):
    with pytest.raises(OperandError):
        compile_pattern(pattern)
