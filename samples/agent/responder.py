"""What a conversation needs from whoever thinks up the answers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from mcp_types import Tool

Call = Callable[[str, dict[str, Any]], Awaitable[str]]
"""Calls the named tool with these arguments; its answer as text, also when the tool reports an error."""

Ask = Callable[[str], Awaitable[str | None]]
"""Asks the person at the terminal; None when nobody is there."""


class Responder(Protocol):
    """Turns a prompt into an answer, with the help of tools."""

    async def respond(self, prompt: str, tools: Sequence[Tool], call: Call) -> str:
        """The answer. Raises `AgentError` when there is none."""
        ...
