"""English durations as configuration files write them: "20 seconds", "1 hour and 30 minutes", "unlimited"."""

import re
from fractions import Fraction
from typing import Final

from deputize.kernel.errors import DeputizeError

LONGEST: Final = 36_500 * 86_400
"""Seconds of the longest duration that has an end: 100 years."""
_SECOND = 10**9
_UNITS = {
    "days day d": 86_400 * _SECOND,
    "hours hour h": 3600 * _SECOND,
    "minutes minute min m": 60 * _SECOND,
    "seconds second sec s": _SECOND,
    "milliseconds millisecond millisec millis milli ms": 10**6,
    "microseconds microsecond microsec micros micro us": 10**3,
    "nanoseconds nanosecond nanosec nanos nano ns": 1,
}
"""The names of the units, the longest unit first, with their nanoseconds: sums of integers are exact."""
_NANOSECONDS = {name: nanoseconds for names, nanoseconds in _UNITS.items() for name in names.split()}
_WRITTEN = {names.split()[1]: nanoseconds for names, nanoseconds in _UNITS.items()}
"""The same for writing: the singular of each unit."""
_NAMES = ", ".join(names.split()[0] for names in _UNITS)
_UNLIMITED = frozenset({"unlimited", "infinity", "indefinite", "undefined"})
_ZERO = frozenset({"zero", "disabled"})
_PART = re.compile(r"([0-9]{1,18})\s*([a-z]{1,12})")
_SEPARATOR = re.compile(r"\s*(?:,|\band\b)?\s*")


class DurationError(DeputizeError):
    """The text is not a duration."""


class DurationTooLong(DurationError):
    """The text is a duration, but longer than `LONGEST`."""


def parse(text: str) -> float | None:
    """Return the duration in seconds, at most `LONGEST`; `None` means without limit.

    Raises `DurationError`, of which `DurationTooLong` tells that it is a duration.
    """
    lowered = text.strip().lower()
    if lowered in _UNLIMITED:
        return None
    if lowered in _ZERO:
        return 0.0
    total, at, end = 0, 0, -1
    while match := _PART.match(lowered, at):
        number, unit = match.groups()
        if unit not in _NANOSECONDS:
            raise DurationError(f"{text[:64]!r} uses the unknown unit {unit!r} (units are {_NAMES})")
        total += int(number) * _NANOSECONDS[unit]
        end = match.end()
        separator = _SEPARATOR.match(lowered, end)
        at = separator.end() if separator else end
    if end != len(lowered):
        raise DurationError(
            f"{text[:64]!r} is not a duration such as '20 seconds' or '1 hour and 30 minutes'"
        )
    if total > LONGEST * _SECOND:
        raise DurationTooLong(f"{text[:64]!r} is longer than {LONGEST // 86_400} days, the longest duration")
    return total / _SECOND


def write(seconds: float) -> str:
    """Return the duration in words for `parse`, such as "1 hour and 30 minutes"; exact to the nanosecond.

    `parse` returns the same number for it, up to `LONGEST`.
    """
    parts: list[str] = []
    left = round(Fraction(seconds) * _SECOND)
    for name, nanoseconds in _WRITTEN.items():
        count, left = divmod(left, nanoseconds)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:]))) or "zero"
