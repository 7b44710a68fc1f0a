"""Forecasts of the public open-meteo.com service.

A failure is remembered, so that a machine without Internet access answers at once.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import httpx2

from weather.model import Place, Weather

FORECAST_URL = "https://api.open-meteo.com/v1/forecast"
GEOCODING_URL = "https://geocoding-api.open-meteo.com/v1/search"
TIMEOUT_SECONDS = 2.0
QUIET_SECONDS = 600.0
_DAILY = "weather_code,temperature_2m_min,temperature_2m_max,precipitation_probability_max,wind_speed_10m_max"
_HOURLY = "weather_code,temperature_2m,precipitation_probability,wind_speed_10m"
# WMO 4677 codes as the service groups them: the highest code of each group, and its words.
_CONDITIONS = (
    (0, "sunny"), (2, "partly cloudy"), (3, "cloudy"), (48, "fog"), (57, "drizzle"), (67, "rain"), (77,
    "snow"), (82, "showers"),
    (86, "snow showers"), (99, "thunderstorm"),
)  # fmt: skip


class Unavailable(Exception):
    """The service did not answer, or not with a forecast."""


class LiveWeather:
    """The service, and whether it is worth asking."""

    def __init__(self, client: httpx2.AsyncClient, monotonic: Callable[[], float]) -> None:
        """Use `client`, which the caller closes; `monotonic` gives seconds that never go back."""
        self._client = client
        self._monotonic = monotonic
        self._quiet_until = float("-inf")

    async def places(self, name: str, count: int) -> list[Place]:
        """Find places of that name. Raises `Unavailable`."""
        found = await self._get(
            GEOCODING_URL, {"name": name, "count": count, "language": "en", "format": "json"}
        )
        return [_place(entry) for entry in found.get("results", [])]

    async def days(self, place: Place, first: date, last: date) -> list[Weather]:
        """Return the weather of each day of the range, both ends included. Raises `Unavailable`."""
        span = {"start_date": first.isoformat(), "end_date": last.isoformat(), "daily": _DAILY}
        columns = (await self._get(FORECAST_URL, _position(place) | span)).get("daily", {})
        return _rows(columns, _DAILY.split(","))

    async def hours(self, place: Place, first: datetime, last: datetime) -> list[Weather]:
        """Return the weather of each hour of the range in the place's own time, both ends included.

        Raises `Unavailable`.
        """
        span = {
            "start_hour": first.strftime("%Y-%m-%dT%H:00"),
            "end_hour": last.strftime("%Y-%m-%dT%H:00"),
            "hourly": _HOURLY,
        }
        columns = (await self._get(FORECAST_URL, _position(place) | span)).get("hourly", {})
        code, degrees, chance, wind = _HOURLY.split(",")
        return _rows(columns, [code, degrees, degrees, chance, wind])

    async def _get(self, url: str, query: dict[str, str | int | float]) -> dict[str, Any]:
        if self._monotonic() < self._quiet_until:
            raise Unavailable
        try:
            answer = await self._client.get(url, params=query, timeout=TIMEOUT_SECONDS)
            return answer.raise_for_status().json()
        except (httpx2.HTTPError, ValueError) as error:
            self._quiet_until = self._monotonic() + QUIET_SECONDS
            raise Unavailable from error


def _position(place: Place) -> dict[str, str | int | float]:
    return {"latitude": place.latitude, "longitude": place.longitude, "timezone": place.timezone or "auto"}


def _place(entry: dict[str, Any]) -> Place:
    try:
        return Place(
            name=entry["name"],
            country=entry.get("country", ""),
            latitude=entry["latitude"],
            longitude=entry["longitude"],
            timezone=entry.get("timezone", "UTC"),
        )
    except (KeyError, ValueError) as error:
        raise Unavailable from error


def _rows(columns: dict[str, Sequence[Any]], names: Sequence[str]) -> list[Weather]:
    try:
        table = list(zip(*(columns[name] for name in names), strict=True))
        return [
            Weather(_condition(code), low, high, chance or 0, wind) for code, low, high, chance, wind in table
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable from error


def _condition(code: int) -> str:
    return next((words for highest, words in _CONDITIONS if code <= highest), "unknown")
