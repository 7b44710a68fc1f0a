"""The grammar of mapping expressions: the part of the Spring Expression Language that computes claims.

Left out on purpose, as in the original: types, constructors, assignment and methods. Accepted although the
original wants otherwise: operators without spaces around them, `?.` for `.`, line breaks between tokens.
"""

import re
from collections.abc import Mapping
from typing import ClassVar

from deputize.expressions.compiler import Program, Semantics, compile_tree
from deputize.expressions.dialects import mapping_operators
from deputize.expressions.functions.mapping import FUNCTIONS, LIBRARIES
from deputize.expressions.lexer import Vocabulary, operator_pattern, tokens
from deputize.expressions.parser import Parser, check_length
from deputize.expressions.tree import (
    BinaryOperator,
    Choice,
    ListLiteral,
    Literal,
    MapLiteral,
    Member,
    Node,
    Projection,
    Root,
    Selection,
    This,
    UnaryOperator,
)

VOCABULARY = Vocabulary(
    quoted=re.compile(r"'(?:[^']|'')*+'" + r'|"(?:[^"]|"")*+"'),
    unquote=lambda text: text[1:-1].replace(text[0] * 2, text[0]),
    operators=operator_pattern(
        *("||", "&&", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "^", "!"),
        *("? :", "?", ":", ",", "(", ")", "[", "]", "{", "}", "#"),
        *(".", "? .", ". ? [", ". ^ [", ". $ [", ". ! [", "? . ? [", "? . ^ [", "? . $ [", "? . ! ["),
    ),
    synonyms={
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
        "matches": "matches",
        "?.": ".",
        "?.?[": ".?[",
        "?.^[": ".^[",
        "?.$[": ".$[",
        "?.![": ".![",
    },
    words_ignore_case=True,
)

_CHOICES: Mapping[str, Choice] = {".?[": "all", ".^[": "first", ".$[": "last"}
_VARIABLES = {"root": Root, "this": This}

SEMANTICS = Semantics(
    mapping_operators.BINARY,
    mapping_operators.UNARY,
    mapping_operators.equals_null,
    mapping_operators.differs_from_null,
    mapping_operators.truth,
    FUNCTIONS,
    {},
)


def compile_source(source: str) -> Program:
    """The program for a bare mapping expression (without `${}`). Raises `ExpressionSyntaxError`."""
    check_length(source)
    return compile_tree(source, _MappingParser(source, tokens(source, VOCABULARY)).parse(), SEMANTICS)


class _MappingParser(Parser):
    """The mapping dialect's primaries and suffixes."""

    precedences: ClassVar[Mapping[str, tuple[int, BinaryOperator]]] = {
        "||": (1, "or"),
        "&&": (2, "and"),
        "==": (3, "=="),
        "!=": (3, "!="),
        "<": (3, "<"),
        "<=": (3, "<="),
        ">": (3, ">"),
        ">=": (3, ">="),
        "matches": (3, "matches"),
        "+": (4, "+"),
        "-": (4, "-"),
        "*": (5, "*"),
        "/": (5, "/"),
        "%": (5, "%"),
        "^": (6, "^"),
    }
    prefixes: ClassVar[Mapping[str, UnaryOperator]] = {"!": "not", "-": "-", "+": "+"}
    functions = FUNCTIONS

    def constant_name(self, word: str) -> str:
        return word.lower()

    def name(self) -> Node:
        token = self.take()
        if self.is_at("("):
            self.fail(
                f"{token.text}(…) is not available: types and methods are disabled, functions are called "
                f"as in #string.trim(…)",
                token.start,
            )
        if token.text == "new" and self.token.kind == "word":
            self.fail("'new' is disabled: write a list as {1, 2}", token.start)
        return Member(token.start, token.end, This(token.start, token.start), token.text)

    def special(self) -> Node:
        start = self.token.start
        if self.accept("#"):
            return self._variable(start)
        if self.accept("{"):
            return self._braces(start)
        return super().special()

    def _variable(self, start: int) -> Node:
        name = self.word("after '#'").text
        if name in _VARIABLES:
            return _VARIABLES[name](start, self.end)
        if name not in LIBRARIES:
            self.fail(
                f"there is no variable or library #{name}; there are #root, #this, #{', #'.join(LIBRARIES)}",
                start,
            )
        self.expect(".", f"after the library #{name}")
        function = self.word(f"after '#{name}.'").text
        return self.call(start, f"{name}.{function}", f"#{name}.{function}")

    def _braces(self, start: int) -> Node:
        """A list or a map, the "{" having been read; `{}` is a list and `{:}` a map."""
        if self.accept(":"):
            self.expect("}", "after '{:'")
            return MapLiteral(start, self.end, ())
        if self.accept("}"):
            return ListLiteral(start, self.end, ())
        first = self.expression()
        return self._map(start, first) if self.is_at(":") else self._list(start, first)

    def _list(self, start: int, first: Node) -> Node:
        items = [first]
        while self.accept(","):
            items.append(self.expression())
        self.expect("}", "at the end of the list")
        return ListLiteral(start, self.end, tuple(items))

    def _map(self, start: int, first: Node) -> Node:
        entries = [self._entry(first)]
        while self.accept(","):
            entries.append(self._entry(self.expression()))
        self.expect("}", "at the end of the map")
        return MapLiteral(start, self.end, tuple(entries))

    def _entry(self, key: Node) -> tuple[Node, Node]:
        self.expect(":", "after the key")
        return _bare_word(key), self.expression()

    def suffix(self, start: int, target: Node) -> Node | None:
        choice = _CHOICES.get(self.token.text) if self.token.kind == "operator" else None
        if choice is not None:
            self.take()
            test = self.expression()
            self.expect("]", "after the selection")
            return Selection(start, self.end, target, choice, test)
        if self.accept(".!["):
            body = self.expression()
            self.expect("]", "after the projection")
            return Projection(start, self.end, target, body)
        return super().suffix(start, target)

    def member_of(self, start: int, target: Node) -> Node:
        node = super().member_of(start, target)
        if self.is_at("("):
            self.fail("methods are disabled: functions are called as in #string.trim(…)")
        return node


def _bare_word(key: Node) -> Node:
    """A key that is a bare word stands for itself."""
    if isinstance(key, Member) and isinstance(key.target, This) and key.target.start == key.target.end:
        return Literal(key.start, key.end, key.name)
    return key
