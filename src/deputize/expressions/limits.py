"""How much an expression may cost. Operators write expressions, but not the values that expressions meet."""

from dataclasses import dataclass

MAX_SOURCE = 8192
"""Characters of one expression or template."""
MAX_DEPTH = 64
"""Nesting of one expression, and of any value it compares or returns."""
MAX_TEXT = 262_144
"""Characters of any text an expression makes; texts it merely passes on are not counted."""


@dataclass(frozen=True, slots=True)
class ExpressionLimits:
    """What one evaluation may use before it fails with `LimitExceeded`."""

    steps: int = 10_000
    """Sub-expressions evaluated; those inside a selection or projection count once per element."""
    size: int = 10_000
    """Values in the result: every element, member, list and map counts one."""


DEFAULT = ExpressionLimits()
