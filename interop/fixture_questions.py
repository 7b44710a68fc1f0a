"""What the fixture server asks its clients from 2026-07-28 on.

A result says what is missing, and the call comes again with it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import mcp_types as t
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel

Reply = str | t.InputRequiredResult


def test_missing_capability(ctx: Context[Any, Any]) -> str:
    """Demand that the client declares sampling."""
    if "sampling" not in _declared(ctx):
        missing = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(t.MISSING_REQUIRED_CLIENT_CAPABILITY, "This tool needs sampling", missing)
    return "The client declares sampling"


def test_input_required_result_elicitation(ctx: Context[Any, Any]) -> Reply:
    """Ask for a name."""
    name = _answered(ctx, "user_name", "name")
    return _ask(user_name=_form("What is your name?", name="string")) if name is None else f"Hello, {name}!"


def test_input_required_result_sampling(ctx: Context[Any, Any]) -> Reply:
    """Have the client's model answer."""
    answer = (ctx.input_responses or {}).get("capital_question")
    if answer is None:
        return _ask(capital_question=_sampling("What is the capital of France?"))
    return f"The model says: {_dump(answer)}"


def test_input_required_result_list_roots(ctx: Context[Any, Any]) -> Reply:
    """Ask for the client's roots."""
    answer = (ctx.input_responses or {}).get("client_roots")
    return _ask(client_roots=t.ListRootsRequest()) if answer is None else f"Roots: {_dump(answer)}"


def test_input_required_result_request_state(ctx: Context[Any, Any]) -> Reply:
    """Ask with a state that has to come back."""
    return _confirmed(ctx)


def test_input_required_result_tampered_state(ctx: Context[Any, Any]) -> Reply:
    """Ask with a state that must come back unchanged: the SDK seals it."""
    return _confirmed(ctx)


def test_input_required_result_multiple_inputs(ctx: Context[Any, Any]) -> Reply:
    """Ask three things at once."""
    if ctx.input_responses and ctx.request_state == "asked":
        return f"All answered: {', '.join(ctx.input_responses)}"
    questions = {
        "user_name": _form("What is your name?", name="string"),
        "greeting": _sampling("Generate a greeting"),
        "client_roots": t.ListRootsRequest(),
    }
    return _ask("asked", **questions)


def test_input_required_result_multi_round(ctx: Context[Any, Any]) -> Reply:
    """Ask twice, the second time about the first answer."""
    name = _answered(ctx, "step1", "name")
    color = _answered(ctx, "step2", "color")
    if color is not None and ctx.request_state:
        return f"{ctx.request_state} likes {color}"
    if name is not None:
        return _ask(str(name), step2=_form("Step 2: What is your favorite color?", color="string"))
    return _ask("first", step1=_form("Step 1: What is your name?", name="string"))


def test_input_required_result_capabilities(ctx: Context[Any, Any]) -> Reply:
    """Ask only what the client says it can answer."""
    questions: dict[str, Callable[[], t.InputRequest]] = {
        "elicitation": lambda: _form("What is your name?", name="string"),
        "sampling": lambda: _sampling("Generate a greeting"),
        "roots": t.ListRootsRequest,
    }
    asked = {name: question() for name, question in questions.items() if name in _declared(ctx)}
    return "Nothing to ask" if ctx.input_responses or not asked else _ask(**asked)


def test_streaming_elicitation(ctx: Context[Any, Any]) -> Reply:
    """Ask for a name, in the stream of the call."""
    return test_input_required_result_elicitation(ctx)


def _confirmed(ctx: Context[Any, Any]) -> Reply:
    if _answered(ctx, "confirm", "ok") is not None and ctx.request_state == "confirming":
        return "state-ok"
    return _ask("confirming", confirm=_form("Please confirm", ok="boolean"))


def _ask(state: str | None = None, **questions: t.InputRequest) -> t.InputRequiredResult:
    return t.InputRequiredResult(input_requests=questions, request_state=state)


def _form(message: str, **properties: str) -> t.ElicitRequest:
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": list(properties),
    }
    return t.ElicitRequest(params=t.ElicitRequestFormParams(message=message, requested_schema=schema))


def _sampling(question: str) -> t.CreateMessageRequest:
    message = t.SamplingMessage(role="user", content=text(question))
    return t.CreateMessageRequest(params=t.CreateMessageRequestParams(messages=[message], max_tokens=100))


def _answered(ctx: Context[Any, Any], question: str, field: str) -> object:
    answer = (ctx.input_responses or {}).get(question)
    return _dump(answer).get("content", {}).get(field) if answer is not None else None


def _dump(answer: object) -> Mapping[str, Any]:
    return answer.model_dump(by_alias=True, mode="json") if isinstance(answer, BaseModel) else {}


def _declared(ctx: Context[Any, Any]) -> Mapping[str, Any]:
    declared = ctx.client_capabilities
    return declared.model_dump(exclude_none=True) if declared else {}


def test_input_required_result_prompt(ctx: Context[Any, Any]) -> Reply:
    """Ask for the context of a prompt."""
    context = _answered(ctx, "user_context", "context")
    if context is None:
        return _ask(user_context=_form("What context should the prompt use?", context="string"))
    return f"Use this context: {context}"


def text(content: str) -> t.TextContent:
    """Return a text block."""
    return t.TextContent(type="text", text=content)


QUESTIONS = (
    test_missing_capability,
    test_input_required_result_elicitation,
    test_input_required_result_sampling,
    test_input_required_result_list_roots,
    test_input_required_result_request_state,
    test_input_required_result_tampered_state,
    test_input_required_result_multiple_inputs,
    test_input_required_result_multi_round,
    test_input_required_result_capabilities,
    test_streaming_elicitation,
)
