import pytest

from deputize.expressions.errors import ExpressionSyntaxError, TokenError
from deputize.kernel.errors import DeputizeError


@pytest.mark.parametrize(
    ("source", "position", "lines"),
    [
        ("a + ", 4, ["  a + ", "      ^"]),
        ("a\nbc d", 5, ["  bc d", "     ^"]),
        ("a\x07b", 2, ["  a\\x07b", "       ^"]),
        ("", 0, ["  ", "  ^"]),
    ],
)
def test_a_caret_shows_the_place(source, position, lines):
    error = ExpressionSyntaxError(source, position, "bad")
    assert str(error).split("\n") == [f"bad at character {position + 1}", *lines]
    assert isinstance(error, DeputizeError)


def test_long_sources_are_cut_around_the_place():
    error = ExpressionSyntaxError("x" * 500 + "!" + "y" * 500, 500, "bad")
    _, line, caret = str(error).split("\n")
    assert len(line) < 110
    assert line[caret.index("^")] == "!"


def test_token_errors_name_the_pointer():
    assert (
        str(TokenError("/heap/0", "nothing is known", "define it")) == "/heap/0: nothing is known (define it)"
    )
    assert str(TokenError("", "bad", "fix")).startswith("the document: ")
