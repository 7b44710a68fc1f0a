"""The grammar of gateway expressions: what stands between `${` and `}`."""

import re
from collections.abc import Mapping
from typing import ClassVar

from deputize.expressions.compiler import Program, Semantics, compile_tree
from deputize.expressions.dialects import gateway_operators
from deputize.expressions.functions.gateway import FUNCTIONS, METHODS
from deputize.expressions.lexer import Token, Vocabulary, operator_pattern
from deputize.expressions.parser import Parser
from deputize.expressions.tree import BinaryOperator, Member, MethodCall, Node, Root, UnaryOperator
from deputize.expressions.values import is_absent

_ESCAPED = re.compile(r"\\([\\'\"])")

VOCABULARY = Vocabulary(
    quoted=re.compile(r"'(?:[^'\\]|\\.)*'" + r'|"(?:[^"\\]|\\.)*"', re.DOTALL),
    # A backslash before anything but a quote or a backslash stays, so that regular expressions need no
    # doubling.
    unquote=lambda text: _ESCAPED.sub(r"\1", text[1:-1]),
    operators=operator_pattern(
        *("||", "&&", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!"),
        *("?", ":", ",", "(", ")", "[", "]", "."),
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
        "empty": "empty",
    },
    words_ignore_case=False,
)

SEMANTICS = Semantics(
    gateway_operators.BINARY,
    gateway_operators.UNARY,
    is_absent,
    gateway_operators.differs_from_null,
    gateway_operators.truth,
    FUNCTIONS,
    METHODS,
)
DECIDING = Semantics(
    gateway_operators.DECIDING_BINARY,
    gateway_operators.DECIDING_UNARY,
    gateway_operators.asking(is_absent),
    gateway_operators.asking(gateway_operators.differs_from_null),
    gateway_operators.truth,
    FUNCTIONS,
    METHODS,
    decides=True,
)
"""For conditions that permit: see `gateway_operators`."""


def compile_tokens(source: str, tokens: list[Token]) -> Program:
    """The program for one expression inside a template. Raises `ExpressionSyntaxError`."""
    return compile_tree(source, _GatewayParser(source, tokens).parse(), SEMANTICS)


class _GatewayParser(Parser):
    """The gateway dialect's primaries and suffixes."""

    precedences: ClassVar[Mapping[str, tuple[int, BinaryOperator]]] = {
        "||": (1, "or"),
        "&&": (2, "and"),
        "==": (3, "=="),
        "!=": (3, "!="),
        "<": (4, "<"),
        "<=": (4, "<="),
        ">": (4, ">"),
        ">=": (4, ">="),
        "+": (5, "+"),
        "-": (5, "-"),
        "*": (6, "*"),
        "/": (6, "/"),
        "%": (6, "%"),
    }
    prefixes: ClassVar[Mapping[str, UnaryOperator]] = {"!": "not", "-": "-", "empty": "empty"}
    functions = FUNCTIONS

    def name(self) -> Node:
        token = self.take()
        if self.is_at("("):
            return self.call(token.start, token.text, f"{token.text}()")
        return Member(token.start, token.end, Root(token.start, token.start), token.text)

    def member_of(self, start: int, target: Node) -> Node:
        name = self.word("after '.'")
        if self.is_at("("):
            return self._method_call(start, target, name)
        return Member(start, name.end, target, name.text)

    def _method_call(self, start: int, target: Node, name: Token) -> Node:
        method = METHODS.get(name.text)
        if method is None:
            self.fail(f"there is no method {name.text}(); there are {', '.join(METHODS)}", name.start)
        arguments = self.arguments()
        if not method.takes(len(arguments) + 1):
            self.fail(f"{name.text}() cannot be called with {len(arguments)} arguments", name.start)
        return MethodCall(start, self.end, target, name.text, arguments)
