"""Conditions.

Gateway strings that somebody decides by, with an answer for when what they compare is not there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import cast

from deputize.expressions.compiler import compile_tree
from deputize.expressions.dialects.gateway import DECIDING, SEMANTICS
from deputize.expressions.errors import EvaluationError, OperandError
from deputize.expressions.template import Part, Template, compile_template
from deputize.expressions.values import Value, is_absent, member


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition.

    What is not there is no reason to permit, nor to forbid: `decide` says so, `holds` has to choose.
    """

    template: Template
    _deciding: tuple[Part, ...]

    def decide(self, bindings: Mapping[str, object]) -> bool | None:
        """Whether it is true, whatever absent values might have been.

        `None` when that depends on something absent.

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
        """The dotted names it reads at which there is nothing."""
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
