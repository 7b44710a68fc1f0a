"""JSON that two parsers cannot disagree about, read and written.

The standard library takes the last of duplicate keys, accepts NaN, UTF-16, a byte-order mark and lone
surrogates, and raises `RecursionError` on depth. A security decision on such a text can differ from what the
next program reads, so all of them are refused here (RFC 8259 sections 4, 8.1; RFC 7493 sections 2.1, 2.3).
Integers beyond 2^53 are accepted: identifiers of 64 bits are common, and a text is passed on as its own
bytes.

A compiled parser reads a text first, and a few searches of the whole text prove that its value is exact. What
they leave in doubt is decided by the slower decoder below, which also finds the words for a refusal.
"""

import json
import re
from collections.abc import Callable
from itertools import accumulate
from typing import Final, NoReturn

from pydantic_core import from_json, to_json

from deputize.kernel.errors import DeputizeError
from deputize.kernel.values import JsonValue

MAX_SIZE = 4 * 1024 * 1024
MAX_DEPTH = 64
MAX_DIGITS = 128
"""Digits of an integer at most.

No identifier has more, and every integer within the limit converts to a float without overflow.
"""
_BLANKS = " \t\n\r"

_BACKSLASH: Final = ord("\\")
_VEILED: Final = re.compile(rb"\\u00(?:00|3[aA])")
"""NUL, which no name may hold, or a colon, which would be miscounted, as a program may escape them."""
_OPENINGS: Final = b"[{"
_CLOSINGS: Final = b"]}"
_UNMARKED: Final = bytes(each for each in range(256) if each not in _OPENINGS + _CLOSINGS + b'"')
_STEPS: Final = bytes(1 if each in _OPENINGS else 0xFF for each in range(256))
"""One level down at an opening bracket, one up (-1 in a signed byte) at a closing one."""
_ZEROS: Final = bytes(ord("0") if each in b"0123456789" else ord(" ") for each in range(256))
"""Every digit as a zero, everything else as a blank."""
_TOO_LONG: Final = b"0" * (MAX_DIGITS + 1)
_STRIDE: Final = 32
_SAMPLE: Final = b"0" * (MAX_DIGITS // _STRIDE)
"""What at least is left of such a run when every 32nd byte is looked at."""


class JsonError(DeputizeError):
    """The text is not JSON, or is JSON that parsers read differently."""


def loads(text: bytes, *, max_size: int = MAX_SIZE, max_depth: int = MAX_DEPTH) -> JsonValue:
    """Parse UTF-8 JSON of at most `max_size` bytes, at most `max_depth` deep. Raises `JsonError`."""
    if len(text) > max_size:
        raise JsonError(f"larger than {max_size} bytes")
    try:
        # Only names are remembered between texts: values are nobody else's business.
        value = from_json(text, allow_inf_nan=False, cache_strings="keys")
        rendered = to_json(value)
    except ValueError:
        return _loads_exactly(text, max_depth)
    if (
        # A member that another of the same name displaced is missing, and its colon with it.
        (rendered == text or (rendered.count(b":") == text.count(b":") and b"Infinity" not in rendered))
        and (_BACKSLASH not in text or not _VEILED.search(text))
        and (len(text) <= 2 * max_depth or _nests_at_most(max_depth, text))
        and (len(text) <= MAX_DIGITS or not _has_long_run(text))
    ):
        return value
    return _loads_exactly(text, max_depth)


def dumps(value: object) -> bytes:
    """Write a JSON value as short as it gets, in UTF-8, in a quarter of the standard library's time.

    Raises `JsonError` where a text is not Unicode, a number not finite, or something in it is no JSON value.
    """
    try:
        text = to_json(value)
        if b"NaN" in text or b"Infinity" in text:  # perhaps only within a text
            _FINITE.encode(value)
    except (ValueError, TypeError) as error:
        raise JsonError("not a value that JSON writes") from error
    return text


def _nests_at_most(max_depth: int, text: bytes) -> bool:
    """Whether brackets outside the strings of `text`, which is well-formed, nest at most `max_depth` deep."""
    many = max_depth + 1  # what is taken out is counted: other than `count`, that stops where there are many
    taken = 2 * len(text) - len(text.replace(b"[", b"", many)) - len(text.replace(b"{", b"", many))
    if taken <= max_depth:
        return True
    if _BACKSLASH in text:  # pairs of them first, so that one before a quotation mark escapes it
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside = b"".join(text.translate(None, _UNMARKED).split(b'"')[::2])
    return max(accumulate(memoryview(outside.translate(_STEPS)).cast("b")), default=0) <= max_depth


def _has_long_run(text: bytes) -> bool:
    """Whether `text` has more than `MAX_DIGITS` digits in a row: if not, a few of its bytes mostly tell."""
    return _SAMPLE in text[::_STRIDE].translate(_ZEROS) and _TOO_LONG in text.translate(_ZEROS)


def _loads_exactly(text: bytes, max_depth: int) -> JsonValue:
    """Decode by the standard library with a check at each member: the rule that `loads` must agree with."""
    decoded = _decode(text)
    if not _is_shallow(decoded, max_depth):
        raise JsonError(f"nested deeper than {max_depth}")
    try:
        return _parsed(decoded)
    except json.JSONDecodeError as error:
        raise JsonError(f"{error.msg} at line {error.lineno} column {error.colno}") from error


def loads_members(text: bytes, names: frozenset[str], *, max_size: int = MAX_SIZE) -> dict[str, JsonValue]:
    """Return those of `names` that the object `text` holds once, also where `loads` refuses the rest of it.

    A value that is a container, too long an integer or not Unicode text comes as `None`. Empty where no
    object can be read.
    """
    if len(text) > max_size:
        return {}
    try:
        document = _LENIENT.decode(text.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    members = (
        [(name, value) for name, value in document if name in names] if isinstance(document, _Members) else []
    )
    found: dict[str, JsonValue] = {}
    for name, value in members:
        is_no_text = isinstance(value, str) and any("\ud800" <= each <= "\udfff" for each in value)
        found[name] = None if is_no_text or isinstance(value, list) else value
    return found if len(found) == len(members) else {}


class _Members(list[tuple[str, JsonValue]]):
    """An object as the list of its members, in the order of the text."""


def _parsed(decoded: str) -> JsonValue:
    """Decode as the decoder's `decode` does, without its two regular expressions for blanks at the ends."""
    text = decoded.rstrip(_BLANKS)
    decoder = _WARY_DECODER if "\\u0000" in text else _DECODER
    value, end = decoder.raw_decode(text, len(text) - len(text.lstrip(_BLANKS)))
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
    """Whether brackets outside strings nest at most `max_depth` deep; texts with few are not scanned."""
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


def _unique_without_nul(members: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    if any("\0" in name for name, _ in members):
        raise JsonError("a member's name holds NUL, where some programs end it")
    return _unique(members)


def _integer(digits: str) -> int:
    if len(digits.removeprefix("-")) > MAX_DIGITS:
        raise JsonError(f"an integer has more than {MAX_DIGITS} digits")
    return int(digits)


def _integer_or_none(digits: str) -> int | None:
    return int(digits) if len(digits.removeprefix("-")) <= MAX_DIGITS else None


def _real(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise JsonError("a number is out of range")
    return value


def _constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is not a JSON value")


def _decoder(hook: Callable[[list[tuple[str, JsonValue]]], dict[str, JsonValue]]) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=hook, parse_int=_integer, parse_float=_real, parse_constant=_constant
    )


_DECODER = _decoder(_unique)
_WARY_DECODER = _decoder(_unique_without_nul)
_FINITE: Final = json.JSONEncoder(allow_nan=False)
_LENIENT = json.JSONDecoder(object_pairs_hook=_Members, parse_int=_integer_or_none)
