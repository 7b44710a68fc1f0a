"""Gateway strings: plain text with any number of `${…}` and `#{…}` in it."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import TypeAlias

from deputize.expressions.arithmetic import concatenate
from deputize.expressions.compiler import Program
from deputize.expressions.dialects.gateway import VOCABULARY, compile_tokens
from deputize.expressions.errors import ExpressionSyntaxError, LimitExceeded, OperandError
from deputize.expressions.lexer import tokens
from deputize.expressions.limits import DEFAULT, ExpressionLimits
from deputize.expressions.parser import check_length
from deputize.expressions.tree import Index, Literal, Member, Node, Root, walk
from deputize.expressions.values import Missing, is_absent, is_list, is_mapping, text_of
from deputize.kernel.values import JsonValue

_OPENING = re.compile(r"\\([$#]\{)|[$#]\{")

Part: TypeAlias = str | Program


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled gateway string. `#{…}` is evaluated as `${…}` is: nothing here blocks."""

    source: str
    parts: tuple[Part, ...]
    reads: Mapping[tuple[str, ...], int]
    """What it reads, as names from the bindings inwards (`("request", "uri", "path")`), and the character
    where each first stands.

    Equal values there give an equal result. A name that goes on inside brackets ends before them, unless they
    hold a text.
    """

    @property
    def names(self) -> frozenset[str]:
        """The bindings it reads."""
        return frozenset(names[0] for names in self.reads if names)

    @property
    def is_constant(self) -> bool:
        """Whether it reads no binding, so that its value never changes."""
        return not self.reads

    def evaluate(self, bindings: Mapping[str, object], limits: ExpressionLimits = DEFAULT) -> JsonValue:
        """A lone `${…}` yields its value with its type, null when absent; mixtures yield text.

        Raises `EvaluationError`.
        """
        if len(self.parts) != 1:
            return self._text(bindings, limits)
        part = self.parts[0]
        if isinstance(part, str):
            return part
        value = part.run(bindings, limits)
        return None if isinstance(value, Missing) else value

    def _text(self, bindings: Mapping[str, object], limits: ExpressionLimits) -> str:
        text = ""
        for part in self.parts:
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
    reads: dict[tuple[str, ...], int] = {}
    for part in parts:
        if isinstance(part, Program):
            for names, position in sorted(_reads(part), key=itemgetter(1)):
                reads.setdefault(names, position)
    return Template(source, parts or ("",), reads)


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


def _reads(program: Program) -> Iterable[tuple[tuple[str, ...], int]]:
    """The longest names, and where they begin."""
    nodes = [node for node, _ in walk(program.tree)]
    continued = {id(step[0]) for node in nodes if (step := _step(node))}
    return (
        (names, node.start)
        for node in nodes
        if id(node) not in continued and (names := _names(node)) is not None
    )


def _names(node: Node) -> tuple[str, ...] | None:
    """The way from the bindings to what `node` reads; `None` when it is not one."""
    names: list[str] = []
    while step := _step(node):
        node, name = step
        names.append(name)
    return tuple(reversed(names)) if isinstance(node, Root) else None


def _step(node: Node) -> tuple[Node, str] | None:
    """The node whose member is read here, and the member's name."""
    match node:
        case Member(target=target, name=name) | Index(target=target, key=Literal(value=str(name))):
            return target, name
        case _:
            return None


def _rendered(program: Program, bindings: Mapping[str, object], limits: ExpressionLimits) -> str:
    """The value as part of a text: nothing for an absent one, JSON for lists and maps."""
    value = program.run(bindings, limits)
    if is_absent(value):
        return ""
    if is_list(value) or is_mapping(value):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text_of(value)
