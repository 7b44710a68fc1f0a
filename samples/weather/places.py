"""The cities the server knows without asking anybody, with their climate."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta, timezone, tzinfo
from functools import cache
from math import asin, cos, radians, sin, sqrt
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from weather.model import Place

EARTH_RADIUS_KM = 6371.0
_COUNTRIES = {
    "uk": "united kingdom",
    "us": "united states",
    "usa": "united states",
    "uae": "united arab emirates",
}


@dataclass(frozen=True, slots=True)
class City:
    """A place and its climate.

    Twelve monthly means of daily highs and lows in °C, and of days with precipitation.
    """

    place: Place
    highs: tuple[float, ...]
    lows: tuple[float, ...]
    wet_days: tuple[float, ...]


@cache
def cities() -> tuple[City, ...]:
    """All of them, from the file beside this one."""
    lines = Path(__file__).with_name("cities.csv").read_text("utf-8").splitlines()
    return tuple(_city(line) for line in lines if not line.startswith("#"))


def named(name: str) -> list[City]:
    """Cities of exactly that name, whatever its accents and case; a country may follow after a comma."""
    wanted, _, country = (_plain(part) for part in name.partition(","))
    country = _COUNTRIES.get(country, country)
    return [
        city
        for city in cities()
        if _plain(city.place.name) == wanted and country in _plain(city.place.country)
    ]


def beginning(name: str) -> list[City]:
    """Cities whose name begins like that."""
    wanted = _plain(name)
    return [city for city in cities() if wanted and _plain(city.place.name).startswith(wanted)]


def nearest(latitude: float, longitude: float) -> tuple[City, float]:
    """The city closest to a position, and how far away it is in kilometres."""
    return min(
        ((city, _distance(city.place, latitude, longitude)) for city in cities()), key=lambda found: found[1]
    )


def zone(place: Place) -> tzinfo:
    """The place's time zone; the hour its longitude suggests where the system has no time zone data."""
    try:
        return ZoneInfo(place.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return timezone(timedelta(hours=round(place.longitude / 15)))


def _city(line: str) -> City:
    name, country, latitude, longitude, time_zone, highs, lows, wet_days = line.split(";")
    place = Place(
        name=name, country=country, latitude=float(latitude), longitude=float(longitude), timezone=time_zone
    )
    return City(place, _months(highs), _months(lows), _months(wet_days))


def _months(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split()))


def _plain(text: str) -> str:
    decomposed: Sequence[str] = unicodedata.normalize("NFKD", text.strip().casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _distance(place: Place, latitude: float, longitude: float) -> float:
    """The great circle, by the haversine formula."""
    north, east = radians(latitude - place.latitude), radians(longitude - place.longitude)
    chord = sin(north / 2) ** 2 + cos(radians(latitude)) * cos(radians(place.latitude)) * sin(east / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(chord)))
