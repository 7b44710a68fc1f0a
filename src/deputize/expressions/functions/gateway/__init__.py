"""The functions of gateway expressions.

Those whose name starts with a dot are methods, called on a value as in `now.plusHours(1)`.
"""

from deputize.expressions.functions.function import define_functions
from deputize.expressions.functions.gateway import (
    certificates,
    codecs,
    collections,
    files,
    moments,
    networks,
    regexes,
    texts,
)
from deputize.expressions.lexer import WORD_OPERATORS

_RESERVED = "|".join((*WORD_OPERATORS, "empty", "true", "false", "null"))

GATEWAY_FUNCTIONS = define_functions(
    "deputize.gateway_functions",
    (
        *regexes.FUNCTIONS,
        *texts.FUNCTIONS,
        *collections.FUNCTIONS,
        *texts.NUMBERS,
        *codecs.FUNCTIONS,
        *networks.FUNCTIONS,
        *certificates.FUNCTIONS,
        *files.FUNCTIONS,
        *texts.METHODS,
        *regexes.METHODS,
        *collections.METHODS,
        *moments.METHODS,
    ),
    rf"\.[a-zA-Z]\w*|(?!(?:{_RESERVED})$)[a-zA-Z]\w*",
)
