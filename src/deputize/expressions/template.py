"""Gateway strings: plain text with any number of `${…}` and `#{…}` in it."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from deputize.expressions.arithmetic import concatenate
from deputize.expressions.compiler import Program
from deputize.expressions.dialects.gateway import SEMANTICS, VOCABULARY, compile_tokens
from deputize.expressions.errors import EvaluationError, ExpressionError, ExpressionSyntaxError, LimitExceeded, OperandError
from deputize.expressions.lexer import tokens
from deputize.expressions.limits import DEFAULT, Limits
from deputize.expressions.parser import check_length
from deputize.expressions.tree import Member, Node, Root, walk
from deputize.expressions.values import MISSING, is_absent, is_list, is_mapping, text_of
from deputize.kernel.values import JsonValue

_OPENING = re.compile(r"\\([$#]\{)|[$#]\{")

Part: TypeAlias = str | Program


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled gateway string. `#{…}` is evaluated as `${…}` is: nothing here blocks."""

    source: str
    names: frozenset[str]
    """The bindings it reads, so that nobody computes the others."""
    _parts: tuple[Part, ...]
    reads: frozenset[str] = frozenset()
    """What it reads, as dotted names from the bindings: `request.uri.path`. Equal values there give an equal result."""

    @property
    def is_constant(self) -> bool:
        """Whether it reads no binding, so that its value never changes."""
        return not self.names

    def evaluate(self, bindings: Mapping[str, object], limits: Limits = DEFAULT) -> JsonValue:
        """A lone `${…}` yields its value with its type, null when absent; mixtures yield text. Raises `EvaluationError`."""
        if len(self._parts) != 1:
            return self._text(bindings, limits)
        part = self._parts[0]
        if isinstance(part, str):
            return part
        value = part.run(bindings, limits)
        return None if value is MISSING else value

    def condition(self, bindings: Mapping[str, object]) -> bool:
        """Whether the value is true; what cannot be evaluated is false."""
        return self.condition_or_error(bindings)[0]

    def condition_or_error(self, bindings: Mapping[str, object]) -> tuple[bool, ExpressionError | None]:
        """Whether the value is true, and the error, with which it is false, for the caller to report."""
        try:
            return SEMANTICS.truth(self.evaluate(bindings)), None
        except ExpressionError as error:
            return False, error
        except OperandError as error:
            return False, EvaluationError(self.source, 0, str(error))

    def _text(self, bindings: Mapping[str, object], limits: Limits) -> str:
        text = ""
        for part in self._parts:
            piece = part if isinstance(part, str) else _rendered(part, bindings, limits)
            try:
                text = concatenate(text, piece)
            except OperandError as error:
                raise LimitExceeded(self.source, 0, str(error)) from error
        return text


def compile_template(source: str) -> Template:
    """The template that `source` stands for. Raises `ExpressionSyntaxError`."""
    check_length(source)
    parts = tuple(_merged(_parts(source)))
    names = frozenset(name for part in parts if isinstance(part, Program) for name in _names(part))
    reads = frozenset(name for part in parts if isinstance(part, Program) for name in _reads(part))
    return Template(source, names, parts or ("",), reads)


def _parts(source: str) -> Iterable[Part]:
    at = 0
    while opening := _OPENING.search(source, at):
        yield source[at : opening.start()]
        if opening[1]:
            yield opening[1]
            at = opening.end()
        else:
            program, at = _expression(source, opening.end())
            yield program
    yield source[at:]


def _expression(source: str, start: int) -> tuple[Program, int]:
    found = tokens(source, VOCABULARY, start, stop="}")
    if len(found) == 1:
        raise ExpressionSyntaxError(source, start, "the expression is empty")
    return compile_tokens(source, found), found[-1].end + 1


def _merged(parts: Iterable[Part]) -> Iterable[Part]:
    """The parts with neighbouring texts joined and empty ones dropped."""
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        if text:
            yield text
        text = ""
        yield part
    if text:
        yield text


def _names(program: Program) -> frozenset[str]:
    return frozenset(node.name for node, _ in walk(program.tree) if isinstance(node, Member) and isinstance(node.target, Root))


def _reads(program: Program) -> Iterable[str]:
    """The longest dotted names; one that goes on inside brackets ends before them."""
    nodes = [node for node, _ in walk(program.tree)]
    continued = {id(node.target) for node in nodes if isinstance(node, Member)}
    return (name for node in nodes if id(node) not in continued and (name := _dotted(node)) is not None)


def _dotted(node: Node) -> str | None:
    """The name of a member of the bindings or of one of its members, "" for the bindings themselves."""
    names: list[str] = []
    while isinstance(node, Member):
        names.append(node.name)
        node = node.target
    return ".".join(reversed(names)) if isinstance(node, Root) else None


def _rendered(program: Program, bindings: Mapping[str, object], limits: Limits) -> str:
    """The value as part of a text: nothing for an absent one, JSON for lists and maps."""
    value = program.run(bindings, limits)
    if is_absent(value):
        return ""
    if is_list(value) or is_mapping(value):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text_of(value)
