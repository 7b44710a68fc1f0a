"""Explain why a mapping gave what it gave, in sentences an operator can act on."""

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from deputize.expressions.compiler import Program, Semantics, compile_tree
from deputize.expressions.errors import EvaluationError
from deputize.expressions.tree import Binary, Conditional, Elvis, Index, Member, Node, Root, This, Unary
from deputize.expressions.values import MISSING, Value, describe, is_absent, is_list, is_mapping
from deputize.kernel.redaction import printable, redact

_CUT = 64


class FalsePart(NamedTuple):
    """A part of an expression that was false, missing or not computable."""

    start: int
    """Where it is in the source, in characters; `end` is behind it."""
    end: int
    sentence: str


def explain(program: Program, semantics: Semantics, bindings: Mapping[str, object]) -> tuple[FalsePart, ...]:
    """Every condition that was false and every path that was missing on the way to the value, once each."""
    found = _Explanation(program.source, semantics, bindings).of(program.tree)
    return tuple({part.sentence: part for part in found}.values())


class _Explanation:
    """Walks the branches the evaluation took, evaluating sub-expressions again as it goes."""

    def __init__(self, source: str, semantics: Semantics, bindings: Mapping[str, object]) -> None:
        self._source = source
        self._semantics = semantics
        self._bindings = bindings

    def of(self, node: Node) -> Iterator[FalsePart]:
        match node:
            case Conditional():
                yield from self.of(node.test)
                passed = self._value(node.test)
                if isinstance(passed, bool):
                    yield from self.of(node.then if passed else node.otherwise)
            case Binary(operator="and" | "or"):
                if self._value(node) is not True:
                    yield from self.of(node.left)
                    yield from self.of(node.right)
            case Elvis():
                yield from self.of(node.value)
            case Unary(operator="not"):
                value = self._value(node)
                if value is False:
                    yield _part(node, f"`{self._text(node)}` is false: `{self._text(node.operand)}` is true")
                elif isinstance(value, EvaluationError):
                    yield from self.of(node.operand)
            case _:
                yield from self._explain_value(node)

    def _explain_value(self, node: Node) -> Iterator[FalsePart]:
        """Why a comparison is false, or which part of a path is the first that is not there."""
        value = self._value(node)
        if isinstance(value, EvaluationError):
            yield _part(node, f"`{self._text(node)}` failed: {value.reason}")
        elif isinstance(node, Binary):
            if value is not False:
                return
            left, right = self._show(node.left), self._show(node.right)
            yield _part(node, f"`{self._text(node)}` is false: left is {left}, right is {right}")
            for side in (node.left, node.right):
                broken = self._find_break(side)
                if broken is not side:
                    yield _part(broken, f"`{self._text(broken)}` is {self._show(broken)}")
        elif value is MISSING:
            broken = self._find_break(node)
            yield _part(broken, f"`{self._text(broken)}` is {self._show(broken)}")
        elif value is False:
            yield _part(node, f"`{self._text(node)}` is false")
        elif value is None and isinstance(node, Member | Index):
            yield _part(node, f"`{self._text(node)}` is null")

    def _find_break(self, node: Node) -> Node:
        """The shortest missing beginning of a path: what an operator has to look for."""
        while isinstance(node, Member | Index) and not isinstance(node.target, This | Root):
            value = self._value(node.target)
            if isinstance(value, EvaluationError) or not is_absent(value):
                break
            node = node.target
        return node

    def _value(self, node: Node) -> Value | EvaluationError:
        try:
            return compile_tree(self._source, node, self._semantics).run(self._bindings)
        except EvaluationError as error:
            return error

    def _show(self, node: Node) -> str:
        value = self._value(node)
        if isinstance(value, EvaluationError):
            return "not computable"
        if is_absent(value):
            return "missing" if value is MISSING else "null"
        if is_list(value) or is_mapping(value):
            return describe(value)
        if not isinstance(value, str):
            return json.dumps(value)
        return f"'{printable(redact(value), _CUT)}{'…' if len(value) > _CUT else ''}'"

    def _text(self, node: Node) -> str:
        return printable(self._source[node.start : node.end])


def _part(node: Node, sentence: str) -> FalsePart:
    return FalsePart(node.start, node.end, sentence)
