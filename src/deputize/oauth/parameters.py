"""Request parameters: form encoded, bounded, each at most once (RFC 6749 section 3.1 and appendix B).

Only `resource` and `audience` may be repeated (RFC 8707 section 2, RFC 8693 section 2.1). Their values are
kept in one text, divided by a character that no value contains, so that parameters are a mapping of texts
also where they are stored; `values_of` divides them.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode

from deputize.oauth.errors import InvalidRequest

MAX_BYTES: Final = 256 * 1024
"""Of a whole query or form."""
MAX_COUNT: Final = 64
MAX_NAME: Final = 128
MAX_VALUE: Final = 96 * 1024
"""Characters; the longest legitimate values are tokens."""

_REPEATABLE: Final = frozenset({"resource", "audience"})
_DIVIDER: Final = "\n"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def parse_parameters(encoded: str | bytes) -> Mapping[str, str]:
    """The parameters of a query or form body. Those without a value count as omitted.

    Raises `InvalidRequest` for repeats, control characters, bad encoding and excess.
    """
    if len(encoded) > MAX_BYTES:
        raise InvalidRequest("The request is too large")
    parameters: dict[str, str] = {}
    for name, value in _decode(encoded):
        if len(name) > MAX_NAME or len(value) > MAX_VALUE:
            raise InvalidRequest("A parameter is too long")
        # A printable text has no control characters, and nearly all are: that takes a third of the search.
        printable = name.isprintable() and value.isprintable()
        if not printable and (_CONTROL.search(name) or _CONTROL.search(value)):
            raise InvalidRequest("A parameter contains control characters")
        if name in parameters and value and name not in _REPEATABLE:
            raise InvalidRequest(
                f"The parameter {name} is repeated" if name.isidentifier() else "A parameter is repeated"
            )
        if value:
            parameters[name] = f"{parameters[name]}{_DIVIDER}{value}" if name in parameters else value
    return parameters


def values_of(parameters: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Every value of a parameter that may be repeated, in order."""
    return tuple(parameters[name].split(_DIVIDER)) if name in parameters else ()


def encode_parameters(parameters: Mapping[str, str]) -> str:
    """The query that `parse_parameters` reads as these."""
    return urlencode([(name, value) for name in parameters for value in values_of(parameters, name)])


def required(parameters: Mapping[str, str], name: str) -> str:
    """The value of `name`, or `InvalidRequest`."""
    value = parameters.get(name)
    if value is None:
        raise InvalidRequest(f"The parameter {name} is missing")
    return value


def _decode(encoded: str | bytes) -> list[tuple[str, str]]:
    """Names and values in their order. Raises `InvalidRequest`."""
    try:
        text = encoded if isinstance(encoded, str) else encoded.decode("ascii")
    except UnicodeDecodeError as error:
        raise InvalidRequest("The request is not form encoded") from error
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_COUNT, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidRequest("The request is not UTF-8") from error
    except ValueError as error:
        raise InvalidRequest("The request has too many parameters") from error
