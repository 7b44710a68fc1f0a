"""Finds dates and times in a sentence."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
_MONTH = (
    r"(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)"
    r"(?:uary|ruary|ch|il|e|y|ust|ember|ober|tember)?\.?"
)
_ORDINAL = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s+(?P<year>\d{4}))?"
_DATES = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?P<iso>\d{4}-\d{2}-\d{2})(?=T|\b)",
        r"\b(?:the )?day after (?P<overmorrow>tomorrow)\b",
        r"\b(?P<word>today|tonight|tomorrow|yesterday)\b",
        r"\bin (?P<ahead>\d{1,3}) days?\b",
        rf"\b(?:on |next |this )?(?P<weekday>{'|'.join(WEEKDAYS)})\b",
        rf"\b(?:on )?(?:the )?{_ORDINAL}(?: of)? {_MONTH}\b{_YEAR}",
        rf"\b(?:on )?{_MONTH} {_ORDINAL}\b{_YEAR}",
    )
]
_TIMES = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?:\bat |T)?\b(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::[0-5]\d)?(?:\s?(?P<half>am|pm)\b)?",
        r"(?<=\dT)(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)(?::[0-5]\d)?",
        r"\b(?:at )?(?P<hour>1[0-2]|0?[1-9])\s?(?P<half>am|pm)\b",
        r"\b(?:at )?(?P<name>noon|midnight)\b",
        r"\bat (?P<hour>[01]?\d|2[0-3]) o'clock\b",
    )
]
_WORDS = {"today": 0, "tonight": 0, "tomorrow": 1, "yesterday": -1}


@dataclass(frozen=True, slots=True)
class Moment:
    """A day, a time of day, both or neither; and the sentence without the words that said so."""

    day: dt.date | None
    time: dt.time | None
    rest: str

    def at(self, today: dt.date, default: dt.time) -> dt.datetime:
        """Return the point in time, with what is missing filled in."""
        return dt.datetime.combine(self.day or today, self.time or default)


def find(sentence: str, today: dt.date) -> Moment:
    """Find the first day and the first time of day in the sentence."""
    moment_of_day, rest = _find_time(sentence)
    day, rest = _find_day(rest, today)
    return Moment(day, moment_of_day, rest)


def _find_time(sentence: str) -> tuple[dt.time | None, str]:
    for match in _matches(_TIMES, sentence):
        found = match.groupdict()
        hour, minute = int(found.get("hour") or 0), int(found.get("minute") or 0)
        if found.get("name"):
            hour = 12 if found["name"].lower() == "noon" else 0
        if found.get("half"):
            hour = hour % 12 + (12 if found["half"].lower() == "pm" else 0)
        return dt.time(hour, minute), _without(sentence, match)
    return None, sentence


def _find_day(sentence: str, today: dt.date) -> tuple[dt.date | None, str]:
    for match in _matches(_DATES, sentence):
        day = _day({name: text.lower() for name, text in match.groupdict().items() if text}, today)
        if day:
            return day, _without(sentence, match)
    return None, sentence


def _day(found: dict[str, str], today: dt.date) -> dt.date | None:
    try:
        if "iso" in found:
            return dt.date.fromisoformat(found["iso"])
        if "month" in found:
            return _in_calendar(found, today)
        return today + dt.timedelta(days=_days_ahead(found, today))
    except ValueError:
        return None


def _days_ahead(found: dict[str, str], today: dt.date) -> int:
    if "weekday" in found:
        return (WEEKDAYS.index(found["weekday"]) - today.weekday() - 1) % 7 + 1
    if "overmorrow" in found:
        return 2
    return int(found["ahead"]) if "ahead" in found else _WORDS[found["word"]]


def _in_calendar(found: dict[str, str], today: dt.date) -> dt.date:
    """Return the day of that month: of the year named, else the next one to come."""
    month = next(number for number, name in enumerate(MONTHS, 1) if name.startswith(found["month"][:3]))
    year = int(found.get("year", today.year))
    day = dt.date(year, month, int(found["day"]))
    return day.replace(year=year + 1) if "year" not in found and day < today else day


def _matches(patterns: Sequence[re.Pattern[str]], sentence: str) -> list[re.Match[str]]:
    return [match for pattern in patterns if (match := pattern.search(sentence))]


def _without(sentence: str, match: re.Match[str]) -> str:
    return f"{sentence[: match.start()].rstrip()} {sentence[match.end() :].lstrip()}".strip()
