"""Tokens to tree: what the dialects share. A dialect adds its own primaries and suffixes.

Binary operators are parsed by climbing a table of precedences instead of by one function per level: with a
function per level 64 nested parentheses would need some 800 Python frames, more than is left below a web
server's own.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NoReturn

from deputize.expressions.errors import ExpressionSyntaxError
from deputize.expressions.functions.function import Function
from deputize.expressions.lexer import Token
from deputize.expressions.tree import (
    Binary,
    BinaryOperator,
    Call,
    Conditional,
    Elvis,
    Index,
    Literal,
    Member,
    Node,
    Unary,
    UnaryOperator,
    walk,
)
from deputize.expressions.values import MAX_DEPTH
from deputize.kernel.families import Family
from deputize.kernel.suggestions import find_similar

MAX_SOURCE = 8192
"""Characters of one expression or template."""
# A parenthesis makes no node, yet descends twice: the expression in it and that expression's first operand.
_MAX_PARSE_DEPTH = 2 * MAX_DEPTH

_CONSTANTS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None}


def check_length(source: str) -> None:
    """Refuse a source longer than `MAX_SOURCE` before anything reads it."""
    if len(source) > MAX_SOURCE:
        raise ExpressionSyntaxError(source, MAX_SOURCE, f"longer than {MAX_SOURCE} characters")


class Parser(ABC):
    """One pass over the tokens of one expression."""

    precedences: ClassVar[Mapping[str, tuple[int, BinaryOperator]]]
    """The binary operators; a higher precedence binds more tightly. All are left-associative."""
    prefixes: ClassVar[Mapping[str, UnaryOperator]]
    functions: ClassVar[Family[Function]]

    def __init__(self, source: str, tokens: list[Token]) -> None:
        """`tokens` ends with an "end" token."""
        self.source = source
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def parse(self) -> Node:
        """The whole token list as one expression. Raises `ExpressionSyntaxError`."""
        root = self.expression()
        if self.token.kind != "end":
            self.fail(f"{self.token_text()} is unexpected after a complete expression")
        for node, depth in walk(root):
            if depth > MAX_DEPTH:
                self.fail(f"nested deeper than {MAX_DEPTH}", node.start)
        return root

    @property
    def token(self) -> Token:
        """The token to be read next."""
        return self._tokens[self._at]

    @property
    def end(self) -> int:
        """Where the token that was read last ends."""
        return self._tokens[self._at - 1].end

    def peek(self) -> Token:
        """The token after `token`; at the end, the "end" token again."""
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def take(self) -> Token:
        """Read one token."""
        token = self.token
        self._at += token.kind != "end"
        return token

    def is_at(self, operator: str) -> bool:
        """Whether that operator comes next."""
        return self.token.kind == "operator" and self.token.text == operator

    def accept(self, operator: str) -> bool:
        """Read that operator if it comes next."""
        found = self.is_at(operator)
        self._at += found
        return found

    def expect(self, operator: str, place: str) -> None:
        """Read that operator or fail."""
        if not self.accept(operator):
            self.fail(f"{operator!r} is missing {place}")

    def fail(self, reason: str, at: int | None = None) -> NoReturn:
        """Raise `ExpressionSyntaxError`, at the next token unless told otherwise."""
        raise ExpressionSyntaxError(self.source, self.token.start if at is None else at, reason)

    def token_text(self) -> str:
        """The next token as a person wrote it."""
        token = self.token
        return "the end" if token.kind == "end" else repr(self.source[token.start : token.end][:64])

    def expression(self) -> Node:
        """`binary`, `binary ? expression : expression` or `binary ?: expression`."""
        self._descend()
        start = self.token.start
        node = self._binary(0)
        if self.accept("?"):
            then = self.expression()
            self.expect(":", "in the conditional that began with '?'")
            otherwise = self.expression()
            node = Conditional(start, self.end, node, then, otherwise)
        elif self.accept("?:"):
            otherwise = self.expression()
            node = Elvis(start, self.end, node, otherwise)
        self._depth -= 1
        return node

    def _binary(self, lowest: int) -> Node:
        self._descend()
        start = self.token.start
        left = self._unary()
        while (
            self.token.kind == "operator"
            and (entry := self.precedences.get(self.token.text))
            and entry[0] >= lowest
        ):
            precedence, operator = entry
            at = self.take().start
            right = self._binary(precedence + 1)
            left = Binary(start, self.end, operator, left, right, at)
        self._depth -= 1
        return left

    def _unary(self) -> Node:
        start = self.token.start
        operator = self.prefixes.get(self.token.text) if self.token.kind == "operator" else None
        if operator is None:
            node = self.primary()
            while (extended := self.suffix(start, node)) is not None:
                node = extended
            return node
        self._descend()
        self.take()
        operand = self._unary()
        self._depth -= 1
        return Unary(start, self.end, operator, operand)

    def primary(self) -> Node:
        """A literal, a parenthesis, or what the dialect knows besides."""
        token = self.token
        if token.kind in {"text", "number"}:
            self.take()
            return Literal(token.start, token.end, token.value)
        if token.kind == "word" and (constant := self.constant_name(token.text)) in _CONSTANTS:
            self.take()
            return Literal(token.start, token.end, _CONSTANTS[constant])
        if self.accept("("):
            node = self.expression()
            self.expect(")", "after the parenthesis")
            return node
        return self.name() if token.kind == "word" else self.special()

    def constant_name(self, word: str) -> str:
        """How `true`, `false` and `null` may be written."""
        return word

    @abstractmethod
    def name(self) -> Node:
        """A primary that begins with a word."""

    def special(self) -> Node:
        """A primary that begins with one of the dialect's own operators."""
        self.fail(f"a value is expected, not {self.token_text()}")

    def suffix(self, start: int, target: Node) -> Node | None:
        """`target`, which began at `start`, extended by `.name` or `[key]`; `None` when neither follows."""
        if self.accept("["):
            key = self.expression()
            self.expect("]", "after the index")
            return Index(start, self.end, target, key)
        return self.member_of(start, target) if self.accept(".") else None

    def member_of(self, start: int, target: Node) -> Node:
        """`target.name`, the dot having been read."""
        name = self.word("after '.'")
        return Member(start, self.end, target, name.text)

    def word(self, place: str) -> Token:
        """Read a name. Words that are operators elsewhere are names here: the position leaves no doubt."""
        token = self.token
        text = self.source[token.start : token.end]
        if token.kind != "word" and not (token.kind == "operator" and text.isalpha()):
            self.fail(f"a name is expected {place}, not {self.token_text()}")
        self.take()
        return Token("word", text, text, token.start, token.end)

    def call(self, start: int, name: str, shown: str) -> Node:
        """The call of function `name`, the next token being its "(".

        `shown` is the name as people write it.
        """
        function = self.functions.by_name.get(name)
        if function is None:
            callable_here = [each for each in self.functions.by_name if not each.startswith(".")]
            close = find_similar(name, callable_here)
            hint = f"; did you mean {shown.replace(name, close[0])}?" if close else ""
            self.fail(f"there is no function {shown}{hint}", start)
        arguments = self.arguments()
        if not function.takes(len(arguments)):
            self.fail(f"{shown} takes {function.arity}, not {len(arguments)}", start)
        return Call(start, self.end, name, arguments)

    def arguments(self) -> tuple[Node, ...]:
        """The arguments in parentheses, the next token being "("."""
        found: list[Node] = []
        self.expect("(", "before the arguments")
        if not self.is_at(")"):
            found.append(self.expression())
            while self.accept(","):
                found.append(self.expression())
        self.expect(")", "after the arguments")
        return tuple(found)

    def _descend(self) -> None:
        self._depth += 1
        if self._depth > _MAX_PARSE_DEPTH:
            self.fail(f"nested deeper than {MAX_DEPTH}")
