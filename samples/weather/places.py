"""The cities that the server knows by itself, with their climate."""

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
    """A place and its climate: monthly means of daily highs and lows in °C, and of wet days."""

    place: Place
    highs: tuple[float, ...]
    lows: tuple[float, ...]
    wet_days: tuple[float, ...]


@cache
def cities() -> tuple[City, ...]:
    """Read all cities from the file beside this one."""
    lines = Path(__file__).with_name("cities.csv").read_text("utf-8").splitlines()
    return tuple(_city(line) for line in lines if not line.startswith("#"))


def named(name: str) -> list[City]:
    """Return cities of exactly that name, whatever its accents and case; a country may follow a comma."""
    wanted, _, country = (_plain(part) for part in name.partition(","))
    country = _COUNTRIES.get(country, country)
    return [
        city
        for city in cities()
        if _plain(city.place.name) == wanted and country in _plain(city.place.country)
    ]


def beginning(name: str) -> list[City]:
    """Return cities whose name begins like that."""
    wanted = _plain(name)
    return [city for city in cities() if wanted and _plain(city.place.name).startswith(wanted)]


def nearest(latitude: float, longitude: float) -> tuple[City, float]:
    """Return the city closest to a position, and its distance in kilometres."""
    return min(
        ((city, _distance(city.place, latitude, longitude)) for city in cities()), key=lambda found: found[1]
    )


def zone(place: Place) -> tzinfo:
    """Return the place's time zone, or the one its longitude suggests where the system has no zone data."""
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
    """Return the great-circle distance in kilometres, by the haversine formula."""
    north, east = radians(latitude - place.latitude), radians(longitude - place.longitude)
    chord = sin(north / 2) ** 2 + cos(radians(latitude)) * cos(radians(place.latitude)) * sin(east / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(chord)))
