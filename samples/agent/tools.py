"""The MCP server's tools, and the protocol of what answers with their help.

Every question gets a connection of its own: sessions end while a user thinks.
"""

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, Protocol

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent, Tool

from agent.errors import AgentError

MAX_PAGES = 20

Call = Callable[[str, dict[str, Any]], Awaitable[str]]
"""Calls the named tool with these arguments and returns its answer, also that it failed, as text."""

Ask = Callable[[str], Awaitable[str | None]]
"""Asks the person at the terminal; None when nobody is there."""


class Responder(Protocol):
    """Turns a prompt into an answer, with the help of tools."""

    async def respond(self, prompt: str, tools: Sequence[Tool], call: Call) -> str:
        """Return the answer. Raises `AgentError` when there is none."""
        ...


class Tools:
    """The tools of a connected server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def list_all(self) -> list[Tool]:
        """Return all tools, page by page."""
        found: list[Tool] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await self._client.list_tools(cursor=cursor)
            found.extend(page.tools)
            cursor = page.next_cursor
            if cursor is None:
                break
        return found

    async def call(self, name: str, arguments: dict[str, Any]) -> str:
        """Call a tool and return its answer, or its error, as text."""
        try:
            return text_of(await self._client.call_tool(name, arguments))
        except MCPError as error:
            return f"The server refused {name}: {error.error.message}"


@contextlib.asynccontextmanager
async def connect(http: httpx2.AsyncClient, server_url: str) -> AsyncGenerator[Tools]:
    """Connect for one question. Raises `AgentError` for whatever goes wrong on the way to the tools."""
    try:
        async with Client(streamable_http_client(server_url, http_client=http), mode="auto") as client:
            yield Tools(client)
    except* AgentError as group:
        raise _first(group) from None
    except* (httpx2.HTTPError, MCPError) as group:
        raise AgentError(f"The MCP server {server_url} cannot be used: {_first(group)}") from None


def text_of(result: CallToolResult) -> str:
    """Return the texts of a result, and a note for content that is not text."""
    parts = [block.text if isinstance(block, TextContent) else f"[{block.type}]" for block in result.content]
    return "\n".join(parts)


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    """Return the first error in a group, whatever groups it is wrapped in."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
