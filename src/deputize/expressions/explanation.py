"""Why a mapping gave what it gave, in sentences an operator can act on."""

import json
from collections.abc import Iterator, Mapping

from deputize.expressions.compiler import Program, Semantics, compile_tree
from deputize.expressions.errors import EvaluationError
from deputize.expressions.tree import Binary, Conditional, Elvis, Index, Member, Node, Root, This, Unary
from deputize.expressions.values import MISSING, Value, describe, is_absent, is_list, is_mapping
from deputize.kernel.redaction import printable, redact

_CUT = 64


def explain(program: Program, semantics: Semantics, bindings: Mapping[str, object]) -> tuple[str, ...]:
    """One sentence for every condition that was false and every path that was missing on the way to the
    value.
    """
    return tuple(dict.fromkeys(_Explanation(program.source, semantics, bindings).of(program.tree)))


class _Explanation:
    """Walks the branches the evaluation took, evaluating sub-expressions again as it goes."""

    def __init__(self, source: str, semantics: Semantics, bindings: Mapping[str, object]) -> None:
        self._source = source
        self._semantics = semantics
        self._bindings = bindings

    def of(self, node: Node) -> Iterator[str]:
        match node:
            case Conditional():
                yield from self._conditional(node)
            case Binary(operator="and" | "or"):
                yield from self._logical(node)
            case Binary():
                yield from self._comparison(node)
            case Unary(operator="not"):
                yield from self._negation(node)
            case Elvis():
                yield from self.of(node.value)
            case _:
                yield from self._plain(node)

    def _conditional(self, node: Conditional) -> Iterator[str]:
        yield from self.of(node.test)
        passed = self._value(node.test)
        if isinstance(passed, bool):
            yield from self.of(node.then if passed else node.otherwise)

    def _logical(self, node: Binary) -> Iterator[str]:
        if self._value(node) is not True:
            yield from self.of(node.left)
            yield from self.of(node.right)

    def _comparison(self, node: Binary) -> Iterator[str]:
        value = self._value(node)
        if isinstance(value, EvaluationError):
            yield self._failure(node, value)
        elif value is False:
            left, right = self._shown(node.left), self._shown(node.right)
            yield f"`{self._text(node)}` is false: left is {left}, right is {right}"
            yield from self._where_paths_break(node)

    def _where_paths_break(self, node: Binary) -> Iterator[str]:
        """Which part of a missing path is the first that is not there, unless it is the last one."""
        for side in (node.left, node.right):
            broken = self._first_missing(side)
            if broken is not side:
                yield self._absence(broken)

    def _negation(self, node: Unary) -> Iterator[str]:
        value = self._value(node)
        if value is False:
            yield f"`{self._text(node)}` is false: `{self._text(node.operand)}` is true"
        elif isinstance(value, EvaluationError):
            yield from self.of(node.operand)

    def _plain(self, node: Node) -> Iterator[str]:
        value = self._value(node)
        if isinstance(value, EvaluationError):
            yield self._failure(node, value)
        elif value is MISSING:
            yield self._absence(self._first_missing(node))
        elif value is False:
            yield f"`{self._text(node)}` is false"
        elif value is None and isinstance(node, Member | Index):
            yield f"`{self._text(node)}` is null"

    def _first_missing(self, node: Node) -> Node:
        """The shortest missing beginning of a path: what an operator has to look for."""
        while (
            isinstance(node, Member | Index)
            and not isinstance(node.target, This | Root)
            and _is_absent_value(self._value(node.target))
        ):
            node = node.target
        return node

    def _value(self, node: Node) -> Value | EvaluationError:
        try:
            return compile_tree(self._source, node, self._semantics).run(self._bindings)
        except EvaluationError as error:
            return error

    def _shown(self, node: Node) -> str:
        value = self._value(node)
        if isinstance(value, EvaluationError):
            return "not computable"
        if is_absent(value):
            return "missing" if value is MISSING else "null"
        if is_list(value) or is_mapping(value):
            return describe(value)
        return f"'{_cut(value)}'" if isinstance(value, str) else json.dumps(value)

    def _absence(self, node: Node) -> str:
        return f"`{self._text(node)}` is {self._shown(node)}"

    def _failure(self, node: Node, error: EvaluationError) -> str:
        return f"`{self._text(node)}` failed: {error.reason}"

    def _text(self, node: Node) -> str:
        return printable(self._source[node.start : node.end])


def _is_absent_value(value: Value | EvaluationError) -> bool:
    """Whether a sub-expression was evaluated and gave nothing."""
    return not isinstance(value, EvaluationError) and is_absent(value)


def _cut(text: str) -> str:
    shown = printable(redact(text), _CUT)
    return shown if len(text) <= _CUT else f"{shown}…"
