"""The shapes of the server's answers.

Inside, everything is metric; `Units` are applied when an answer is put together.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Units = Literal["metric", "imperial"]
BUILT_IN = "built-in climate data"
LIVE = "live data from open-meteo.com"


class Answer(BaseModel):
    """Anything sent to a client."""

    model_config = ConfigDict(frozen=True)


class Place(Answer):
    """A place on Earth."""

    name: str
    country: str
    latitude: float
    longitude: float
    timezone: str = Field(description="IANA time zone, for example Asia/Tokyo")

    @property
    def label(self) -> str:
        """As people write it."""
        return f"{self.name}, {self.country}" if self.country else self.name


@dataclass(frozen=True, slots=True)
class Weather:
    """The weather of an hour or a day in metric units: °C, % chance, km/h."""

    condition: str
    low: float
    high: float
    rain_chance: int
    wind: float


class Day(Answer):
    """One day."""

    date: date
    condition: str
    low: float
    high: float
    rain_chance: int = Field(description="chance of precipitation in percent")
    wind: float


class Period(Answer):
    """A part of a day: night, morning, afternoon or evening."""

    name: str
    start: datetime
    end: datetime
    condition: str
    low: float
    high: float
    rain_chance: int
    wind: float


class Hour(Answer):
    """One hour."""

    time: datetime = Field(description="local time of the place")
    condition: str
    temperature: float
    rain_chance: int
    wind: float


class Forecast(Answer):
    """What every forecast says besides the weather itself."""

    place: Place
    source: str = Field(description="where the numbers come from: live data, or built-in climate data")
    temperature_unit: Literal["°C", "°F"]
    wind_unit: Literal["km/h", "mph"]


class DailyForecast(Forecast):
    """A forecast day by day."""

    days: list[Day]


class PeriodForecast(Forecast):
    """A forecast for the parts of days."""

    periods: list[Period]


class HourlyForecast(Forecast):
    """A forecast hour by hour."""

    hours: list[Hour]


class WeatherAtTime(Forecast):
    """The weather at one hour."""

    weather: Hour


class Places(Answer):
    """Places of a name, the best match first."""

    source: str
    places: list[Place]


def temperature(celsius: float, units: Units) -> float:
    """Return a temperature in the units asked for, rounded to whole degrees as forecasts are."""
    return float(round(celsius * 9 / 5 + 32 if units == "imperial" else celsius))


def speed(kilometres_per_hour: float, units: Units) -> float:
    """Return a speed in the units asked for, rounded."""
    return float(round(kilometres_per_hour / 1.609344 if units == "imperial" else kilometres_per_hour))
