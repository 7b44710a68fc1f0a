"""The functions of gateway expressions, and the few that may be called on a value, as in
`now.plusHours(1)`.
"""

from collections.abc import Mapping

from deputize.expressions.functions.function import Function
from deputize.expressions.functions.gateway import (
    codecs,
    collections,
    moments,
    networks,
    numbers,
    regexes,
    texts,
)

FUNCTIONS: Mapping[str, Function] = {
    **regexes.FUNCTIONS,
    **texts.FUNCTIONS,
    **collections.FUNCTIONS,
    **numbers.FUNCTIONS,
    **codecs.FUNCTIONS,
    **networks.FUNCTIONS,
}
METHODS: Mapping[str, Function] = {**texts.METHODS, **collections.METHODS, **moments.METHODS}
"""The value a method is called on is its first argument."""
