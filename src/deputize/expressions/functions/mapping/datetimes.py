"""`#datetime`: dates as ISO 8601 texts, written in UTC with milliseconds.

What is not a date gives null, never an error. Patterns are those of Java's `DateTimeFormatter`, with the
letters that claims need, in English: `yyyy-MM-dd'T'HH:mm:ss.SSSXXX`.
"""

import re
from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from deputize.expressions.errors import OperandError
from deputize.expressions.functions.function import Function, as_integer, as_text, exactly, of_one
from deputize.expressions.patterns import compile_pattern
from deputize.expressions.values import Value, is_absent, is_number

_LATEST = 253_402_300_799
"""The last second of the year 9999."""
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
    """A run of one letter."""

    write: Callable[[datetime], str]
    looks: str
    """The regular expression of what it may be read from."""
    read: Callable[[str], Mapping[str, int]]
    """What the text says about a moment."""


@dataclass(frozen=True, slots=True)
class DatePattern:
    """A compiled pattern."""

    _parts: Sequence[_Field | str]

    def write(self, moment: datetime) -> str:
        """`moment` in its own time zone, as the pattern says."""
        return "".join(part if isinstance(part, str) else part.write(moment) for part in self._parts)

    def read(self, text: str, zone: tzinfo) -> datetime | None:
        """The moment `text` stands for, in `zone` unless it carries an offset.

        `None` when it does not fit the pattern, or when there is no such day or time.
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
        year = found.get("year", 2000 + found.get("short_year", -30))
        hour = found.get("hour", found.get("half_hour", 0) % 12 + 12 * found.get("afternoon", 0))
        clock = (hour, found.get("minute", 0), found.get("second", 0), found.get("microsecond", 0))
        try:
            if "offset" in found:
                zone = timezone(timedelta(minutes=found["offset"]))
            moment = datetime(year, found.get("month", 1), found.get("day", 1), *clock, tzinfo=zone)
            return (moment + timedelta(days=found.get("day_of_year", 1) - 1)).astimezone(UTC)
        except (ValueError, OverflowError):
            return None


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
        if letters := lexeme["letters"]:
            parts.append(_field(letters))
        elif lexeme["quoted"] is not None:
            parts.append(lexeme["quoted"].replace("''", "'") or "'")
        else:
            parts.append(lexeme["other"])
        at = lexeme.end()
    return DatePattern(parts)


def _field(letters: str) -> _Field:
    letter, width = letters[0], len(letters)
    if field := _WORDS.get(letters) or _OFFSETS.get(letters):
        return field
    if letter == "S":
        kept = min(width, 6)
        return _Field(
            lambda moment: f"{moment.microsecond:06d}"[:kept].ljust(width, "0"),
            f"[0-9]{{{width}}}",
            lambda text: {"microsecond": int(text[:kept].ljust(6, "0"))},
        )
    if letter not in _NUMBERS:
        raise OperandError(f"the date pattern letter {letter!r} is not available")
    return _number(width, *_NUMBERS[letter])


def _number(width: int, name: str, value: Callable[[datetime], int]) -> _Field:
    looks = f"[0-9]{{{width}}}" if width > 1 else "[0-9]{1,4}"
    return _Field(lambda moment: f"{value(moment):0{width}d}", looks, lambda text: {name: int(text)})


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


def read_date(value: Value) -> datetime | None:
    """The moment an ISO 8601 text stands for, without offset in UTC; `None` for everything else."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def write_date(moment: datetime | None) -> Value:
    """The moment as `2026-11-23T20:28:00.000Z`."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def find_zone(name: str) -> tzinfo:
    """The time zone of the IANA database with that name. Raises `OperandError`."""
    if name in {"UTC", "Z"}:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise OperandError("there is no such time zone") from error


def format_date(value: Value, pattern: Value) -> Value:
    """The date as a `DateTimeFormatter` pattern says, in UTC."""
    moment = read_date(value)
    return None if moment is None else compile_date_pattern(as_text(pattern)).write(moment)


def parse_date(value: Value, pattern: Value, zone: Value = "UTC") -> Value:
    """The ISO 8601 form of a date written by a `DateTimeFormatter` pattern."""
    compiled, place = compile_date_pattern(as_text(pattern)), find_zone(as_text(zone))
    return write_date(compiled.read(value, place)) if isinstance(value, str) else None


def in_zone(value: Value, zone: Value, pattern: Value) -> Value:
    """The date as a pattern says, in a time zone."""
    moment = read_date(value)
    compiled, place = compile_date_pattern(as_text(pattern)), find_zone(as_text(zone))
    try:
        return None if moment is None else compiled.write(moment.astimezone(place))
    except OverflowError:
        return None


def to_unix(value: Value) -> Value:
    """Whole seconds since 1970-01-01T00:00:00Z."""
    moment = read_date(value)
    return None if moment is None else int(moment.timestamp() // 1)


def from_unix(value: Value) -> Value:
    """The ISO 8601 form of seconds since 1970-01-01T00:00:00Z."""
    if not is_number(value) or not -_LATEST <= value <= _LATEST:
        return None
    try:
        return write_date(datetime.fromtimestamp(value, UTC))
    except (ValueError, OverflowError):
        return None


def _add(name: str, add: Callable[[datetime, int], datetime]) -> Function:
    """A function that moves a date by a number of units."""

    def move(value: Value, amount: Value) -> Value:
        moment = read_date(value)
        if moment is None or is_absent(amount):
            return None
        try:
            return write_date(add(moment, as_integer(amount)))
        except (ValueError, OverflowError):
            return None

    return exactly(name, 2, move)


def _add_months(moment: datetime, months: int) -> datetime:
    """The same day of another month, or that month's last day."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError
    return moment.replace(year=year, month=month + 1, day=min(moment.day, monthrange(year, month + 1)[1]))


def _whole_months(first: datetime, second: datetime) -> int:
    """Complete months from `first` to `second`, which is later."""
    months = (second.year - first.year) * 12 + second.month - first.month
    return months - ((second.day, second.time()) < (first.day, first.time()))


def years_between(first: Value, second: Value, default: Value) -> Value:
    """Complete years from one date to the other, negative when the second is earlier.

    `default` when one is no date.
    """
    begin, end = read_date(first), read_date(second)
    if begin is None or end is None:
        return default
    return _whole_months(begin, end) // 12 if begin <= end else -(_whole_months(end, begin) // 12)


def period_between(first: Value, second: Value, default: Value) -> Value:
    """The ISO 8601 period from one date to the other, such as `P1Y2M3D`; `default` when one is no date."""
    begin, end = read_date(first), read_date(second)
    if begin is None or end is None:
        return default
    sign = "" if begin <= end else "-"
    begin, end = min(begin, end), max(begin, end)
    months = _whole_months(begin, end)
    amounts = (("Y", months // 12), ("M", months % 12), ("D", (end - _add_months(begin, months)).days))
    return "P" + ("".join(f"{sign}{amount}{unit}" for unit, amount in amounts if amount) or "0D")


FUNCTIONS: tuple[Function, ...] = (
    exactly("datetime.format", 2, format_date),
    Function("datetime.parse", parse_date, 2, 3),
    exactly("datetime.toDateTimeInTimezone", 3, in_zone),
    of_one("datetime.toUnixTimestamp", to_unix),
    of_one("datetime.fromUnixTimestamp", from_unix),
    _add("datetime.addSeconds", lambda moment, amount: moment + timedelta(seconds=amount)),
    _add("datetime.addMinutes", lambda moment, amount: moment + timedelta(minutes=amount)),
    _add("datetime.addHours", lambda moment, amount: moment + timedelta(hours=amount)),
    _add("datetime.addDays", lambda moment, amount: moment + timedelta(days=amount)),
    _add("datetime.addWeeks", lambda moment, amount: moment + timedelta(weeks=amount)),
    _add("datetime.addMonths", _add_months),
    _add("datetime.addYears", lambda moment, amount: _add_months(moment, 12 * amount)),
    exactly("datetime.yearsBetween", 3, years_between),
    exactly("datetime.periodBetween", 3, period_between),
)
