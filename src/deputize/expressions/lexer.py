"""Split text into tokens. Operators and quotes depend on the dialect, numbers and words do not."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from deputize.expressions.errors import ExpressionSyntaxError
from deputize.expressions.values import MAX_INTEGER

Kind: TypeAlias = Literal["text", "number", "word", "operator", "end"]


@dataclass(frozen=True, slots=True)
class Token:
    """A lexical unit. `text` is the operator's canonical form, the word itself, or the literal's source."""

    kind: Kind
    text: str
    value: str | float | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the tokens of one dialect look like."""

    quoted: re.Pattern[str]
    """Matches a whole text literal with its quotes."""
    unquote: Callable[[str], str]
    """The text a literal stands for."""
    operators: re.Pattern[str]
    synonyms: Mapping[str, str]
    """Operators, and words in lower case that are operators, to their canonical form."""
    words_ignore_case: bool


def operator_pattern(*operators: str) -> re.Pattern[str]:
    """A pattern that matches the longest of `operators`.

    A blank in an operator stands for any white space or none.
    """
    patterns = (
        _BLANKS.join(map(re.escape, operator.split(" ")))
        for operator in sorted(operators, key=len, reverse=True)
    )
    return re.compile("|".join(patterns))


_BLANKS = r"[ \t\r\n]*"
_HINTS: Mapping[str, str] = {
    "=": ": values are compared with '==', and nothing can be assigned",
    "&": ": did you mean '&&'?",
    "|": ": did you mean '||'?",
}
_SPACE = re.compile(_BLANKS)
_WORD = re.compile(r"[^\W\d]\w*")
_NUMBER = re.compile(
    r"(?P<hex>0[xX][0-9a-fA-F]{1,16})(?!\w)"
    r"|(?P<whole>[0-9]+)[lL]?(?![\w.])"
    r"|(?P<real>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?)[fFdD]?(?![\w.])"
)


WORD_OPERATORS: Mapping[str, str] = {
    "or": "||",
    "and": "&&",
    "eq": "==",
    "ne": "!=",
    "le": "<=",
    "ge": ">=",
    "lt": "<",
    "gt": ">",
    "div": "/",
    "mod": "%",
    "not": "!",
}
"""The operators that both dialects also write as words."""


def tokens(source: str, vocabulary: Vocabulary, start: int = 0, stop: str = "") -> list[Token]:
    """The tokens of `source` from `start` to its end, closed by an "end" token.

    With `stop`, reading ends at the first operator token `stop` outside of texts, which becomes the "end"
    token: that is how the closing brace of `${…}` is found. Raises `ExpressionSyntaxError`.
    """
    found: list[Token] = []
    at = _skip_space(source, start)
    while at < len(source):
        if stop and source.startswith(stop, at):
            break
        token = _read_token(source, at, vocabulary)
        found.append(token)
        at = _skip_space(source, token.end)
    if stop and at >= len(source):
        raise ExpressionSyntaxError(source, start, f"the closing {stop!r} is missing")
    return [*found, Token("end", "", None, at, at)]


def _skip_space(source: str, at: int) -> int:
    space = _SPACE.match(source, at)
    return space.end() if space else at


def _read_token(source: str, at: int, vocabulary: Vocabulary) -> Token:
    character = source[at]
    if character in "'\"":
        match = vocabulary.quoted.match(source, at)
        if match is None:
            raise ExpressionSyntaxError(source, at, "the closing quote is missing")
        return Token("text", match.group(), vocabulary.unquote(match.group()), at, match.end())
    if character in "0123456789":
        return _read_number(source, at)
    if match := _WORD.match(source, at):
        word = match.group()
        operator = vocabulary.synonyms.get(word.lower() if vocabulary.words_ignore_case else word)
        if operator is None:
            return Token("word", word, word, at, match.end())
        return Token("operator", operator, None, at, match.end())
    match = vocabulary.operators.match(source, at)
    if match is None:
        raise ExpressionSyntaxError(
            source, at, f"{character!r} means nothing here{_HINTS.get(character, '')}"
        )
    operator = "".join(match.group().split())
    return Token("operator", vocabulary.synonyms.get(operator, operator), None, at, match.end())


def _read_number(source: str, at: int) -> Token:
    match = _NUMBER.match(source, at)
    if match is None:
        raise ExpressionSyntaxError(source, at, "not a number")
    if match["hex"]:
        value: int | float = int(match["hex"], 16)
    elif match["whole"]:
        # int() refuses texts of more than 4300 digits; above 20 digits it is out of range anyway.
        digits = match["whole"].lstrip("0")
        value = int(match["whole"][-20:]) if len(digits) <= 20 else MAX_INTEGER + 1
    else:
        value = float(match["real"])
    if abs(value) > MAX_INTEGER and (isinstance(value, int) or value == float("inf")):
        raise ExpressionSyntaxError(source, at, "the number is out of range")
    return Token("number", match.group(), value, at, match.end())
