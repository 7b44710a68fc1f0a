"""Mapping expressions: how resources compute the claims of their tokens."""

from collections.abc import Mapping
from dataclasses import dataclass

from deputize.expressions.compiler import Program
from deputize.expressions.dialects.mapping import SEMANTICS, compile_source
from deputize.expressions.explanation import explain
from deputize.expressions.limits import DEFAULT, ExpressionLimits
from deputize.expressions.tree import Literal
from deputize.expressions.values import Missing
from deputize.kernel.values import JsonValue


@dataclass(frozen=True, slots=True)
class MappingExpression:
    """A compiled mapping, or a constant."""

    source: str
    """The bare expression without `${}`; of a constant, the text itself."""
    is_literal: bool
    _program: Program

    def evaluate(
        self, bindings: Mapping[str, object], limits: ExpressionLimits = DEFAULT
    ) -> JsonValue | Missing:
        """The claim's value over `bindings` (`context`, `user`, `providerAttributes`).

        Null and `MISSING` both mean that the claim is left out. Raises `EvaluationError`.
        """
        return self._program.run(bindings, limits)

    def explain(self, bindings: Mapping[str, object]) -> tuple[str, ...]:
        """Sentences naming what was false or missing on the way to the value.

        For logs: texts are cut and redacted.
        """
        return explain(self._program, SEMANTICS, bindings)

    @classmethod
    def literal(cls, value: str) -> "MappingExpression":
        """A mapping that always gives the text `value`."""
        tree = Literal(0, len(value), value)
        return cls(value, True, Program(value, tree, lambda _: value, 1))  # noqa: FBT003 - the one place


def compile_mapping(source: str) -> MappingExpression:
    """The mapping a bare expression stands for. Raises `ExpressionSyntaxError`."""
    return MappingExpression(source, False, compile_source(source))  # noqa: FBT003


def parse_attribute_value(text: str) -> MappingExpression:
    """An attribute's `value` as the management API carries it.

    `${expression}`, anything else is a constant text.
    """
    stripped = text.strip()
    if stripped.startswith("${") and stripped.endswith("}"):
        return compile_mapping(stripped[2:-1])
    return MappingExpression.literal(text)
