"""The libraries of mapping expressions: `#string.trim(user.name)` calls `trim` of the library `string`."""

from deputize.expressions.functions.function import define_functions
from deputize.expressions.functions.mapping import core, crypto, data, datetimes, regexes, strings

MAPPING_FUNCTIONS = define_functions(
    "deputize.mapping_functions",
    (
        *strings.FUNCTIONS,
        *data.FUNCTIONS,
        *datetimes.FUNCTIONS,
        *regexes.FUNCTIONS,
        *crypto.FUNCTIONS,
        *core.FUNCTIONS,
    ),
    r"(?!(?:root|this)\.)[a-zA-Z]\w*\.[a-zA-Z]\w*",
)
