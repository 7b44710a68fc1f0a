"""The letters of Java's `DateTimeFormatter` patterns that claims need, in English.

`yyyy-MM-dd'T'HH:mm:ss.SSSXXX`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from deputize.expressions.errors import OperandError
from deputize.expressions.patterns import compile_pattern

_MAX_PATTERN = 64
_LEXEME = re.compile(r"(?P<letters>([A-Za-z])\2*)|'(?P<quoted>(?:[^']|'')*)'|(?P<other>[^A-Za-z'])")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class _Field:
    """A run of one letter.

    How it is written, what it looks like, and what it says about a moment when read.
    """

    write: Callable[[datetime], str]
    looks: str
    read: Callable[[str], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class DatePattern:
    """A compiled pattern."""

    _parts: Sequence[_Field | str]

    def write(self, moment: datetime) -> str:
        """`moment` in its own time zone, as the pattern says."""
        return "".join(part if isinstance(part, str) else part.write(moment) for part in self._parts)

    def read(self, text: str, zone: tzinfo) -> datetime | None:
        """The moment `text` stands for, in `zone` unless it carries an offset.

        `None` when it does not fit the pattern.
        """
        # Fields without a fixed width in a row would make a backtracking engine try every way to share the
        # digits out.
        looks = "".join(
            re.escape(part) if isinstance(part, str) else f"({part.looks})" for part in self._parts
        )
        groups = compile_pattern(f"^(?:{looks})$").groups(text)
        if groups is None:
            return None
        found: dict[str, int] = {}
        fields = [part for part in self._parts if isinstance(part, _Field)]
        for field, written in zip(fields, groups[1:], strict=True):
            found.update(field.read(written or ""))
        return _moment(found, zone)


def compile_date_pattern(pattern: str) -> DatePattern:
    """The pattern. Raises `OperandError` for letters that are not known here."""
    if len(pattern) > _MAX_PATTERN:
        raise OperandError(f"the date pattern is longer than {_MAX_PATTERN} characters")
    parts: list[_Field | str] = []
    at = 0
    while at < len(pattern):
        lexeme = _LEXEME.match(pattern, at)
        if lexeme is None:
            raise OperandError("the date pattern has an opening quote without its closing one")
        parts.append(_part(lexeme))
        at = lexeme.end()
    return DatePattern(parts)


def _part(lexeme: re.Match[str]) -> _Field | str:
    letters = lexeme["letters"]
    if letters:
        return _field(letters[0], len(letters))
    if lexeme["quoted"] is not None:
        return lexeme["quoted"].replace("''", "'") or "'"
    return lexeme["other"]


def _field(letter: str, width: int) -> _Field:
    field = _WORDS.get(letter * width) or _OFFSETS.get(letter * width)
    if field is not None:
        return field
    if letter == "S":
        return _fraction(width)
    if letter not in _NUMBERS:
        raise OperandError(f"the date pattern letter {letter!r} is not available")
    return _number(width, *_NUMBERS[letter])


def _number(width: int, name: str, value: Callable[[datetime], int]) -> _Field:
    looks = f"[0-9]{{{width}}}" if width > 1 else "[0-9]{1,4}"
    return _Field(lambda moment: f"{value(moment):0{width}d}", looks, lambda text: {name: int(text)})


def _fraction(width: int) -> _Field:
    kept = min(width, 6)

    def read(text: str) -> Mapping[str, int]:
        return {"microsecond": int(text[:kept].ljust(6, "0"))}

    return _Field(
        lambda moment: f"{moment.microsecond:06d}"[:kept].ljust(width, "0"), f"[0-9]{{{width}}}", read
    )


def _word(
    names: Sequence[str], name: str, value: Callable[[datetime], int], first: int, cut: int | None = None
) -> _Field:
    shown = [word[:cut] for word in names]
    return _Field(
        lambda moment: shown[value(moment) - first],
        "|".join(shown),
        lambda text: {name: shown.index(text) + first},
    )


def _offset(colon: str, zero: str) -> _Field:
    def write(moment: datetime) -> str:
        minutes = int((moment.utcoffset() or timedelta()).total_seconds()) // 60
        sign = "-" if minutes < 0 else "+"
        return (
            zero if zero and not minutes else f"{sign}{abs(minutes) // 60:02d}{colon}{abs(minutes) % 60:02d}"
        )

    def read(text: str) -> Mapping[str, int]:
        if text == zero:
            return {"offset": 0}
        minutes = int(text[1:3]) * 60 + int(text[-2:])
        return {"offset": -minutes if text[0] == "-" else minutes}

    looks = f"[+-][0-9]{{2}}{colon}[0-9]{{2}}"
    return _Field(write, f"{zero}|{looks}" if zero else looks, read)


_NUMBERS: Mapping[str, tuple[str, Callable[[datetime], int]]] = {
    "y": ("year", lambda moment: moment.year),
    "u": ("year", lambda moment: moment.year),
    "M": ("month", lambda moment: moment.month),
    "d": ("day", lambda moment: moment.day),
    "D": ("day_of_year", lambda moment: moment.timetuple().tm_yday),
    "H": ("hour", lambda moment: moment.hour),
    "h": ("half_hour", lambda moment: (moment.hour - 1) % 12 + 1),
    "m": ("minute", lambda moment: moment.minute),
    "s": ("second", lambda moment: moment.second),
}
_WORDS: Mapping[str, _Field] = {
    "yy": _number(2, "short_year", lambda moment: moment.year % 100),
    "MMM": _word(_MONTHS, "month", lambda moment: moment.month, 1, 3),
    "MMMM": _word(_MONTHS, "month", lambda moment: moment.month, 1),
    "E": _word(_DAYS, "weekday", datetime.weekday, 0, 3),
    "EEE": _word(_DAYS, "weekday", datetime.weekday, 0, 3),
    "EEEE": _word(_DAYS, "weekday", datetime.weekday, 0),
    "a": _word(("AM", "PM"), "afternoon", lambda moment: moment.hour // 12, 0),
}
_OFFSETS: Mapping[str, _Field] = {
    "Z": _offset("", ""),
    "XX": _offset("", "Z"),
    "XXX": _offset(":", "Z"),
    "xx": _offset("", ""),
    "xxx": _offset(":", ""),
}


def _moment(found: Mapping[str, int], zone: tzinfo) -> datetime | None:
    """The moment the fields make; `None` when there is no such day or time."""
    year = found.get("year", 2000 + found.get("short_year", -30))
    hour = found.get("hour", found.get("half_hour", 0) % 12 + 12 * found.get("afternoon", 0))
    try:
        if "offset" in found:
            zone = timezone(timedelta(minutes=found["offset"]))
        clock = (hour, found.get("minute", 0), found.get("second", 0), found.get("microsecond", 0))
        moment = datetime(year, found.get("month", 1), found.get("day", 1), *clock, tzinfo=zone)
        return (moment + timedelta(days=found.get("day_of_year", 1) - 1)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
