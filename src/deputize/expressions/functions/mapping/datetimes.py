"""`#datetime`: dates as ISO 8601 texts, written in UTC with milliseconds.

What is not a date gives null, never an error.
"""

from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from deputize.expressions.errors import OperandError
from deputize.expressions.functions import operands
from deputize.expressions.functions.function import Function, exactly, of_one
from deputize.expressions.functions.mapping.date_patterns import compile_date_pattern
from deputize.expressions.values import Value, is_absent, is_number

_LATEST = 253_402_300_799
"""The last second of the year 9999."""


def read(value: Value) -> datetime | None:
    """The moment an ISO 8601 text stands for, without offset in UTC; `None` for everything else."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def written(moment: datetime | None) -> Value:
    """The moment as `2026-11-23T20:28:00.000Z`."""
    return (
        None
        if moment is None
        else moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def zone_called(name: str) -> tzinfo:
    """The time zone of the IANA database with that name. Raises `OperandError`."""
    if name in {"UTC", "Z"}:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise OperandError("there is no such time zone") from error


def format_date(value: Value, pattern: Value) -> Value:
    """The date as a `DateTimeFormatter` pattern says, in UTC."""
    moment = read(value)
    return None if moment is None else compile_date_pattern(operands.text(pattern)).write(moment)


def parse_date(value: Value, pattern: Value, zone: Value = "UTC") -> Value:
    """The ISO 8601 form of a date written by a `DateTimeFormatter` pattern."""
    compiled, place = compile_date_pattern(operands.text(pattern)), zone_called(operands.text(zone))
    return written(compiled.read(value, place)) if isinstance(value, str) else None


def in_zone(value: Value, zone: Value, pattern: Value) -> Value:
    """The date as a pattern says, in a time zone."""
    moment = read(value)
    compiled, place = compile_date_pattern(operands.text(pattern)), zone_called(operands.text(zone))
    try:
        return None if moment is None else compiled.write(moment.astimezone(place))
    except OverflowError:
        return None


def to_unix(value: Value) -> Value:
    """Whole seconds since 1970-01-01T00:00:00Z."""
    moment = read(value)
    return None if moment is None else int(moment.timestamp() // 1)


def from_unix(value: Value) -> Value:
    """The ISO 8601 form of seconds since 1970-01-01T00:00:00Z."""
    if not is_number(value) or not -_LATEST <= value <= _LATEST:
        return None
    try:
        return written(datetime.fromtimestamp(value, UTC))
    except (ValueError, OverflowError):
        return None


def _adding(add: Callable[[datetime, int], datetime]) -> Function:
    """A function that moves a date by a number of units."""

    def move(value: Value, amount: Value) -> Value:
        moment = read(value)
        if moment is None or is_absent(amount):
            return None
        try:
            return written(add(moment, operands.integer(amount)))
        except (ValueError, OverflowError):
            return None

    return exactly(2, move)


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
    begin, end = read(first), read(second)
    if begin is None or end is None:
        return default
    return _whole_months(begin, end) // 12 if begin <= end else -(_whole_months(end, begin) // 12)


def period_between(first: Value, second: Value, default: Value) -> Value:
    """The ISO 8601 period from one date to the other, such as `P1Y2M3D`; `default` when one is no date."""
    begin, end = read(first), read(second)
    if begin is None or end is None:
        return default
    sign = "" if begin <= end else "-"
    begin, end = min(begin, end), max(begin, end)
    months = _whole_months(begin, end)
    amounts = (("Y", months // 12), ("M", months % 12), ("D", (end - _add_months(begin, months)).days))
    return "P" + ("".join(f"{sign}{amount}{unit}" for unit, amount in amounts if amount) or "0D")


FUNCTIONS: Mapping[str, Function] = {
    "format": exactly(2, format_date),
    "parse": Function(parse_date, 2, 3),
    "toDateTimeInTimezone": exactly(3, in_zone),
    "toUnixTimestamp": of_one(to_unix),
    "fromUnixTimestamp": of_one(from_unix),
    "addSeconds": _adding(lambda moment, amount: moment + timedelta(seconds=amount)),
    "addMinutes": _adding(lambda moment, amount: moment + timedelta(minutes=amount)),
    "addHours": _adding(lambda moment, amount: moment + timedelta(hours=amount)),
    "addDays": _adding(lambda moment, amount: moment + timedelta(days=amount)),
    "addWeeks": _adding(lambda moment, amount: moment + timedelta(weeks=amount)),
    "addMonths": _adding(_add_months),
    "addYears": _adding(lambda moment, amount: _add_months(moment, 12 * amount)),
    "yearsBetween": exactly(3, years_between),
    "periodBetween": exactly(3, period_between),
}
