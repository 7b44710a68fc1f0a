#!/usr/bin/env python3
"""A weather MCP server: Streamable HTTP at the root path, for every protocol version the official SDK speaks.

Run it with `python3 samples/weather_mcp_server.py --host 127.0.0.1 --port 8000`, or give
`weather_mcp_server:app` to uvicorn. It has no authentication of its own: it stands behind a gateway.
"""

import argparse
import time
from collections.abc import Awaitable, Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, TypeVar

import httpx2
import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, Field
from starlette.applications import Starlette

from weather import texts
from weather.live import LiveWeather
from weather.model import (
    DailyForecast,
    Day,
    Hour,
    HourlyForecast,
    Period,
    PeriodForecast,
    Places,
    Units,
    Weather,
    WeatherAtTime,
    speed,
    temperature,
)
from weather.service import PERIODS, NotAnswerable, Span, Wanted, WeatherService

Place = Annotated[str | None, Field(description="name of a city or place, for example Tokyo", max_length=100)]
Latitude = Annotated[
    float | None, Field(description="latitude in degrees, instead of a place", ge=-90, le=90)
]
Longitude = Annotated[
    float | None, Field(description="longitude in degrees, instead of a place", ge=-180, le=180)
]
UnitsOption = Annotated[Units, Field(description="metric for °C and km/h, imperial for °F and mph")]
StartDate = Annotated[date | None, Field(description="first day, local to the place; today if left out")]
StartTime = Annotated[
    datetime | None, Field(description="first hour; without a zone it is local to the place; now if left out")
]
T = TypeVar("T")
READ_ONLY = ToolAnnotations(read_only_hint=True, open_world_hint=True)


class WeatherTools:
    """The tools, as plain methods over the service."""

    def __init__(self, service: WeatherService) -> None:
        self._service = service

    async def geocode(
        self,
        place: Annotated[
            str, Field(description="name of a city or place, for example Tokyo", min_length=1, max_length=100)
        ],
        count: Annotated[int, Field(description="how many matches at most", ge=1, le=10)] = 5,
    ) -> Annotated[CallToolResult, Places]:
        """Find where a place is: its coordinates (latitude and longitude), country and time zone."""
        answer = await _answer_or_refuse(self._service.geocode(place, count))
        return _result(answer, texts.places(answer))

    async def forecast_daily(
        self,
        place: Place = None,
        latitude: Latitude = None,
        longitude: Longitude = None,
        start_date: StartDate = None,
        days: Annotated[int, Field(description="how many days", ge=1, le=14)] = 7,
        units: UnitsOption = "metric",
    ) -> Annotated[CallToolResult, DailyForecast]:
        """The daily weather forecast of a place.

        For each day the condition, lowest and highest temperature, rain and wind.
        """
        span = await _answer_or_refuse(
            self._service.days(Wanted(place, latitude, longitude), start_date, days)
        )
        rows = [Day(date=start.date(), **_range(weather, units)) for start, weather in span.timed()]
        answer = DailyForecast(**_common(span, units), days=rows)
        return _result(answer, texts.daily(answer))

    async def forecast_periods(
        self,
        place: Place = None,
        latitude: Latitude = None,
        longitude: Longitude = None,
        start_date: StartDate = None,
        days: Annotated[int, Field(description="how many days", ge=1, le=7)] = 2,
        units: UnitsOption = "metric",
    ) -> Annotated[CallToolResult, PeriodForecast]:
        """The weather forecast of a place by part of the day: night, morning, afternoon and evening."""
        span = await _answer_or_refuse(
            self._service.periods(Wanted(place, latitude, longitude), start_date, days)
        )
        rows = [
            Period(name=PERIODS[start.hour], start=start, end=start + span.step, **_range(weather, units))
            for start, weather in span.timed()
        ]
        answer = PeriodForecast(**_common(span, units), periods=rows)
        return _result(answer, texts.periods(answer))

    async def forecast_hourly(
        self,
        place: Place = None,
        latitude: Latitude = None,
        longitude: Longitude = None,
        start_time: StartTime = None,
        hours: Annotated[int, Field(description="how many hours", ge=1, le=72)] = 24,
        units: UnitsOption = "metric",
    ) -> Annotated[CallToolResult, HourlyForecast]:
        """The hourly weather forecast of a place: for each hour the condition, temperature, rain and wind."""
        span = await _answer_or_refuse(
            self._service.hours(Wanted(place, latitude, longitude), start_time, hours)
        )
        answer = HourlyForecast(
            **_common(span, units), hours=[_hour(start, weather, units) for start, weather in span.timed()]
        )
        return _result(answer, texts.hourly(answer))

    async def weather_at_time(
        self,
        time: Annotated[
            datetime, Field(description="date and time; without a zone it is local to the place")
        ],
        place: Place = None,
        latitude: Latitude = None,
        longitude: Longitude = None,
        units: UnitsOption = "metric",
    ) -> Annotated[CallToolResult, WeatherAtTime]:
        """The weather of a place at one moment, given as date and time.

        Condition, temperature, rain and wind.
        """
        span = await _answer_or_refuse(self._service.hours(Wanted(place, latitude, longitude), time, 1))
        answer = WeatherAtTime(**_common(span, units), weather=_hour(span.start, span.rows[0], units))
        return _result(answer, texts.at_time(answer))


def weather_server(service: WeatherService) -> MCPServer[Any]:
    """Return the MCP server with its five tools."""
    server: MCPServer[Any] = MCPServer(
        "weather",
        title="Weather",
        version="1",
        instructions="Weather forecasts by place name or coordinates.",
        log_level="WARNING",
    )
    tools = WeatherTools(service)
    offered = (
        tools.geocode,
        tools.forecast_daily,
        tools.forecast_periods,
        tools.forecast_hourly,
        tools.weather_at_time,
    )
    for tool in offered:
        server.add_tool(tool, annotations=READ_ONLY)
    return server


def application(host: str = "127.0.0.1", *, offline: bool = False) -> Starlette:
    """Return the ASGI application.

    On a loopback `host` only requests addressed to this machine by name are served.
    """
    live = None if offline else LiveWeather(httpx2.AsyncClient(), time.monotonic)
    service = WeatherService(live, lambda: datetime.now(UTC))
    return weather_server(service).streamable_http_app(streamable_http_path="/", host=host)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A weather MCP server, Streamable HTTP at /.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: %(default)s)")
    parser.add_argument(
        "--offline", action="store_true", help="answer from built-in climate data, ask no weather service"
    )
    arguments = parser.parse_args()
    uvicorn.run(
        application(arguments.host, offline=arguments.offline),
        host=arguments.host,
        port=arguments.port,
        log_level="info",
    )


async def _answer_or_refuse(question: Awaitable[T]) -> T:
    """Return the service's answer; what it cannot answer becomes a message that the model can act on."""
    try:
        return await question
    except NotAnswerable as error:
        raise ToolError(str(error)) from error


def _common(span: Span, units: Units) -> Mapping[str, Any]:
    degrees: Literal["°C", "°F"] = "°F" if units == "imperial" else "°C"
    return {
        "place": span.place,
        "source": span.source,
        "temperature_unit": degrees,
        "wind_unit": "mph" if units == "imperial" else "km/h",
    }


def _range(weather: Weather, units: Units) -> Mapping[str, Any]:
    return {
        "condition": weather.condition,
        "low": temperature(weather.low, units),
        "high": temperature(weather.high, units),
        "rain_chance": weather.rain_chance,
        "wind": speed(weather.wind, units),
    }


def _hour(at: datetime, weather: Weather, units: Units) -> Hour:
    return Hour(
        time=at,
        condition=weather.condition,
        temperature=temperature(weather.high, units),
        rain_chance=weather.rain_chance,
        wind=speed(weather.wind, units),
    )


def _result(answer: BaseModel, text: str) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content=answer.model_dump(mode="json")
    )


app = application()

if __name__ == "__main__":
    main()
