"""The two expression languages: mappings that compute claims, and the templates of gateway configuration.

Values are JSON values, nothing is looked up on Python objects, and every evaluation is bounded. Imports the
kernel only.
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
from deputize.expressions.gateway import Condition, Template, compile_condition, compile_template
from deputize.expressions.mapping import MappingExpression, compile_mapping, parse_attribute_value
from deputize.expressions.patterns import Pattern, compile_pattern
from deputize.expressions.tokens import substitute
from deputize.expressions.values import MISSING, ExpressionLimits, Missing, Value

__all__ = [
    "MISSING",
    "Condition",
    "EvaluationError",
    "ExpressionError",
    "ExpressionLimits",
    "ExpressionSyntaxError",
    "Function",
    "LimitExceeded",
    "MappingExpression",
    "Missing",
    "OperandError",
    "Pattern",
    "Template",
    "TokenError",
    "Value",
    "compile_condition",
    "compile_mapping",
    "compile_pattern",
    "compile_template",
    "parse_attribute_value",
    "substitute",
]
