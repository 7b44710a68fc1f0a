"""The two expression languages: mappings that compute claims, and the templates of gateway configuration.

Values are JSON values, nothing is looked up on Python objects, and every evaluation is bounded. What both
languages share is named here; `mapping` and `gateway` are imported by who speaks them, because the gateway
needs no mappings and the authority no gateway strings: 16 and 26 ms of their starts.
"""

from deputize.expressions.errors import (
    EvaluationError,
    ExpressionError,
    ExpressionSyntaxError,
    LimitExceeded,
    OperandError,
    TokenError,
)
from deputize.expressions.functions.function import Function
from deputize.expressions.patterns import Pattern, compile_pattern
from deputize.expressions.tokens import escape, substitute
from deputize.expressions.values import MISSING, ExpressionLimits, Missing, Value

__all__ = [
    "MISSING",
    "EvaluationError",
    "ExpressionError",
    "ExpressionLimits",
    "ExpressionSyntaxError",
    "Function",
    "LimitExceeded",
    "Missing",
    "OperandError",
    "Pattern",
    "TokenError",
    "Value",
    "compile_pattern",
    "escape",
    "substitute",
]
