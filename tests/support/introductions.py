"""An authority whose directory is in its store, and to which agents introduce themselves."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from deputize.authority.directory.service import open_directory
from deputize.authority.environment_file import Application, apply
from deputize.authority.fetching import Fetcher
from deputize.authority.passwords import Passwords
from deputize.authority.storage import open_store
from support import agent_delegation as use_case
from support.authority import HASHER, PASSWORD, RunningAuthority, TurnableClock, serving
from support.databases import new_database

FRAME = """
registration:
  hosts: [app.example.com, "*.apps.example.com"]
  dynamic: true
  open: true
  agent:
    policies: [Agent-Consent-Login]
    scopes: { agent: [agent] }
"""
FILE = f"""
environment: Agent Delegation
id: {use_case.ENVIRONMENT_ID}
default_policy: Agent-Consent-Login
resources:
  - name: test
    id: {use_case.TEST_ID}
    audience: "{use_case.TEST_AUDIENCE}"
    secret: {use_case.TEST_SECRET}
    attributes:
      - {{ name: sub, expression: "{use_case.SUBJECT_SUB}" }}
      - {{ name: act, expression: "{use_case.ACT}" }}
    scopes: [{{ name: test }}, {{ name: other }}]
  - name: agent
    id: {use_case.AGENT_RESOURCE_ID}
    audience: agent
    secret: {use_case.TEST_SECRET}
    attributes:
      - {{ name: sub, mapping: Username }}
      - {{ name: may_act, expression: '{use_case.MAY_ACT}' }}
    scopes: [{{ name: agent, description: Act on your behalf }}, {{ name: more }}]
agreements:
  - name: Agent Consent
    id: {use_case.AGREEMENT_ID}
    languages: [{{ locale: en, title: Agent Consent, text: I consent }}]
policies:
  - name: Agent-Consent-Login
    steps: [{{ login: {{}} }}, {{ agreement_prompt: {{ agreement: Agent Consent }} }}]
  - name: Silent
    steps: [{{ login: {{}} }}]
agents:
  - name: MCP Tutorial
    id: {use_case.AGENT_ID}
    secret: {use_case.AGENT_SECRET}
    grants: [client_credentials, refresh_token, token_exchange]
    redirect_uris: ["{use_case.REDIRECT_URI}"]
    scopes: {{ agent: [agent], test: [test] }}
    policies: [Agent-Consent-Login]
users:
  - {{ username: demouser, id: {use_case.USER_ID}, given_name: Demo, password: {PASSWORD} }}
"""


async def apply_file(running: Any, text: str, *, prune: bool = False) -> tuple[str, ...]:
    """Apply a file to the running authority's store, and let it follow; the lines of what changed."""
    passwords = Passwords(HASHER)
    application = Application(text.encode(), "test.yaml", {}.get, prune, base_url=running.base_url)
    try:
        applied = await apply(application, running.store, passwords, running.clock)
    finally:
        passwords.close()
    await running.directory.refresh()
    return applied.lines


@contextlib.asynccontextmanager
async def introducing(
    folder: Path,
    frame: str = FRAME,
    base_url: str = "http://authority.test",
    fetcher: Fetcher | None = None,
) -> AsyncIterator[RunningAuthority]:
    """Run the use case's environment with a frame for agents that introduce themselves."""
    clock = TurnableClock()
    async with open_store(new_database(folder)) as store:
        directory = await open_directory(store.directory_rows, base_url, clock)
        async with serving(folder, base_url, store, directory, clock, fetcher) as running:
            await apply_file(running, FILE + frame)
            yield running


def environment_of(running: RunningAuthority) -> Any:
    """The environment in the latest snapshot."""
    return running.directory.current.environments[use_case.ENVIRONMENT_ID]


def introduced(running: RunningAuthority) -> list[Any]:
    """The agents that introduced themselves."""
    return [agent for agent in environment_of(running).agents.values() if agent.origin]
