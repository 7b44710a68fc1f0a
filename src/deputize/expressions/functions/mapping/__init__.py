"""The libraries of mapping expressions: `#string.trim(user.name)` calls `trim` of the library `string`."""

from collections.abc import Mapping

from deputize.expressions.functions.function import Function
from deputize.expressions.functions.mapping import core, crypto, data, datetimes, regexes, strings

LIBRARIES: Mapping[str, Mapping[str, Function]] = {
    "string": strings.FUNCTIONS,
    "data": data.FUNCTIONS,
    "datetime": datetimes.FUNCTIONS,
    "regex": regexes.FUNCTIONS,
    "crypto": crypto.FUNCTIONS,
    "core": core.FUNCTIONS,
}
FUNCTIONS: Mapping[str, Function] = {
    f"{library}.{name}": function
    for library, functions in LIBRARIES.items()
    for name, function in functions.items()
}
