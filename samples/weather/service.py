"""Answers about the weather.

Asks the live service if there is one, and falls back to the climate of the nearest known city.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from weather import climate
from weather.live import LiveWeather, Unavailable
from weather.model import BUILT_IN, LIVE, Place, Places, Weather
from weather.places import City, beginning, cities, named, nearest, zone

LIVE_DAYS = 15
NEAR_KM = 75.0
PERIODS = {0: "night", 6: "morning", 12: "afternoon", 18: "evening"}
"""The parts of a day, by the hour at which each begins."""


class NotAnswerable(Exception):
    """The question names no known place; the message says what would help."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The place that a question is about: by name, or by position."""

    place: str | None = None
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """The weather from a point in local time on, a row for each `step`."""

    place: Place
    source: str
    start: datetime
    step: timedelta
    rows: Sequence[Weather]

    def timed(self) -> list[tuple[datetime, Weather]]:
        """Return each row with the local time at which it begins."""
        return [(self.start + number * self.step, row) for number, row in enumerate(self.rows)]


class WeatherService:
    """Answers everything that the tools ask for."""

    def __init__(self, live: LiveWeather | None, now: Callable[[], datetime]) -> None:
        """Use `live`, or only the built-in data if it is None; `now` gives the current time with its zone."""
        self._live = live
        self._now = now

    async def geocode(self, name: str, count: int) -> Places:
        """Find places of that name. Raises `NotAnswerable` when there is none."""
        found, source = await self._places(name, count)
        if not found:
            known = ", ".join(city.place.name for city in cities()[::7])
            raise NotAnswerable(
                f"No place called {name!r} is known. Built-in places are for example {known}."
            )
        return Places(source=source, places=found[:count])

    async def days(self, wanted: Wanted, first: date | None, count: int) -> Span:
        """Return `count` days from `first`, or from today at the place."""
        place = await self._locate(wanted)
        first = first or self._today(place)
        last = first + timedelta(days=count - 1)
        start, step = datetime.combine(first, time()), timedelta(days=1)
        if self._live and self._is_soon(place, first, last):
            try:
                return Span(place, LIVE, start, step, await self._live.days(place, first, last))
            except Unavailable:
                pass
        city, source = _climate_of(place)
        return Span(
            place, source, start, step, [climate.day(city, first + number * step) for number in range(count)]
        )

    async def hours(self, wanted: Wanted, first: datetime | None, count: int) -> Span:
        """Return `count` hours from `first` in the place's own time, or from the current hour there."""
        place = await self._locate(wanted)
        start = self._local(place, first)
        last, step = start + timedelta(hours=count - 1), timedelta(hours=1)
        if self._live and self._is_soon(place, start.date(), last.date()):
            try:
                return Span(place, LIVE, start, step, await self._live.hours(place, start, last))
            except Unavailable:
                pass
        city, source = _climate_of(place)
        return Span(
            place, source, start, step, [climate.hour(city, start + number * step) for number in range(count)]
        )

    async def periods(self, wanted: Wanted, first: date | None, days: int) -> Span:
        """Return night, morning, afternoon and evening of each of `days` days."""
        place = await self._locate(wanted)
        start = datetime.combine(first or self._today(place), time())
        hours = await self.hours(wanted, start, 24 * days)
        length = 24 // len(PERIODS)
        rows = [_over(hours.rows[begin : begin + length]) for begin in range(0, len(hours.rows), length)]
        return Span(hours.place, hours.source, start, timedelta(hours=length), rows)

    async def _places(self, name: str, count: int) -> tuple[list[Place], str]:
        if self._live:
            try:
                return await self._live.places(name, count), LIVE
            except Unavailable:
                pass
        return [city.place for city in named(name) or beginning(name)], BUILT_IN

    async def _locate(self, wanted: Wanted) -> Place:
        if wanted.latitude is not None and wanted.longitude is not None:
            return _at(wanted.latitude, wanted.longitude)
        if not wanted.place or not wanted.place.strip():
            raise NotAnswerable("Which place? Give a place, for example Tokyo, or latitude and longitude.")
        # A name in the table needs no question to anybody else.
        known = named(wanted.place)
        return known[0].place if known else (await self.geocode(wanted.place, 1)).places[0]

    def _local(self, place: Place, moment: datetime | None) -> datetime:
        """Return that moment as the clock at the place shows it, at the full hour.

        A moment without zone is taken as local already.
        """
        moment = moment or self._now()
        local = moment.astimezone(zone(place)) if moment.tzinfo else moment
        return local.replace(minute=0, second=0, microsecond=0, tzinfo=None)

    def _today(self, place: Place) -> date:
        return self._now().astimezone(zone(place)).date()

    def _is_soon(self, place: Place, first: date, last: date) -> bool:
        today = self._today(place)
        return today <= first and last <= today + timedelta(days=LIVE_DAYS)


def _at(latitude: float, longitude: float) -> Place:
    city, kilometres = nearest(latitude, longitude)
    name = city.place.name if kilometres <= NEAR_KM else f"{latitude:g}, {longitude:g}"
    country = city.place.country if kilometres <= NEAR_KM else ""
    return Place(
        name=name, country=country, latitude=latitude, longitude=longitude, timezone=city.place.timezone
    )


def _climate_of(place: Place) -> tuple[City, str]:
    city, kilometres = nearest(place.latitude, place.longitude)
    return (
        city,
        BUILT_IN if kilometres <= NEAR_KM else f"{BUILT_IN} of {city.place.name}, {kilometres:.0f} km away",
    )


def _over(hours: Sequence[Weather]) -> Weather:
    """Combine several hours into one."""
    wettest = max(hours, key=lambda hour: hour.rain_chance)
    low, high = min(hour.low for hour in hours), max(hour.high for hour in hours)
    return Weather(wettest.condition, low, high, wettest.rain_chance, max(hour.wind for hour in hours))
