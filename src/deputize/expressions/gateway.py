"""Gateway strings: plain text with any number of `${…}` and `#{…}` in it, and conditions made of them."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import itemgetter
from typing import ClassVar, TypeAlias, cast

from deputize.expressions import operators
from deputize.expressions.arithmetic import concatenate
from deputize.expressions.compiler import Program, Semantics, compile_tree
from deputize.expressions.errors import EvaluationError, ExpressionSyntaxError, LimitExceeded, OperandError
from deputize.expressions.functions.gateway import GATEWAY_FUNCTIONS
from deputize.expressions.lexer import WORD_OPERATORS, Vocabulary, operator_pattern, tokens
from deputize.expressions.parser import Parser, check_length
from deputize.expressions.tree import (
    BinaryOperator,
    Index,
    Literal,
    Member,
    MethodCall,
    Node,
    Root,
    UnaryOperator,
    walk,
)
from deputize.expressions.values import (
    DEFAULT_LIMITS,
    ExpressionLimits,
    Missing,
    Value,
    is_absent,
    is_list,
    is_mapping,
    member,
    text_of,
)
from deputize.kernel.values import JsonValue

_OPENING = re.compile(r"\\([$#]\{)|[$#]\{")
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
    synonyms={**WORD_OPERATORS, "empty": "empty"},
    words_ignore_case=False,
)

SEMANTICS = Semantics(
    operators.GATEWAY_BINARY,
    operators.GATEWAY_UNARY,
    is_absent,
    operators.differs_from_null,
    operators.gateway_truth,
    GATEWAY_FUNCTIONS,
)
DECIDING = Semantics(
    operators.DECIDING_BINARY,
    operators.DECIDING_UNARY,
    operators.decide_absence(is_absent),
    operators.decide_absence(operators.differs_from_null),
    operators.gateway_truth,
    GATEWAY_FUNCTIONS,
    decides=True,
)
"""For conditions that permit: see `operators`."""


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
    functions = GATEWAY_FUNCTIONS

    def name(self) -> Node:
        token = self.take()
        if self.is_at("("):
            return self.call(token.start, token.text, f"{token.text}()")
        return Member(token.start, token.end, Root(token.start, token.start), token.text)

    def member_of(self, start: int, target: Node) -> Node:
        name = self.word("after '.'")
        if not self.is_at("("):
            return Member(start, name.end, target, name.text)
        method = self.functions.by_name.get(f".{name.text}")
        if method is None:
            known = [each[1:] for each in self.functions.by_name if each.startswith(".")]
            self.fail(f"there is no method {name.text}(); there are {', '.join(known)}", name.start)
        arguments = self.arguments()
        if not method.takes(len(arguments) + 1):
            self.fail(f"{name.text}() cannot be called with {len(arguments)} arguments", name.start)
        return MethodCall(start, self.end, target, name.text, arguments)


TemplatePart: TypeAlias = str | Program


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled gateway string. `#{…}` is evaluated as `${…}` is: nothing here blocks."""

    source: str
    parts: tuple[TemplatePart, ...]
    reads: Mapping[tuple[str, ...], int]
    """The paths it reads (`("request", "uri", "path")`), each with the character where it first occurs.

    The result depends on nothing else. A path ends before brackets that do not hold a literal text.
    """

    @property
    def names(self) -> frozenset[str]:
        """The bindings it reads."""
        return frozenset(names[0] for names in self.reads if names)

    @property
    def is_constant(self) -> bool:
        """Whether it reads no binding, so that its value never changes."""
        return not self.reads

    def evaluate(
        self, bindings: Mapping[str, object], limits: ExpressionLimits = DEFAULT_LIMITS
    ) -> JsonValue:
        """A lone `${…}` yields its value with its type, null when absent; mixtures yield text.

        Raises `EvaluationError`.
        """
        if len(self.parts) == 1:
            part = self.parts[0]
            if isinstance(part, str):
                return part
            value = part.run(bindings, limits)
            return None if isinstance(value, Missing) else value
        text = ""
        for part in self.parts:
            piece = part if isinstance(part, str) else _write(part.run(bindings, limits))
            try:
                text = concatenate(text, piece)
            except OperandError as error:
                raise LimitExceeded(self.source, 0, str(error)) from error
        return text


def _write(value: Value) -> str:
    """`value` as part of a text: nothing for an absent one, JSON for lists and maps."""
    if is_absent(value):
        return ""
    if is_list(value) or is_mapping(value):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text_of(value)


def compile_template(source: str) -> Template:
    """The template that `source` stands for. Raises `ExpressionSyntaxError`."""
    check_length(source)
    parts: list[TemplatePart] = []
    text = ""
    at = 0
    while opening := _OPENING.search(source, at):
        text += source[at : opening.start()]
        at = opening.end()
        if opening[1]:
            text += opening[1]
            continue
        found = tokens(source, VOCABULARY, at, stop="}")
        if len(found) == 1:
            raise ExpressionSyntaxError(source, at, "the expression is empty")
        program = compile_tree(source, _GatewayParser(source, found).parse(), SEMANTICS)
        parts.extend((text, program) if text else (program,))
        text = ""
        at = found[-1].end + 1
    text += source[at:]
    if text or not parts:
        parts.append(text)
    reads: dict[tuple[str, ...], int] = {}
    for part in parts:
        if isinstance(part, Program):
            for names, position in sorted(_find_reads(part), key=itemgetter(1)):
                reads.setdefault(names, position)
    return Template(source, tuple(parts), reads)


def _find_reads(program: Program) -> Iterable[tuple[tuple[str, ...], int]]:
    """The longest paths from the bindings to what a node reads, and where they begin."""
    nodes = [node for node, _ in walk(program.tree)]
    continued = {id(step[0]) for node in nodes if (step := _step(node))}
    for node in nodes:
        if id(node) in continued:
            continue
        names: list[str] = []
        target = node
        while step := _step(target):
            target, name = step
            names.append(name)
        if isinstance(target, Root):
            yield tuple(reversed(names)), node.start


def compile_path(source: str) -> tuple[str | int, ...]:
    """The names and positions of what `source`, a lone `${…}` such as `${attributes.a['b'][0]}`, refers to.

    Raises `ExpressionSyntaxError` for anything that is not the path of one value.
    """
    parts = compile_template(source).parts
    node = parts[0].tree if len(parts) == 1 and isinstance(parts[0], Program) else None
    path: list[str | int] = []
    while isinstance(node, Member | Index):
        key = node.name if isinstance(node, Member) else getattr(node.key, "value", None)
        if not isinstance(key, str | int) or isinstance(key, bool):
            break
        path.append(key)
        node = node.target
    if not path or not isinstance(node, Root):
        raise ExpressionSyntaxError(
            source, 0, "this is not the path of one value, such as ${attributes.name}"
        )
    return tuple(reversed(path))


def _step(node: Node) -> tuple[Node, str] | None:
    """The node whose member is read here, and the member's name."""
    match node:
        case Member(target=target, name=name) | Index(target=target, key=Literal(value=str(name))):
            return target, name
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition.

    Where it depends on something absent, `decide` says so, while `holds` takes that for equal to nothing.
    """

    template: Template
    _deciding: tuple[TemplatePart, ...]

    def decide(self, bindings: Mapping[str, object]) -> bool | None:
        """Whether it is true, whatever absent values might have been; `None` when it depends on them.

        `== null`, `!= null` and `empty` ask about absence itself and are always decided. Raises
        `EvaluationError`.
        """
        values = [part if isinstance(part, str) else part.run(bindings) for part in self._deciding]
        if any(map(is_absent, values)):
            return None
        return self._truth(values[0]) if len(values) == 1 else self.holds(bindings)

    def holds(self, bindings: Mapping[str, object]) -> bool:
        """Whether it is true, where what is absent equals nothing and differs from everything.

        Raises `EvaluationError`.
        """
        return self._truth(self.template.evaluate(bindings))

    def absent(self, bindings: Mapping[str, object]) -> tuple[str, ...]:
        """The dotted paths it reads at which there is nothing."""
        return tuple(
            ".".join(names)
            for names in self.template.reads
            if is_absent(reduce(member, names, cast("Value", bindings)))
        )

    def _truth(self, value: Value) -> bool:
        try:
            return SEMANTICS.truth(value)
        except OperandError as error:
            raise EvaluationError(self.template.source, 0, str(error)) from error


def compile_condition(source: str) -> Condition:
    """The condition that `source` stands for. Raises `ExpressionSyntaxError`."""
    template = compile_template(source)
    deciding = (
        part if isinstance(part, str) else compile_tree(part.source, part.tree, DECIDING)
        for part in template.parts
    )
    return Condition(template, tuple(deciding))
