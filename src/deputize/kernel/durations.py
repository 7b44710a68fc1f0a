"""English durations as configuration files write them: "20 seconds", "1 hour and 30 minutes", "unlimited"."""

import re

from deputize.kernel.errors import DeputizeError

_UNITS = {
    "days day d": 86400.0,
    "hours hour h": 3600.0,
    "minutes minute min m": 60.0,
    "seconds second sec s": 1.0,
    "milliseconds millisecond millisec millis milli ms": 1e-3,
    "microseconds microsecond microsec micros micro us": 1e-6,
    "nanoseconds nanosecond nanosec nanos nano ns": 1e-9,
}
_SECONDS = {name: seconds for names, seconds in _UNITS.items() for name in names.split()}
_WRITTEN = {units.split()[1]: round(seconds * 1e9) for units, seconds in _UNITS.items() if " " in units}
"""The names of the units in the singular, the longest unit first, with their nanoseconds."""
_NAMES = ", ".join(units.split()[0] for units in _UNITS)
_UNLIMITED = frozenset({"unlimited", "infinity", "indefinite", "undefined"})
_ZERO = frozenset({"zero", "disabled"})
_PART = re.compile(r"(\d{1,12})\s*([a-z]{1,12})")
_SEPARATOR = re.compile(r"\s*(?:,|\band\b)?\s*")


class DurationError(DeputizeError):
    """The text is not a duration."""


def parse(text: str) -> float | None:
    """Return the duration in seconds; `None` means without limit. Raises `DurationError`."""
    lowered = text.strip().lower()
    if lowered in _UNLIMITED:
        return None
    if lowered in _ZERO:
        return 0.0
    total, at, end = 0.0, 0, -1
    while match := _PART.match(lowered, at):
        number, unit = match.groups()
        if unit not in _SECONDS:
            raise DurationError(f"{text[:64]!r} uses the unknown unit {unit!r} (units are {_NAMES})")
        total += int(number) * _SECONDS[unit]
        end = match.end()
        separator = _SEPARATOR.match(lowered, end)
        at = separator.end() if separator else end
    if end != len(lowered):
        raise DurationError(
            f"{text[:64]!r} is not a duration such as '20 seconds' or '1 hour and 30 minutes'"
        )
    return total


def write(seconds: float) -> str:
    """Return the duration in words for `parse`, such as "1 hour and 30 minutes"; exact to the nanosecond."""
    parts: list[str] = []
    left = round(seconds * 1e9)
    for name, nanoseconds in _WRITTEN.items():
        count, left = divmod(left, nanoseconds)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:]))) or "zero"
