import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from mcp_types import Tool

from agent.errors import AgentError
from agent.models import MAX_ROUNDS, ChatCompletions, LanguageModel, Messages, language_model

TOOLS = [
    Tool(
        name="forecast_daily",
        description="Daily forecast.",
        input_schema={"type": "object", "properties": {}},
    )
]
OPENAI_USE = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {
            "id": "1",
            "type": "function",
            "function": {"name": "forecast_daily", "arguments": '{"place": "Tokyo"}'},
        }
    ],
}
OPENAI = [
    {"choices": [{"message": OPENAI_USE}]},
    {"choices": [{"message": {"role": "assistant", "content": "Sunny."}}]},
]
ANTHROPIC = [
    {
        "content": [
            {"type": "text", "text": "Let me see."},
            {"type": "tool_use", "id": "1", "name": "forecast_daily", "input": {"place": "Tokyo"}},
        ]
    },
    {"content": [{"type": "text", "text": "Sunny."}]},
]


def speaking(answers: list[Any], seen: list[httpx2.Request]) -> Callable[[httpx2.Request], httpx2.Response]:
    def respond(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json=answers[min(len(seen), len(answers)) - 1])

    return respond


def model(kind: str, respond: Callable[[httpx2.Request], httpx2.Response]) -> LanguageModel:
    environment = {
        "AGENT_MODEL_URL": "http://localhost:11434/v1/",
        "AGENT_MODEL": "m",
        "AGENT_MODEL_KEY": "k",
        "AGENT_MODEL_API": kind,
    }
    found = language_model(httpx2.AsyncClient(transport=httpx2.MockTransport(respond)), environment)
    assert found
    return found


async def call(name: str, arguments: dict[str, Any]) -> str:
    return f"{name} of {arguments['place']}: 20 degrees"


def test_without_a_url_there_is_no_model():
    assert language_model(httpx2.AsyncClient(), {}) is None


@pytest.mark.parametrize("environment", [{"AGENT_MODEL": "m", "AGENT_MODEL_API": "other"}, {}])
def test_says_which_setting_is_wrong(environment: dict[str, str]):
    with pytest.raises(AgentError, match="AGENT_MODEL"):
        language_model(httpx2.AsyncClient(), {"AGENT_MODEL_URL": "http://localhost", **environment})


async def test_chat_completions_with_a_tool():
    seen = list[httpx2.Request]()
    assert await model("openai", speaking(OPENAI, seen)).respond("Weather?", TOOLS, call) == "Sunny."
    first, second = (json.loads(request.content) for request in seen)
    assert str(seen[0].url) == "http://localhost:11434/v1/chat/completions"
    assert seen[0].headers["authorization"] == "Bearer k"
    assert first["tools"][0]["function"]["name"] == "forecast_daily"
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "tool"]
    assert second["messages"][-1] == {
        "role": "tool",
        "tool_call_id": "1",
        "content": "forecast_daily of Tokyo: 20 degrees",
    }


async def test_messages_with_a_tool():
    seen = list[httpx2.Request]()
    assert await model("anthropic", speaking(ANTHROPIC, seen)).respond("Weather?", TOOLS, call) == "Sunny."
    second = json.loads(seen[1].content)
    assert seen[0].url.path == "/v1/v1/messages"
    assert (seen[0].headers["x-api-key"], second["tools"][0]["name"]) == ("k", "forecast_daily")
    block = {"type": "tool_result", "tool_use_id": "1", "content": "forecast_daily of Tokyo: 20 degrees"}
    assert second["messages"][-1] == {"role": "user", "content": [block]}


async def test_remembers_the_conversation():
    seen = list[httpx2.Request]()
    talking = model("openai", speaking(OPENAI[1:], seen))
    await talking.respond("First", TOOLS, call)
    await talking.respond("Second", TOOLS, call)
    texts = [message["content"] for message in json.loads(seen[1].content)["messages"][1:]]
    assert texts == ["First", "Sunny.", "Second"]


async def test_does_not_go_round_in_circles():
    seen = list[httpx2.Request]()
    with pytest.raises(AgentError, match="rounds"):
        await model("openai", speaking(OPENAI[:1], seen)).respond("Weather?", TOOLS, call)
    assert len(seen) == MAX_ROUNDS


@pytest.mark.parametrize(
    "answer",
    [httpx2.Response(500), httpx2.Response(200, text="?"), httpx2.Response(200, json={"choices": []})],
)
@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_an_answer_that_is_none_is_an_error_and_the_question_forgotten(
    kind: str, answer: httpx2.Response
):
    failing = model(kind, lambda _: answer)
    with pytest.raises(AgentError):
        await failing.respond("Weather?", TOOLS, call)
    assert failing.messages == []


def test_a_model_without_key_gets_no_header():
    assert ChatCompletions().headers("") == {}
    assert Messages().headers("k")["anthropic-version"]
