"""The conversation at the terminal."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import httpx2
from mcp_types import Tool

from agent.errors import AgentError
from agent.tools import Responder, connect

PROMPT = "Enter your message (or 'exit|quit|q'): "
GOODBYE = "Goodbye!"
_EXITS = frozenset({"exit", "quit", "q"})


def say(text: str) -> None:
    """Print at once, also when the output is a pipe."""
    print(text, flush=True)


async def ask(question: str) -> str | None:
    """Return what the person types; None when nobody is there."""
    try:
        # Nothing else runs while a person thinks, and a thread waiting for input would outlive an interrupt.
        return input(f"{question} ")  # noqa: ASYNC250
    except EOFError:
        return None


async def nobody(question: str) -> str | None:  # noqa: ARG001 - stands in for `ask`
    """Answer nothing: for runs that must not wait for a person."""
    return None


async def may_open_browser(issuer: str) -> bool:
    """Ask whether to open a browser; without a person there is none to open one for."""
    if not sys.stdin.isatty():
        return False
    say(f"[INFO] To act for you, the agent needs you to sign on at {issuer}")
    answer = await ask("Open a browser to do so? [Y/n]")
    return answer is not None and not answer.strip().lower().startswith("n")


@dataclass(frozen=True, slots=True)
class Chat:
    """The conversation of one agent, one MCP server and one person."""

    http: httpx2.AsyncClient
    server_url: str
    responder: Responder

    async def introduce(self) -> None:
        """Show the tools there are. Raises `AgentError`."""
        async with connect(self.http, self.server_url) as tools:
            say(describe_tools(self.server_url, await tools.list_all()))

    async def answer(self, prompt: str) -> str:
        """Return the answer to one prompt. Raises `AgentError`."""
        async with connect(self.http, self.server_url) as tools:
            return await self.responder.respond(prompt, await tools.list_all(), tools.call)

    async def converse(self) -> None:
        """Answer until the person has enough; a failed question does not end the conversation."""
        while True:
            prompt = await ask(f"\n{PROMPT.rstrip()}")
            if prompt is None or prompt.strip().lower() in _EXITS:
                say(GOODBYE)
                return
            if prompt.strip():
                try:
                    said = await self.answer(prompt)
                except AgentError as error:
                    said = f"[ERROR] {error}"
                say(f"\n{said}")


def describe_tools(server_url: str, tools: Sequence[Tool]) -> str:
    """List the tools, each with the first sentence of its description, in lines that fit the terminal."""
    columns = shutil.get_terminal_size().columns
    rows = [f"[INFO] Discovered tools [{server_url}]:"]
    for tool in tools:
        row = f"  - {tool.name}"
        if tool.description:
            row += f": {tool.description.strip().splitlines()[0].split('. ')[0].rstrip('.')}"
        if len(row) > columns:
            row = f"{row[: columns - 2].rpartition(' ')[0].rstrip(',:')} …"
        rows.append(row)
    return "\n".join(rows)
