"""Typical weather of a city at a date, made from its monthly means.

The same question always gets the same answer.
"""

import hashlib
from calendar import monthrange
from collections.abc import Sequence
from datetime import date, datetime
from math import cos, pi

from weather.model import Weather
from weather.places import City

COLDEST_HOUR, WARMEST_HOUR = 5, 15


def day(city: City, on: date) -> Weather:
    """Return a typical day for the season, a little warmer or colder than the mean."""
    offset = 4 * _draw(city, on, "temperature") - 2
    low, high = _mean(city.lows, on) + offset, _mean(city.highs, on) + offset
    chance = _rain_chance(city, on)
    wind = 6 + 18 * _draw(city, on, "wind")
    return Weather(_condition(chance, low), round(low, 1), round(high, 1), chance, round(wind, 1))


def hour(city: City, at: datetime) -> Weather:
    """Return the hour of a typical day: coldest before sunrise, warmest in the afternoon."""
    whole = day(city, at.date())
    degrees = round(whole.low + (whole.high - whole.low) * _warmth(at.hour), 1)
    gusts = whole.wind * (0.7 + 0.6 * _warmth(at.hour))
    return Weather(whole.condition, degrees, degrees, whole.rain_chance, round(gusts, 1))


def _mean(months: Sequence[float], on: date) -> float:
    """Interpolate between the means of the two nearest months, each taken to hold in its middle."""
    position = (on.day - 0.5) / monthrange(on.year, on.month)[1] - 0.5
    neighbour = months[(on.month - 1 + (1 if position > 0 else -1)) % 12]
    return months[on.month - 1] * (1 - abs(position)) + neighbour * abs(position)


def _rain_chance(city: City, on: date) -> int:
    share = city.wet_days[on.month - 1] / monthrange(on.year, on.month)[1]
    drawn = 0.4 * share + 0.6 * (_draw(city, on, "rain") < share)
    return round(drawn * 20) * 5


def _condition(rain_chance: int, low: float) -> str:
    if rain_chance >= 60:
        return "snow" if low < -1 else "rain"
    if rain_chance >= 20:
        return "cloudy"
    return "partly cloudy" if rain_chance >= 10 else "sunny"


def _warmth(of_hour: int) -> float:
    """Return 0 at the coldest hour, 1 at the warmest, along two halves of a cosine."""
    rise = WARMEST_HOUR - COLDEST_HOUR
    since_coldest = (of_hour - COLDEST_HOUR) % 24
    if since_coldest <= rise:
        return (1 - cos(pi * since_coldest / rise)) / 2
    return (1 + cos(pi * (since_coldest - rise) / (24 - rise))) / 2


def _draw(city: City, on: date, what: str) -> float:
    """Return a number in [0, 1) that depends on nothing but city, date and purpose."""
    digest = hashlib.sha256(f"{city.place.name}|{on.isoformat()}|{what}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
