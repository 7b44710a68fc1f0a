import httpx2
import jsonschema
import pytest
from mcp import Client

TOOLS = ["geocode", "forecast_daily", "forecast_periods", "forecast_hourly", "weather_at_time"]
CALLS = [
    ("geocode", {"place": "Tokyo"}, "Places"),
    ("forecast_daily", {"place": "Tokyo", "days": 3}, "Daily forecast for Tokyo, Japan"),
    (
        "forecast_periods",
        {"latitude": 35.68, "longitude": 139.69},
        "Forecast by part of day for Tokyo, Japan",
    ),
    (
        "forecast_hourly",
        {"place": "Tokyo", "hours": 6, "units": "imperial"},
        "Hourly forecast for Tokyo, Japan",
    ),
    ("weather_at_time", {"place": "Tokyo", "time": "2026-07-01T15:00"}, "Weather for Tokyo, Japan"),
]


@pytest.mark.parametrize(
    ("mode", "version"), [("legacy", "2025-11-25"), ("auto", "2026-07-28"), ("2026-07-28", "2026-07-28")]
)
async def test_serves_clients_of_every_era(weather_url: str, mode: str, version: str):
    async with Client(weather_url, mode=mode) as client:
        assert client.protocol_version == version
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == TOOLS
        assert all(tool.description and tool.output_schema for tool in tools)
        for name, arguments, heading in CALLS:
            answer = await client.call_tool(name, arguments)
            assert not answer.is_error
            assert answer.content[0].text.startswith(heading), name
            assert answer.structured_content
            assert answer.structured_content["source"] == "built-in climate data"


async def test_structured_content_keeps_to_the_published_schema(weather_url: str):
    async with Client(weather_url) as client:
        schemas = {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}
        for name, arguments, _ in CALLS:
            jsonschema.validate((await client.call_tool(name, arguments)).structured_content, schemas[name])


async def test_units_are_the_ones_asked_for(weather_url: str):
    async with Client(weather_url) as client:
        metric, imperial = [
            (
                await client.call_tool(
                    "forecast_daily", {"place": "Tokyo", "start_date": "2026-07-01", "units": units}
                )
            ).structured_content
            for units in ("metric", "imperial")
        ]
    assert (metric["temperature_unit"], imperial["temperature_unit"]) == ("°C", "°F")
    assert (metric["wind_unit"], imperial["wind_unit"]) == ("km/h", "mph")
    assert abs(metric["days"][0]["high"] * 9 / 5 + 32 - imperial["days"][0]["high"]) <= 1.5


@pytest.mark.parametrize(
    "arguments",
    [{}, {"place": "Nowhere"}, {"place": "Tokyo", "days": 99}, {"latitude": 100.0, "longitude": 0.0}],
)
async def test_an_unanswerable_question_is_a_tool_error_the_model_can_read(
    weather_url: str, arguments: dict[str, object]
):
    async with Client(weather_url) as client:
        answer = await client.call_tool("forecast_daily", arguments)
    assert answer.is_error
    assert "forecast_daily" in answer.content[0].text


async def test_refuses_requests_addressed_to_another_host(weather_url: str):
    async with httpx2.AsyncClient() as client:
        message = {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {}}
        answer = await client.post(weather_url, json=message, headers={"Host": "attacker.example"})
    assert answer.status_code == 421
