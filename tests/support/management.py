"""The management API of an authority with a console, and whoever asks: a token for each role."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2

from deputize.authority.administration import Operator
from deputize.oauth.grants.authorization_code import challenge_of
from deputize.oauth.records.store import Consent, Session
from support import agent_delegation as use_case
from support.authority import Browser, basic
from support.console import ROLES, Console, console_over, running_console
from support.databases import prepared_database

PROGRAM_SECRET = "program-secret-program-secret-program"
ROOT = Operator("command", "0", "test", frozenset({"administrator"}))
PROGRAM = {
    "name": "Program",
    "secret": PROGRAM_SECRET,
    "redirect_uris": [use_case.REDIRECT_URI],
    "grants": ["client_credentials"],
    "scopes": {"Management": list(ROLES)},
}


@dataclass
class Management:
    """A running authority, and clients of its API."""

    console: Console
    program_id: str
    tokens: dict[str, str] = field(default_factory=dict)
    """One for each user of the administrators' environment, `nobody` included, with all scopes."""

    @property
    def authority(self):
        return self.console.authority

    @property
    def environment(self) -> str:
        """The use case's environment in the API."""
        return f"/v1/environments/{self.console.environment}"

    @property
    def home(self) -> str:
        """The administrators' environment in the API."""
        return f"/v1/environments/{self.console.home}"

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: str | None = "administrator",
        headers: Mapping[str, str] = {},
        **more: Any,
    ) -> httpx2.Response:
        """Ask as a user, or nobody; paths without /v1 are below the use case's environment."""
        path = path if path.startswith("/v1") else f"{self.environment}{path}"
        token = {"Authorization": f"Bearer {self.tokens[role]}"} if role else {}
        if body is not None:
            more["json"] = body
        async with self.authority.client() as client:
            return await client.request(method, path, headers={**token, **headers}, **more)

    async def find(self, kinds: str, name: str) -> dict[str, Any]:
        """The object of the use case's environment with this name."""
        response = await self.ask("GET", f"/{kinds}?limit=200")
        return next(each for each in response.json()["items"] if each["name"] == name)

    async def add_session(self, session_id: str, user_id: str) -> None:
        """Let a user of the use case's environment be signed on."""
        now = self.authority.clock.now()
        session = Session(
            session_id, self.console.environment, user_id, session_id, int(now), now + 1e9, created_at=now
        )
        await self.authority.store.sessions.add_session(session)

    async def add_consent(self, user_id: str, agent_id: str) -> None:
        """Let a user have agreed to an agent."""
        agreement = (await self.find("agreements", "Agent Consent"))["id"]
        given = Consent("c1", self.console.environment, user_id, agent_id, agreement, 1, "r", "en", 1.0, None)
        await self.authority.store.consents.record_consent(given, None)

    async def program_token(self, scope: str = " ".join(ROLES)) -> str:
        """A token of the program's own."""
        form = {"grant_type": "client_credentials", "scope": scope}
        return await self._token(form)

    async def sign_on(self, username: str, scope: str = " ".join(ROLES)) -> str:
        """A token about a user, of a program that they signed on for."""
        async with self.authority.client() as client:
            browser = Browser(self.authority, client)
            await browser.get(self.authorize_path(scope))
            await browser.sign_on(username=username)
            code = browser.answer["code"]
        return await self._token(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": use_case.REDIRECT_URI,
                "code_verifier": use_case.VERIFIER,
            }
        )

    def authorize_path(self, scope: str = " ".join(ROLES), **more: str) -> str:
        """Where users sign on for the program."""
        query = {
            "response_type": "code",
            "client_id": self.program_id,
            "redirect_uri": use_case.REDIRECT_URI,
            "scope": scope,
            "code_challenge": challenge_of(use_case.VERIFIER),
            "code_challenge_method": "S256",
            **more,
        }
        return f"/{self.console.home}/as/authorize?{urlencode(query)}"

    async def _token(self, form: Mapping[str, str]) -> str:
        async with self.authority.client() as client:
            headers = basic(self.program_id, PROGRAM_SECRET)
            response = await client.post(f"/{self.console.home}/as/token", data=form, headers=headers)
        assert response.status_code == 200, response.text
        return response.json()["access_token"]


@contextlib.asynccontextmanager
async def running_management(
    folder: Path, base_url: str = "http://authority.test"
) -> AsyncIterator[Management]:
    """Run an authority with its API; everything but sockets and wall clock is real."""

    async def prepare(made: Path) -> Management:
        async with running_console(made, base_url) as console:
            administration = console.authority.services.administration
            program = await administration.change(ROOT, console.home, "agent", PROGRAM)
            management = Management(console, program.view.id)
            for name in (*ROLES, "nobody"):
                management.tokens[name] = await management.sign_on(name)
        return management

    url, made = await prepared_database(("management", base_url), folder, prepare)
    environments = made.console.home, made.console.environment
    async with console_over(url, folder, base_url, environments) as console:
        yield Management(console, made.program_id, dict(made.tokens))
