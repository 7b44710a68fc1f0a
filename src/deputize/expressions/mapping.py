"""Mapping expressions, by which resources compute the claims of their tokens.

Their grammar is the part of the Spring Expression Language that computes values.

Left out on purpose, as in the original: types, constructors, assignment and methods. Accepted although the
original wants otherwise: operators without spaces around them, `?.` for `.`, line breaks between tokens.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from deputize.expressions import operators
from deputize.expressions.compiler import Program, Semantics, compile_tree
from deputize.expressions.explanation import FalsePart, explain
from deputize.expressions.functions.mapping import MAPPING_FUNCTIONS
from deputize.expressions.lexer import WORD_OPERATORS, Vocabulary, operator_pattern, tokens
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
from deputize.expressions.values import DEFAULT_LIMITS, ExpressionLimits, Missing
from deputize.kernel.values import JsonValue

VOCABULARY = Vocabulary(
    quoted=re.compile(r"'(?:[^']|'')*+'" + r'|"(?:[^"]|"")*+"'),
    unquote=lambda text: text[1:-1].replace(text[0] * 2, text[0]),
    operators=operator_pattern(
        *("||", "&&", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "^", "!"),
        *("? :", "?", ":", ",", "(", ")", "[", "]", "{", "}", "#"),
        *(".", "? .", ". ? [", ". ^ [", ". $ [", ". ! [", "? . ? [", "? . ^ [", "? . $ [", "? . ! ["),
    ),
    synonyms={
        **WORD_OPERATORS,
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
    operators.MAPPING_BINARY,
    operators.MAPPING_UNARY,
    operators.equals_written_null,
    operators.differs_from_null,
    operators.mapping_truth,
    MAPPING_FUNCTIONS,
)


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
    functions = MAPPING_FUNCTIONS

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
        if self.accept("{"):
            return self._braces(start)
        if not self.accept("#"):
            return super().special()
        name = self.word("after '#'").text
        if name in _VARIABLES:
            return _VARIABLES[name](start, self.end)
        if f"{name}.{self.peek().text}" not in self.functions.by_name:
            libraries = dict.fromkeys(each.partition(".")[0] for each in self.functions.by_name)
            if name not in libraries:
                known = ", #".join(libraries)
                self.fail(f"there is no variable or library #{name}; there are #root, #this, #{known}", start)
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
        items = [self.expression()]
        if not self.is_at(":"):
            while self.accept(","):
                items.append(self.expression())
            self.expect("}", "at the end of the list")
            return ListLiteral(start, self.end, tuple(items))
        entries = [self._entry(items[0])]
        while self.accept(","):
            entries.append(self._entry(self.expression()))
        self.expect("}", "at the end of the map")
        return MapLiteral(start, self.end, tuple(entries))

    def _entry(self, key: Node) -> tuple[Node, Node]:
        """An entry of a map, its key having been read; a key that is a bare word stands for itself."""
        self.expect(":", "after the key")
        if isinstance(key, Member) and isinstance(key.target, This) and key.target.start == key.target.end:
            key = Literal(key.start, key.end, key.name)
        return key, self.expression()

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


@dataclass(frozen=True, slots=True)
class MappingExpression:
    """A compiled mapping, or a constant."""

    source: str
    """The bare expression without `${}`; of a constant, the text itself."""
    is_literal: bool
    program: Program

    def evaluate(
        self, bindings: Mapping[str, object], limits: ExpressionLimits = DEFAULT_LIMITS
    ) -> JsonValue | Missing:
        """The claim's value over `bindings` (`context`, `user`, `providerAttributes`).

        Null and `MISSING` both mean that the claim is left out. Raises `EvaluationError`.
        """
        return self.program.run(bindings, limits)

    def explain(self, bindings: Mapping[str, object]) -> tuple[str, ...]:
        """Sentences naming what was false or missing on the way to the value.

        For logs: texts are cut and redacted.
        """
        return tuple(part.sentence for part in self.explain_parts(bindings))

    def explain_parts(self, bindings: Mapping[str, object]) -> tuple[FalsePart, ...]:
        """The same sentences, each with the part of `source` that it is about."""
        return explain(self.program, SEMANTICS, bindings)

    @classmethod
    def literal(cls, value: str) -> "MappingExpression":
        """A mapping that always gives the text `value`."""
        tree = Literal(0, len(value), value)
        return cls(value, True, Program(value, tree, lambda _: value, 1))  # noqa: FBT003 - the one place


def compile_mapping(source: str) -> MappingExpression:
    """The mapping that a bare expression (without `${}`) stands for. Raises `ExpressionSyntaxError`."""
    check_length(source)
    tree = _MappingParser(source, tokens(source, VOCABULARY)).parse()
    return MappingExpression(source, False, compile_tree(source, tree, SEMANTICS))  # noqa: FBT003


def parse_attribute_value(text: str) -> MappingExpression:
    """An attribute's `value` as the management API carries it.

    `${expression}`, anything else is a constant text.
    """
    stripped = text.strip()
    if stripped.startswith("${") and stripped.endswith("}"):
        return compile_mapping(stripped[2:-1])
    return MappingExpression.literal(text)
