"""A console with something on every page: what a user agreed to, calls that came, keys that were rotated."""

import contextlib
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from deputize.authority.administration import Operator
from deputize.authority.console.pages import SECTIONS
from deputize.authority.storage.activities import Activity
from support.agent_delegation import NOW
from support.authority import Browser
from support.console import Console, running_console

ROOT = Operator("command", "0", "root", frozenset({"administrator"}))
HOUR = 3600
SETTINGS = {
    "branding": {"name": "Weather & Co", "colour": "#1a4f8b", "dark_colour": "#9cc7ff"},
    "identity_providers": [
        {
            "name": "company",
            "title": "the company account",
            "issuer": "https://login.example.com",
            "client_id": "deputize",
            "secret": "company.secret",
        }
    ],
    "trusted_issuers": [
        {
            "issuer": "https://platform.example.com",
            "algorithms": ["RS256"],
            "jwks_uri": "https://platform.example.com/keys",
        }
    ],
}
CALLS: tuple[Mapping[str, object], ...] = (
    {"source": "authority", "event": "token issued", "method": None, "tool": None},
    {"tool": "get_current_weather"},
    {"tool": "get_forecast"},
    {"tool": "get_alerts", "outcome": "refused", "record": '{"reason": "the token lacks the scope test"}'},
)
"""What is told of each activity besides what all have; the first is the oldest."""


@contextlib.asynccontextmanager
async def furnished_console(folder: Path, base_url: str) -> AsyncIterator[Console]:
    """Run a console over the use case, in which the user signed on, agreed, and was acted for."""
    async with running_console(folder, base_url) as console:
        administration = console.authority.services.administration
        await administration.environments.change(ROOT, console.environment, SETTINGS)
        await administration.administrators.create(ROOT, "guest", ["auditor"])
        await administration.keys.rotate(ROOT, console.environment)
        stopped = {"name": "Stopped agent", "owner": "administrator", "enabled": False}
        await administration.change(ROOT, console.environment, "agent", stopped)
        await introduce(console)
        await agree(console)
        await record_calls(console)
        await console.refresh()
        yield console


async def introduce(console: Console) -> None:
    """Let a program introduce itself, which waits for somebody to approve of it; invite another one."""
    administration = console.authority.services.administration
    before = await administration.environments.find(ROOT, console.environment)
    changes = {"dynamic": True, "initial_access_tokens": True, "approval_required": True}
    settings = {"registration": {**before.entry["registration"], **changes}}
    await administration.environments.change(ROOT, console.environment, settings)
    invited = await administration.invitations.create(ROOT, console.environment, uses=5)
    await console.refresh()
    program = {"client_name": "Trip planner", "redirect_uris": ["https://trips.example.com/callback"]}
    headers = {"authorization": f"Bearer {invited.secrets[0].text}"}
    async with console.authority.client() as client:
        answer = await client.post(f"/{console.environment}/as/register", json=program, headers=headers)
    assert answer.status_code == 201, answer.text


async def agree(console: Console) -> str:
    """Let the user sign on through the agent, and agree to its acting; the agent's id."""
    environment = console.authority.directory.current.environments[console.environment]
    agent = next(each for each in environment.agents.values() if each.name == "MCP Tutorial")
    asked = console.authority.authorize_url(client_id=agent.id, redirect_uri=agent.redirect_uris[0])
    async with console.authority.client() as client:
        browser = Browser(console.authority, client)
        await browser.get(f"/{console.environment}/as/authorize?{asked.partition('?')[2]}")
        await browser.sign_on()
        await browser.accept()
        assert browser.answer["code"]
    return agent.id


async def record_calls(console: Console) -> None:
    """Let an hour pass in which the agent calls for the user."""
    environment = console.authority.directory.current.environments[console.environment]
    user = await console.authority.store.users.find_user(console.environment, "demouser")
    resource = next(each for each in environment.resources.values() if each.name == "test")
    agent = next(each for each in environment.agents.values() if each.name == "MCP Tutorial")
    common = {
        "environment_id": console.environment,
        "source": "gateway",
        "event": "mcp message",
        "outcome": "permitted",
        "user_id": user.id,
        "agent_ids": (agent.id,),
        "resource_id": resource.id,
        "method": "tools/call",
        "session_id": None,
        "grant_id": None,
        "jti": None,
        "transaction_id": "0f6c2c1e-7f0c-4b52-9d0e-6d4b8a7f3c11-1",
        "caller_transaction_id": None,
        "record": "{}",
    }
    activities = [
        Activity(
            **{**common, "id": f"{number:036d}", "happened_at": NOW + number * HOUR / len(CALLS), **each}
        )
        for number, each in enumerate(CALLS)
    ]
    await console.authority.store.activities.add(activities)
    console.authority.clock.instant = NOW + HOUR


def paths_of_pages() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield each page of the console that is seen, as `users/{id}`, with what its addresses look like."""
    for section in SECTIONS:
        for page in section.pages:
            if page.show is not None:
                pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(page.path))
                yield page.path, re.compile(f"/console/[^/]+/{pattern}".rstrip("/"))
