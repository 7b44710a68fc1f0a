"""An MCP server with one of everything that the conformance suite asks for, on the official SDK.

The names, texts and question keys are the suite's contract. It passes the suite when asked directly, so what
fails through the gateway is the gateway's.
"""

import argparse
import asyncio
import base64
import json
from collections.abc import Callable
from typing import Annotated, Any

import mcp_types as t
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.server.mcpserver.tools import Tool
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from pydantic import BaseModel, Field

from interop.fixture_questions import QUESTIONS, test_input_required_result_prompt, text

IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
SOUND = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
RETRY_MILLISECONDS = 100


class Events(EventStore):
    """Remembers what was sent, so that clients can go on where a stream was closed."""

    def __init__(self) -> None:
        self._events: list[tuple[str, t.JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: t.JSONRPCMessage | None) -> str:
        """Remember an event and return its id."""
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send what came after that event in the same stream."""
        last = int(last_event_id)
        if not 0 < last <= len(self._events):
            return None
        stream_id = self._events[last - 1][0]
        for number, (stream, message) in enumerate(self._events[last:], last + 1):
            if stream == stream_id and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream_id


# Contents


def test_simple_text() -> str:
    """Answer with a text."""
    return "This is a simple text response for testing."


def test_image_content() -> t.ImageContent:
    """Answer with an image."""
    return t.ImageContent(type="image", data=IMAGE, mime_type="image/png")


def test_audio_content() -> t.AudioContent:
    """Answer with a sound."""
    return t.AudioContent(type="audio", data=SOUND, mime_type="audio/wav")


def test_embedded_resource() -> t.EmbeddedResource:
    """Answer with a resource."""
    return _embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")


def test_multiple_content_types() -> list[t.TextContent | t.ImageContent | t.EmbeddedResource]:
    """Answer with a text, an image and a resource."""
    data = json.dumps({"test": "data", "value": 123})
    return [
        text("Multiple content types test:"),
        test_image_content(),
        _embedded("test://mixed-content-resource", "application/json", data),
    ]


def test_error_handling() -> str:
    """Fail."""
    raise RuntimeError("This tool intentionally returns an error for testing")


def test_x_mcp_header(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
    """Take an argument that clients repeat in a header."""
    return f"Region: {region}"


# What a tool says while it works


async def test_tool_with_logging(ctx: Context[Any, Any]) -> str:
    """Write three lines to the client's log."""
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(line)
        await asyncio.sleep(0.05)
    return "Tool with logging executed successfully"


async def test_tool_with_progress(ctx: Context[Any, Any]) -> str:
    """Report progress three times."""
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100, f"Completed step {done} of 100")
        await asyncio.sleep(0.05)
    return "Tool with progress executed successfully"


async def test_reconnection(ctx: Context[Any, Any]) -> str:
    """Close the stream in the middle of the call: the client comes back for the rest."""
    await ctx.close_sse_stream()
    await asyncio.sleep(2 * RETRY_MILLISECONDS / 1000)
    return "Reconnection test completed"


# What a server asks its client, up to 2025-11-25


class Answer(BaseModel):
    """What a user types."""

    response: str = Field(description="User's response")


class Defaults(BaseModel):
    """A default for each kind of value."""

    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: Annotated[str, Field(json_schema_extra={"enum": ["active", "inactive", "pending"]})] = "active"
    verified: bool = True


def _titled(**titles: str) -> list[Any]:
    return [{"const": value, "title": title} for value, title in titles.items()]


class Choices(BaseModel):
    """A choice in each way in which one can be described."""

    untitledSingle: Annotated[  # noqa: N815 - the suite's name
        str, Field(json_schema_extra={"enum": ["option1", "option2", "option3"]})
    ]
    titledSingle: Annotated[  # noqa: N815
        str, Field(json_schema_extra={"oneOf": _titled(value1="First Option", value2="Second Option")})
    ]
    legacyEnum: Annotated[  # noqa: N815
        str, Field(json_schema_extra={"enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]})
    ]
    untitledMulti: Annotated[  # noqa: N815
        list[str], Field(json_schema_extra={"items": {"type": "string", "enum": ["option1", "option2"]}})
    ]
    titledMulti: Annotated[  # noqa: N815
        list[str],
        Field(json_schema_extra={"items": {"anyOf": _titled(value1="First Choice", value2="Second Choice")}}),
    ]


async def test_sampling(prompt: str, ctx: Context[Any, Any]) -> str:
    """Have the client's model answer."""
    message = t.SamplingMessage(role="user", content=text(prompt))
    answer = await ctx.session.create_message(messages=[message], max_tokens=100)
    return f"LLM response: {getattr(answer.content, 'text', 'No response')}"


async def test_elicitation(message: str, ctx: Context[Any, Any]) -> str:
    """Ask the user something."""
    return await _elicit(ctx, message, Answer)


async def test_elicitation_sep1034_defaults(ctx: Context[Any, Any]) -> str:
    """Ask with a default for each kind of value."""
    return await _elicit(ctx, "Please review and update the form fields with defaults", Defaults)


async def test_elicitation_sep1330_enums(ctx: Context[Any, Any]) -> str:
    """Ask for a choice, in each way a choice can be described."""
    return await _elicit(ctx, "Please select values using different enum schema types", Choices)


async def _elicit(ctx: Context[Any, Any], message: str, schema: type[BaseModel]) -> str:
    answer = await ctx.elicit(message, schema)
    content = answer.data.model_dump_json() if answer.action == "accept" else "{}"
    return f"Elicitation completed: action={answer.action}, content={content}"


# Lists that change


async def test_trigger_tool_change(ctx: Context[Any, Any]) -> str:
    """Tell subscribers that the tools changed."""
    await ctx.notify_tools_changed()
    return "Tools changed"


async def test_trigger_prompt_change(ctx: Context[Any, Any]) -> str:
    """Tell subscribers that the prompts changed."""
    await ctx.notify_prompts_changed()
    return "Prompts changed"


# Resources and prompts


def static_text() -> str:
    """Return a text."""
    return "This is the content of the static text resource."


def static_binary() -> bytes:
    """Return an image."""
    return base64.b64decode(IMAGE)


def templated(id: str) -> str:  # noqa: A002 - the template's name for it
    """Return what the address says."""
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def watched() -> str:
    """Return what may change."""
    return "Watched resource content"


def test_simple_prompt() -> str:
    """Return a prompt without arguments."""
    return "This is a simple prompt for testing."


def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """Return a prompt with its arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803 - the suite's name
    """Return a prompt with a resource."""
    resource = _embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
    return [UserMessage(resource), UserMessage(text("Please process the embedded resource above."))]


def test_prompt_with_image() -> list[UserMessage]:
    """Return a prompt with an image."""
    return [UserMessage(test_image_content()), UserMessage(text("Please analyze the image above."))]


def _embedded(uri: str, mime_type: str, text: str) -> t.EmbeddedResource:
    contents = t.TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return t.EmbeddedResource(type="resource", resource=contents)


TOOLS = (
    test_simple_text,
    test_image_content,
    test_audio_content,
    test_embedded_resource,
    test_multiple_content_types,
    test_error_handling,
    test_x_mcp_header,
    test_tool_with_logging,
    test_tool_with_progress,
    test_reconnection,
    test_sampling,
    test_elicitation,
    test_elicitation_sep1034_defaults,
    test_elicitation_sep1330_enums,
    test_trigger_tool_change,
    test_trigger_prompt_change,
    *QUESTIONS,
)
PROMPTS = (
    test_simple_prompt,
    test_prompt_with_arguments,
    test_prompt_with_embedded_resource,
    test_prompt_with_image,
    test_input_required_result_prompt,
)
RESOURCES: tuple[tuple[str, Callable[..., Any], str], ...] = (
    ("test://static-text", static_text, "text/plain"),
    ("test://static-binary", static_binary, "image/png"),
    ("test://template/{id}/data", templated, "application/json"),
    ("test://watched-resource", watched, "text/plain"),
)
SCHEMA_2020_12: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def json_schema_2020_12_tool() -> str:
    """Have a schema with the keywords that only JSON Schema 2020-12 knows."""
    return "ok"


def fixture_server() -> MCPServer[Any]:
    """Return the server with all of that."""
    described = Tool.from_function(json_schema_2020_12_tool, structured_output=False)
    server: MCPServer[Any] = MCPServer(
        "deputize-fixture",
        version="1",
        log_level="WARNING",
        tools=[described.model_copy(update={"parameters": SCHEMA_2020_12})],
    )
    for tool in TOOLS:
        server.add_tool(tool, structured_output=False)
    for prompt in PROMPTS:
        server.prompt()(prompt)
    for uri, read, mime_type in RESOURCES:
        server.resource(uri, mime_type=mime_type)(read)
    server.completion()(_complete)
    for method, parameters in (
        ("resources/subscribe", t.SubscribeRequestParams),
        ("resources/unsubscribe", t.UnsubscribeRequestParams),
        ("logging/setLevel", t.SetLevelRequestParams),
    ):
        # The SDK's high-level server has no way to say that it takes these.
        server._lowlevel_server.add_request_handler(method, parameters, _accept)  # noqa: SLF001
    return server


async def _complete(*_: object) -> t.Completion:
    return t.Completion(values=["paris"], total=1, has_more=False)


async def _accept(*_: object) -> t.EmptyResult:
    return t.EmptyResult()


def main() -> None:
    """Serve until interrupted, at `/`, where the use case's route expects its server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    application = fixture_server().streamable_http_app(
        streamable_http_path="/", event_store=Events(), retry_interval=RETRY_MILLISECONDS
    )
    uvicorn.run(application, host="127.0.0.1", port=parser.parse_args().port, log_level="warning", http="h11")


if __name__ == "__main__":
    main()
