"""Writes the YAML of environment files: one text for one content, which `reading` reads back exactly."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from deputize.expressions import escape
from deputize.kernel.values import JsonValue

_PLAIN: Final = re.compile(r"[A-Za-z/][A-Za-z0-9_./@+:-]*( [A-Za-z0-9_./@+:()-]+)*")
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""What YAML takes for something else than a text, some versions of it or all."""
_LINES: Final = re.compile(
    r"[\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]+"
)
_RARE: Final = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff]")
"""What YAML does not take as it is between quotation marks, beside what JSON escapes."""


def write_yaml(content: Mapping[str, JsonValue]) -> str:
    """The file with this content; members stay in their order. Numbers have to be such as files write."""
    return "".join(f"{line}\n" for line in _mapping(content, 0))


def _mapping(members: Mapping[str, JsonValue], indent: int) -> Iterator[str]:
    for name, value in members.items():
        head = " " * indent + _inline(name) + ":"
        if isinstance(value, Mapping) and value:
            yield head
            yield from _mapping(value, indent + 2)
        elif isinstance(value, Sequence) and not isinstance(value, str) and value:
            yield head
            yield from _list(value, indent + 2)
        else:
            first, *rest = _scalar(value, indent + 2)
            yield f"{head} {first}"
            yield from rest


def _list(values: Sequence[JsonValue], indent: int) -> Iterator[str]:
    for value in values:
        if isinstance(value, Mapping) and value:
            lines = _mapping(value, indent + 2)
        elif isinstance(value, Sequence) and not isinstance(value, str) and value:
            lines = _list(value, indent + 2)
        else:
            lines = iter(_scalar(value, indent + 2))
        yield f"{' ' * indent}- {next(lines).lstrip(' ')}"
        yield from lines


def _scalar(value: JsonValue, indent: int) -> list[str]:
    """The lines of a value without members; those after the first are indented."""
    if isinstance(value, str):
        return _text(escape(value), indent)
    if isinstance(value, Mapping):
        return ["{}"]
    if isinstance(value, Sequence):
        return ["[]"]
    if isinstance(value, float):
        return [format(Decimal(repr(value)), "f") if "e" in repr(value) else repr(value)]
    return [json.dumps(value)]


def _text(text: str, indent: int) -> list[str]:
    body = text.removesuffix("\n")
    lines = body.split("\n")
    starts_plainly = not next((line for line in lines if line), " ").startswith(" ")
    if "\n" in text and not body.endswith("\n") and starts_plainly and _LINES.fullmatch(text):
        mark = "|" if text.endswith("\n") else "|-"
        return [mark, *(" " * indent + line if line else "" for line in lines)]
    return [_inline(text)]


def _inline(text: str) -> str:
    is_plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS and len(text) <= 128
    if is_plain and ": " not in text and not text.endswith(":"):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _RARE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
