"""Texts that spell numbers, as header values and claims often do."""

import re

from deputize.expressions.values import MAX_INTEGER

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_REAL = re.compile(r"[+-]?[0-9]{1,19}(?:\.[0-9]{1,19})?(?:[eE][+-]?[0-9]{1,3})?")


def parse_number(text: str) -> int | float | None:
    """The number `text` spells, or `None` when it spells none that 64 bits hold."""
    if integer := _INTEGER.fullmatch(text):
        value = int(integer.group())
        return value if abs(value) <= MAX_INTEGER else None
    if not _REAL.fullmatch(text):
        return None
    real = float(text)
    return real if abs(real) != float("inf") else None
