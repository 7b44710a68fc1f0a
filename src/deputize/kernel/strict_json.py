"""JSON parsing that two parsers cannot disagree about.

The standard library takes the last of duplicate keys, accepts NaN, UTF-16, a byte-order mark and lone surrogates, and
raises `RecursionError` on depth. A security decision on such a text can differ from what the next program reads, so all
of them are refused here (RFC 8259 sections 4, 6, 8.1; RFC 7493 sections 2.1 to 2.3).
"""

import json
from typing import NoReturn

from deputize.kernel.errors import DeputizeError
from deputize.kernel.values import JsonValue

MAX_SIZE = 4 * 1024 * 1024
MAX_DEPTH = 64
MAX_SAFE_INTEGER = 2**53 - 1
_BLANKS = " \t\n\r"


class JsonError(DeputizeError):
    """The text is not JSON, or is JSON that parsers read differently."""


def loads(text: bytes, *, max_size: int = MAX_SIZE, max_depth: int = MAX_DEPTH) -> JsonValue:
    """Parse UTF-8 JSON `text` of at most `max_size` bytes nested at most `max_depth` deep, or raise `JsonError`."""
    if len(text) > max_size:
        raise JsonError(f"larger than {max_size} bytes")
    decoded = _decode(text)
    if not _is_shallow(decoded, max_depth):
        raise JsonError(f"nested deeper than {max_depth}")
    try:
        return _parsed(decoded)
    except json.JSONDecodeError as error:
        raise JsonError(f"{error.msg} at line {error.lineno} column {error.colno}") from error


def _parsed(decoded: str) -> JsonValue:
    """As the decoder's `decode`, which looks for blanks around the text by two regular expressions."""
    text = decoded.rstrip(_BLANKS)
    value, end = _DECODER.raw_decode(text, len(text) - len(text.lstrip(_BLANKS)))
    if end != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return value


def _decode(text: bytes) -> str:
    if text.startswith(b"\xef\xbb\xbf"):
        raise JsonError("starts with a byte-order mark")
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonError(f"not UTF-8 at byte {error.start}") from error
    if "\\u" in decoded and _has_lone_surrogate(decoded):
        raise JsonError("contains a lone surrogate")
    return decoded


def _has_lone_surrogate(decoded: str) -> bool:
    try:
        json.dumps(json.loads(decoded), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False  # the real parse reports these with their position
    return False


def _is_shallow(text: str, max_depth: int) -> bool:
    """Counts brackets outside strings; cheap texts, with fewer brackets than the limit, are waved through."""
    if text.count("[") + text.count("{") <= max_depth:
        return True
    depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > max_depth:
                return False
        elif character in "]}":
            depth -= 1
    return True


def _unique(members: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    result = dict(members)
    if len(result) != len(members):
        seen: set[str] = set()
        twice = next(name for name, _ in members if name in seen or seen.add(name))
        raise JsonError(f"the member {twice[:64]!r} stands twice in one object")
    return result


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > MAX_SAFE_INTEGER:
        raise JsonError("an integer is beyond ±(2^53 - 1)")
    return int(digits)


def _real(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise JsonError("a number is out of range")
    return value


def _constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is not a JSON value")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer, parse_float=_real, parse_constant=_constant)
