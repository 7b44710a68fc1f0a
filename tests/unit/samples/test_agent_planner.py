from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import Tool

import weather_mcp_server
from agent import arguments
from agent.planner import Planner, choose
from weather.service import WeatherService

TODAY = date(2026, 3, 18)


def tool(
    name: str, description: str, required: tuple[str, ...] = (), **properties: Mapping[str, Any]
) -> Tool:
    return Tool(
        name=name,
        description=description,
        input_schema={"type": "object", "properties": properties, "required": list(required)},
    )


TEXT, NUMBER = {"type": "string"}, {"type": "number"}
BANKING = [
    tool("read_balance", "Read the balance of an account.", ("account",), account=TEXT),
    tool(
        "transfer",
        "Transfer money from one account to another.",
        ("from_account", "to_account", "amount"),
        from_account=TEXT,
        to_account=TEXT,
        amount=NUMBER,
        currency={"type": "string", "enum": ["EUR", "USD"]},
    ),
    tool(
        "list_payments",
        "List recent payments.",
        (),
        since={"type": "string", "format": "date"},
        limit={"type": "integer"},
    ),
    tool("notify", "Send a message to somebody.", ("message",), message=TEXT),
]


async def weather() -> list[Tool]:
    service = WeatherService(None, lambda: datetime(2026, 3, 18, tzinfo=UTC))
    return await weather_mcp_server.weather_server(service).list_tools()


async def planned(
    prompt: str, tools: list[Tool], replies: tuple[str | None, ...] = ()
) -> tuple[str, dict[str, Any]] | str:
    """The tool and arguments the planner came to, or what it said instead."""
    calls = list[tuple[str, dict[str, Any]]]()
    pending = list(replies)

    async def call(name: str, values: dict[str, Any]) -> str:
        calls.append((name, values))
        return "called"

    async def ask(question: str) -> str | None:
        return pending.pop(0) if pending else None

    answer = await Planner(ask, lambda: TODAY).respond(prompt, tools, call)
    return calls[0] if calls else answer


@pytest.mark.parametrize(
    ("prompt", "name", "values"),
    [
        ("What is the daily forecast for Tokyo?", "forecast_daily", {"place": "Tokyo"}),
        ("what's the daily forecast for tokyo", "forecast_daily", {"place": "tokyo"}),
        (
            "Give me the daily forecast for New York for the next 3 days",
            "forecast_daily",
            {"place": "New York", "days": 3},
        ),
        (
            "daily forecast for Paris, France in imperial units",
            "forecast_daily",
            {"place": "Paris, France", "units": "imperial"},
        ),
        (
            "Daily forecast for Rome starting tomorrow",
            "forecast_daily",
            {"place": "Rome", "start_date": "2026-03-19"},
        ),
        (
            "hourly forecast for Rio de Janeiro, 6 hours",
            "forecast_hourly",
            {"place": "Rio de Janeiro", "hours": 6},
        ),
        (
            "What will the weather be in Oslo tomorrow at 3pm?",
            "weather_at_time",
            {"place": "Oslo", "time": "2026-03-19T15:00:00"},
        ),
        ("How will the morning and the afternoon be in Lima?", "forecast_periods", {"place": "Lima"}),
        ("Where is Oslo?", "geocode", {"place": "Oslo"}),
        ("coordinates of São Paulo", "geocode", {"place": "São Paulo"}),
        (
            "daily forecast at latitude 48.2 and longitude 11.6",
            "forecast_daily",
            {"latitude": 48.2, "longitude": 11.6},
        ),
    ],
)
async def test_finds_the_weather_tool_and_its_arguments(prompt: str, name: str, values: dict[str, Any]):
    assert await planned(prompt, await weather()) == (name, values)


@pytest.mark.parametrize(
    ("prompt", "name", "values"),
    [
        ("What is the balance of my savings account?", "read_balance", {"account": "savings"}),
        ("show the balance of account DE12", "read_balance", {"account": "DE12"}),
        (
            "Transfer 50 EUR from checking to savings",
            "transfer",
            {"from_account": "checking", "to_account": "savings", "amount": 50.0, "currency": "EUR"},
        ),
        (
            "transfer $12.50 from A1 to B2",
            "transfer",
            {"from_account": "A1", "to_account": "B2", "amount": 12.5},
        ),
        ("List my payments since 2026-03-01, limit 5", "list_payments", {"since": "2026-03-01", "limit": 5}),
        ('send the message "see you at 5"', "notify", {"message": "see you at 5"}),
    ],
)
async def test_works_with_tools_it_has_never_seen(prompt: str, name: str, values: dict[str, Any]):
    assert await planned(prompt, BANKING) == (name, values)


async def test_asks_for_what_is_missing():
    replies = ("savings", "50")
    call = await planned("transfer money from checking", BANKING, replies)
    assert call == ("transfer", {"from_account": "checking", "to_account": "savings", "amount": 50.0})


@pytest.mark.parametrize("reply", [None, "", "no number"])
async def test_says_what_is_missing_when_nobody_answers_well(reply: str | None):
    answer = await planned("transfer money from checking to savings", BANKING, (reply,))
    assert answer == "I need to know the amount for transfer."


@pytest.mark.parametrize("prompt", ["sing a song", "", "?!", "the of and"])
async def test_says_what_there_is_when_nothing_fits(prompt: str):
    answer = await planned(prompt, BANKING)
    assert answer == "No tool fits that. There is read_balance, transfer, list_payments, notify."


async def test_says_that_there_are_no_tools():
    assert await planned("anything", []) == "No tool fits that. There is none at all."


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string", "format": "date"}, "date"),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}, "date-time"),
        ({"type": ["integer", "null"]}, "integer"),
        ({}, "string"),
        ({"type": 7}, "string"),
    ],
)
def test_reads_the_kind_of_a_parameter_from_any_style_of_schema(schema: dict[str, Any], kind: str):
    assert arguments.parameters({"properties": {"x": schema}})[0].kind == kind


def test_takes_dates_by_name_where_the_schema_does_not_say():
    found = arguments.parameters({"properties": {"startDate": TEXT, "end_time": TEXT}})
    assert [parameter.kind for parameter in found] == ["date", "date-time"]


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (NUMBER, "1.5", 1.5),
        ({"type": "integer"}, " 7 ", 7),
        ({"type": "boolean"}, "yes", True),
        ({"type": "string", "format": "date"}, "tomorrow", "2026-03-19"),
        ({"type": "string", "enum": ["EUR", "USD"]}, "usd", "USD"),
        (TEXT, " Tokyo ", "Tokyo"),
    ],
)
def test_takes_a_direct_answer(schema: dict[str, Any], text: str, value: object):
    assert arguments.convert(text, arguments.parameters({"properties": {"x": schema}})[0], TODAY) == value


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (NUMBER, "x"),
        ({"type": "string", "format": "date"}, "soon"),
        ({"type": "string", "enum": ["EUR"]}, "GBP"),
        (TEXT, " "),
    ],
)
def test_does_not_take_an_answer_that_does_not_fit(schema: dict[str, Any], text: str):
    with pytest.raises(ValueError):
        arguments.convert(text, arguments.parameters({"properties": {"x": schema}})[0], TODAY)


@given(st.text(max_size=200))
def test_no_prompt_makes_planning_fail(prompt: str):
    chosen = choose(prompt, BANKING, TODAY)
    for each in BANKING if chosen is None else [chosen]:
        found = arguments.read(prompt, arguments.parameters(each.input_schema), TODAY)
        assert found.keys() <= each.input_schema["properties"].keys()
