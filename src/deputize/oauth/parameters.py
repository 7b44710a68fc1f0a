"""Request parameters: form encoded, each at most once, bounded (RFC 6749 section 3.1 and appendix B)."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from deputize.oauth.errors import InvalidRequest, InvalidTarget

MAX_BYTES: Final = 256 * 1024
"""Of a whole query or form."""
MAX_COUNT: Final = 64
MAX_NAME: Final = 128
MAX_VALUE: Final = 96 * 1024
"""Characters; the longest legitimate values are tokens."""

_TARGETS: Final = frozenset({"resource", "audience"})
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def parse_parameters(encoded: str | bytes) -> Mapping[str, str]:
    """The parameters of a query or form body. Those without a value count as omitted.

    Raises `InvalidRequest` for repeats, control characters, bad encoding and excess; `InvalidTarget` for a repeated `resource`
    or `audience`, which RFC 8707 allows but a token for one resource cannot honour.
    """
    pairs = _pairs(_text(encoded))
    parameters = {name: value for name, value in pairs if value}
    if len(parameters) != sum(1 for _, value in pairs if value):
        raise _repeated([name for name, value in pairs if value])
    for name, value in pairs:
        _check(name, value)
    return parameters


def required(parameters: Mapping[str, str], name: str) -> str:
    """The value of `name`, or `InvalidRequest`."""
    value = parameters.get(name)
    if value is None:
        raise InvalidRequest(f"The parameter {name} is missing")
    return value


def _text(encoded: str | bytes) -> str:
    if len(encoded) > MAX_BYTES:
        raise InvalidRequest("The request is too large")
    if isinstance(encoded, str):
        return encoded
    try:
        return encoded.decode("ascii")
    except UnicodeDecodeError as error:
        raise InvalidRequest("The request is not form encoded") from error


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_COUNT, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidRequest("The request is not UTF-8") from error
    except ValueError as error:
        raise InvalidRequest("The request has too many parameters") from error


def _repeated(names: list[str]) -> InvalidRequest | InvalidTarget:
    name = next(name for name in names if names.count(name) > 1)
    if name in _TARGETS:
        return InvalidTarget(f"{name} is repeated", "May not request several resources")
    return InvalidRequest(f"The parameter {name[:MAX_NAME]} is repeated" if name.isidentifier() else "A parameter is repeated")


def _check(name: str, value: str) -> None:
    if len(name) > MAX_NAME or len(value) > MAX_VALUE:
        raise InvalidRequest("A parameter is too long")
    if _CONTROL.search(name) or _CONTROL.search(value):
        raise InvalidRequest("A parameter contains control characters")
