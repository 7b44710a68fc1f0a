import pytest

from deputize.expressions.errors import ExpressionSyntaxError
from deputize.expressions.gateway import VOCABULARY as GATEWAY
from deputize.expressions.lexer import tokens
from deputize.expressions.mapping import VOCABULARY as MAPPING


def lexed(source, vocabulary=MAPPING):
    return [
        (token.kind, token.text if token.kind in {"operator", "word"} else token.value)
        for token in tokens(source, vocabulary)[:-1]
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", []),
        (" \t\r\n", []),
        ("a1_b", [("word", "a1_b")]),
        ("größe", [("word", "größe")]),
        ("a OR b", [("word", "a"), ("operator", "||"), ("word", "b")]),
        ("a?.b", [("word", "a"), ("operator", "."), ("word", "b")]),
        ("a?:b", [("word", "a"), ("operator", "?:"), ("word", "b")]),
        ("a?.?[b]", [("word", "a"), ("operator", ".?["), ("word", "b"), ("operator", "]")]),
        ("a.![b", [("word", "a"), ("operator", ".!["), ("word", "b")]),
        ("1<=2", [("number", 1), ("operator", "<="), ("number", 2)]),
        ("'it''s'", [("text", "it's")]),
        ('"say ""hi"""', [("text", 'say "hi"')]),
        ("12L", [("number", 12)]),
        ("0x1f", [("number", 31)]),
        ("1.5", [("number", 1.5)]),
        ("1e3", [("number", 1000.0)]),
        ("1.5f", [("number", 1.5)]),
        ("007", [("number", 7)]),
        ("a.1", [("word", "a"), ("operator", "."), ("number", 1)]),
    ],
)
def test_tokens_of_mappings(source, expected):
    assert lexed(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (r"'it\'s'", [("text", "it's")]),
        (r"'\\.html'", [("text", r"\.html")]),
        (r"'\.html'", [("text", r"\.html")]),
        (r'"a\"b"', [("text", 'a"b')]),
        ("a OR b", [("word", "a"), ("word", "OR"), ("word", "b")]),
        ("a div b", [("word", "a"), ("operator", "/"), ("word", "b")]),
        ("empty x", [("operator", "empty"), ("word", "x")]),
    ],
)
def test_tokens_of_gateway_expressions(source, expected):
    assert lexed(source, GATEWAY) == expected


def test_tokens_know_where_they_stand():
    word, operator, text, end = tokens("ab == 'c'", MAPPING)
    assert (word.start, word.end, operator.start, operator.end, text.start, text.end, end.start) == (
        0,
        2,
        3,
        5,
        6,
        9,
        9,
    )


@pytest.mark.parametrize(
    ("source", "position", "reason"),
    [
        ("a = b", 2, "means nothing"),
        ("a & b", 2, "means nothing"),
        ("'abc", 0, "quote"),
        ("x 'abc''", 2, "quote"),
        ("12abc", 0, "number"),
        ("1.", 0, "number"),
        ("9223372036854775808", 0, "out of range"),
        ("1" * 5000, 0, "out of range"),
        ("1e999", 0, "out of range"),
        ("a \x00", 2, "means nothing"),
        ("a \ud800", 2, "means nothing"),
    ],
)
def test_what_is_no_token_is_refused_at_its_place(source, position, reason):
    with pytest.raises(ExpressionSyntaxError, match=reason) as caught:
        tokens(source, MAPPING)
    assert caught.value.position == position


def test_reading_ends_at_the_closing_brace_outside_of_texts():
    found = tokens("${ '}' } rest", GATEWAY, start=2, stop="}")
    assert [token.value for token in found] == ["}", None]
    assert found[-1].start == 7


def test_a_missing_closing_brace_is_refused():
    with pytest.raises(ExpressionSyntaxError, match="closing '}'"):
        tokens("${a", GATEWAY, start=2, stop="}")
