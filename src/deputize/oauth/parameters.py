"""Request parameters: form encoded, bounded, each at most once (RFC 6749 section 3.1 and appendix B).

Only `resource` and `audience` may be repeated (RFC 8707 section 2, RFC 8693 section 2.1). Their values are
kept in one text, divided by a character that no value contains, so that parameters are a mapping of texts
also where they are stored; `values_of` divides them.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus, urlencode

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
_PRINTABLE: Final = bytes(range(0x20, 0x7F))


def parse_parameters(encoded: str | bytes) -> Mapping[str, str]:
    """The parameters of a query or form body. Those without a value count as omitted.

    Raises `InvalidRequest` for repeats, control characters, bad encoding and excess.
    """
    text, is_printable = _bounded_text(encoded)
    parameters: dict[str, str] = {}
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if not is_printable or "%" in pair or "+" in pair:
            decode = _decode_kind if name in _KINDS and len(value) <= MAX_NAME else _decode_pair
            name, value = decode(name, value)
        if len(name) > MAX_NAME or len(value) > MAX_VALUE:
            raise InvalidRequest("A parameter is too long")
        if not value:
            continue
        if name in parameters:
            if name not in _REPEATABLE:
                raise InvalidRequest(
                    f"The parameter {name} is repeated" if name.isidentifier() else "A parameter is repeated"
                )
            value = f"{parameters[name]}{_DIVIDER}{value}"
        parameters[name] = value
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


def _bounded_text(encoded: str | bytes) -> tuple[str, bool]:
    """The form within its limits, and whether all of it is printable ASCII. Raises `InvalidRequest`."""
    if len(encoded) > MAX_BYTES:
        raise InvalidRequest("The request is too large")
    octets = encoded.encode("utf-8", "surrogatepass") if isinstance(encoded, str) else encoded
    is_printable = not octets.translate(None, _PRINTABLE)
    try:
        text = encoded if isinstance(encoded, str) else encoded.decode("ascii")
    except UnicodeDecodeError as error:
        raise InvalidRequest("The request is not form encoded") from error
    if text.count("&") >= MAX_COUNT:
        raise InvalidRequest("The request has too many parameters")
    return text, is_printable


def _decode_pair(name: str, value: str) -> tuple[str, str]:
    """The parameter that is encoded so. Raises `InvalidRequest`."""
    name, value = _decode(name), _decode(value)
    if _CONTROL.search(name) or _CONTROL.search(value):
        raise InvalidRequest("A parameter contains control characters")
    return name, value


def _decode(encoded: str) -> str:
    """The name or value that is encoded so. Raises `InvalidRequest`."""
    if "%" not in encoded and "+" not in encoded:
        return encoded
    try:
        return unquote_plus(encoded, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidRequest("The request is not UTF-8") from error


_KINDS: Final = frozenset({"grant_type", "subject_token_type", "actor_token_type", "requested_token_type"})
"""Parameters of few values, which are decoded once, and never a secret."""
_decode_kind: Final = lru_cache(maxsize=64)(_decode_pair)
