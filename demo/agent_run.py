"""Runs the sample agent as a user would start it, with the user at the browser."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from demo.client import Agent
from demo.person import Person
from demo.stage import REQUEST_SECONDS, ROOT, USE_CASE_PORTS, Ports, Stage, shown

AUTHORIZE_URL = re.compile(r"https?://\S+/as/authorize\?\S+")
AGENT_SECONDS = 300


class AgentFailed(Exception):
    """The agent ended without an answer; the message holds what it printed."""


@dataclass(frozen=True)
class AgentRun:
    """What one run of the agent printed, and the tokens it held."""

    output: str
    authorize_urls: tuple[str, ...]
    """Where it sent the user, in order."""
    tokens: dict[str, dict[str, Any]]
    """`actor`, `subject` and `mcp` to their claims."""

    @property
    def authorize_url(self) -> str:
        """Where it sent the user first; empty when it did not have to."""
        return self.authorize_urls[0] if self.authorize_urls else ""

    @property
    def tools(self) -> list[str]:
        """The tools that the agent discovered."""
        listing = self.output.partition("Discovered tools")[2]
        return re.findall(r"^\s*[-*•]\s*([A-Za-z0-9_.-]+)", listing, re.MULTILINE)

    @property
    def answer(self) -> str:
        """The agent's answer to the prompt: everything after its list of tools."""
        return self.output.rstrip().rpartition("\n\n")[2]


def command(stage: Stage, agent: Agent) -> tuple[list[str], list[str]]:
    """Return the agent's program and its options as the use case writes them, for the repository's folder."""
    options = [
        "--client-id",
        agent.client_id,
        "--mcp-server-url",
        f"{stage.gateway_url}/mcp",
        "--ca-file",
        shown(stage.ca_file),
    ]
    if stage.ports.callback != Ports(*USE_CASE_PORTS).callback:
        options += ["--callback-port", str(stage.ports.callback)]
    return [shown(Path(sys.executable)), "samples/sample-mcp-agent.py"], options


def run(stage: Stage, agent: Agent, prompt: str, follow: Callable[[str], None]) -> AgentRun:
    """Ask the agent one question; `follow` is the user, who opens each address it prints.

    Raises `AgentFailed`.
    """
    claims = stage.folder / "tokens.json"
    script, options = command(stage, agent)
    options += ["--no-browser", "--once", prompt, "--show-tokens", str(claims)]
    environment = {**os.environ, "AGENT_SECRET": agent.client_secret, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [*script, *options],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output, urls = "", list[str]()
    with process:
        deadline = threading.Timer(AGENT_SECONDS, process.kill)
        deadline.start()
        for line in process.stdout or ():
            output += line
            if match := AUTHORIZE_URL.search(line):
                urls.append(match.group())
                follow(match.group())
        process.wait()
        deadline.cancel()
    if process.returncode != 0:
        raise AgentFailed(f"the agent ended with {process.returncode}:\n{output}")
    return AgentRun(output, tuple(urls), json.loads(claims.read_text("utf-8")))


def followed_by(person: Person, agent: Agent) -> Callable[[str], None]:
    """Return a `follow` with which the person signs on and goes back to the agent."""

    def follow(url: str) -> None:
        callback = person.visit(url, stop_at=agent.redirect_uri)
        httpx2.get(callback, timeout=REQUEST_SECONDS).raise_for_status()

    return follow
