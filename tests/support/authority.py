"""An authority over a real store with the use case's environment, a clock that tests set, and a browser."""

import asyncio
import base64
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx2
from argon2 import PasswordHasher

from deputize.authority.app import Authority
from deputize.authority.asgi import MAX_ANSWER_SIZE
from deputize.authority.audit import open_audit
from deputize.authority.fetching import Fetcher
from deputize.authority.passwords import Passwords
from deputize.authority.services import Services
from deputize.authority.storage import EnvironmentRow, Put, Store, open_store
from deputize.http import plans
from deputize.http.exchange import Ending, Exchange, Head, Peer
from deputize.http.listener import Listener
from deputize.http.messages import Body, Headers, Request
from deputize.http.plans import Handler
from deputize.kernel import ids
from deputize.kernel.uris import Target, UriError, parse_target
from deputize.oauth.grants.authorization_code import challenge_of
from deputize.oauth.records.directory import Agent, Agreement, Directory, Environment
from support import agent_delegation as use_case
from support.databases import new_database
from support.records import replace

PASSWORD = "correct horse battery staple"
HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
USER = replace(use_case.USER, password_hash=HASHER.hash(PASSWORD))
NOW = use_case.NOW


@dataclass
class TurnableClock:
    """A clock that shows whatever a test sets."""

    instant: float = NOW

    def now(self) -> float:
        return self.instant


@dataclass
class HeldDirectory:
    """A snapshot that a test can replace."""

    current: Directory

    async def refresh(self) -> bool:
        return False

    @property
    def environment(self) -> Environment:
        return self.current.environments[use_case.ENVIRONMENT_ID]

    def replace(self, **changes: object) -> None:
        """Change the one environment."""
        changed = replace(self.environment, **changes)
        self.current = Directory(self.current.version + 1, {changed.id: changed})

    def replace_agent(self, **changes: object) -> Agent:
        agent = replace(self.environment.agents[use_case.AGENT_ID], **changes)
        self.replace(agents={**self.environment.agents, agent.id: agent})
        return agent

    def replace_agreement(self, **changes: object) -> Agreement:
        agreement = replace(self.environment.agreements[use_case.AGREEMENT_ID], **changes)
        self.replace(agreements={agreement.id: agreement})
        return agreement


def head_of(method: str = "GET", headers: Iterable[tuple[bytes, bytes]] = ()) -> Head:
    """Return the head of a request from this machine."""
    return Head(
        method, Target("/", None), Headers(headers), None, "1.1", Peer("127.0.0.1", 1, "127.0.0.1", 2)
    )


@dataclass
class HandOver(httpx2.AsyncBaseTransport):
    """Hands requests to a handler as the listener does, but in this process, from whatever address."""

    handler: Handler
    address: str = "127.0.0.1"

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            target = parse_target(request.url.raw_path)
        except UriError:
            return httpx2.Response(400)
        sent = Request(request.method, target, Headers(request.headers.raw), Body(await request.aread()))
        exchange = Exchange(sent, Peer(self.address, 1024, "127.0.0.1", 80), "", time.monotonic(), 0.0)
        answer = await plans.ask(self.handler, exchange)
        content = await answer.body.read(MAX_ANSWER_SIZE)
        for each in exchange.endings:
            each(exchange, Ending(answer, len(content), complete=True, finished=time.monotonic()))
        return httpx2.Response(answer.status, headers=answer.headers.raw, content=content)


@dataclass
class RunningAuthority:
    """The application with its store, clock and audit records."""

    app: Authority
    store: Store
    clock: TurnableClock
    directory: HeldDirectory
    services: Services
    base_url: str
    audit_file: Path
    listener: Listener | None = None
    """What clients connect to, where it listens."""

    async def records(self, name: str) -> list[dict[str, Any]]:
        """Return the records with this name, oldest first."""
        await asyncio.sleep(0)  # records are written when the turn that made them ends
        lines = map(json.loads, self.audit_file.read_text("ascii").splitlines())
        return [line for line in lines if line["eventName"] == f"DEPUTIZE-{name}"]

    @property
    def path(self) -> str:
        return f"/{use_case.ENVIRONMENT_ID}"

    @property
    def issuer(self) -> str:
        return f"{self.base_url}{self.path}/as"

    def client(self, address: str = "127.0.0.1") -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=HandOver(self.app, address), base_url=self.base_url)

    async def set_user_enabled(self, *, enabled: bool) -> None:
        rows = self.store.directory_rows
        await rows.change([Put(replace(USER, enabled=enabled))], await rows.version())

    def authorize_url(self, **changes: str | None) -> str:
        return f"{self.path}/as/authorize?{urlencode(authorization_parameters(**changes))}"


def authorization_parameters(**changes: str | None) -> dict[str, str]:
    """Return the agent's request; a change to `None` leaves a parameter out."""
    parameters: dict[str, str | None] = {
        "response_type": "code",
        "client_id": use_case.AGENT_ID,
        "redirect_uri": use_case.REDIRECT_URI,
        "scope": "agent",
        "state": "the-state",
        "code_challenge": challenge_of(use_case.VERIFIER),
        "code_challenge_method": "S256",
        **changes,
    }
    return {name: value for name, value in parameters.items() if value is not None}


@contextlib.asynccontextmanager
async def running_authority(
    folder: Path, base_url: str = "http://authority.test", fetcher: Fetcher | None = None
) -> AsyncIterator[RunningAuthority]:
    """Run an authority in which everything but sockets and wall clock is real."""
    environment = replace(use_case.ENVIRONMENT, issuer=f"{base_url}/{use_case.ENVIRONMENT_ID}/as")
    directory = HeldDirectory(Directory(1, {environment.id: environment}))
    async with open_store(new_database(folder)) as store:
        await store.directory_rows.change(
            [Put(EnvironmentRow(environment.id, environment.name, {})), Put(USER)], 0
        )
        async with serving(folder, base_url, store, directory, TurnableClock(), fetcher) as running:
            yield running


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    base_url: str,
    store: Store,
    directory: Any,
    clock: TurnableClock,
    fetcher: Fetcher | None = None,
) -> AsyncIterator[RunningAuthority]:
    """Run an authority over a store and a directory."""
    async with open_audit(folder / "audit") as audit:
        passwords = Passwords(HASHER)
        services = Services(
            directory=directory,
            store=store,
            clock=clock,
            passwords=passwords,
            new_id=ids.new_id,
            new_token=ids.new_token,
            base_url=base_url,
            audit_file=audit,
            fetcher=fetcher or Fetcher(),
        )
        audit_file = folder / "audit" / "authority.audit.json"
        yield RunningAuthority(Authority(services), store, clock, directory, services, base_url, audit_file)
        passwords.close()


class PageForm(HTMLParser):
    """A form of a page, as a browser would send it when nobody changes anything; not the search around it."""

    def __init__(self, page: str, index: int = 0) -> None:
        super().__init__()
        self.fields: dict[str, list[str]] = {}
        self.action = ""
        self._left, self._inside = index, False
        self._area = self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        name, value = values.get("name", ""), values.get("value", "")
        if tag == "form" and values.get("class") == "find":
            self._inside = False
        elif tag == "form":
            self._inside = self._left == 0
            self._left -= 1
            self.action = values.get("action", "") if self._inside else self.action
        elif not self._inside or "disabled" in values:
            return
        elif tag == "input" and name:
            is_tick = values.get("type") in {"checkbox", "radio"}
            if not is_tick or "checked" in values:
                self.fields.setdefault(name, []).append(value)
        elif tag == "textarea" and name:
            self._area, self.fields[name] = name, [""]
        elif tag == "select" and name:
            self._select = name
        elif tag == "option" and self._select and ("selected" in values or self._select not in self.fields):
            self.fields[self._select] = [value]

    def handle_data(self, data: str) -> None:
        if self._area:
            self.fields[self._area][0] += data.removeprefix("\n") if not self.fields[self._area][0] else data

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "form"
        self._area = "" if tag == "textarea" else self._area
        self._select = "" if tag == "select" else self._select


@dataclass
class Browser:
    """Follows this site's redirects, keeps its cookies, fills in its forms.

    Stops where a redirect leaves the site.
    """

    authority: RunningAuthority
    client: httpx2.AsyncClient
    response: httpx2.Response = field(init=False)
    headers: dict[str, str] = field(default_factory=dict)
    stops_at: str = ""
    """Where a redirect is not followed to."""

    async def get(self, path: str) -> httpx2.Response:
        return await self._follow(await self.client.get(path, headers=self.headers))

    async def submit(self, form: int = 0, **typed: str | list[str]) -> httpx2.Response:
        """Send the page's form with what was typed or pressed."""
        shown = PageForm(self.response.text, form)
        target = urljoin(str(self.response.url), shown.action)
        return await self._follow(
            await self.client.post(target, data={**shown.fields, **typed}, headers=self.headers)
        )

    async def sign_on(self, password: str = PASSWORD, username: str = "demouser") -> httpx2.Response:
        return await self.submit(username=username, password=password, action="sign-on")

    async def accept(self) -> httpx2.Response:
        return await self.submit(action="accept")

    @property
    def heading(self) -> str:
        found = re.search(r"<h1[^>]*>(.*?)</h1>", self.response.text, re.DOTALL)
        return found.group(1) if found else ""

    @property
    def answer(self) -> Mapping[str, str]:
        """The query with which the browser was sent back to the agent."""
        location = self.response.headers["location"]
        return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}

    async def _follow(self, response: httpx2.Response) -> httpx2.Response:
        while (location := response.headers.get("location", "")).startswith("/"):
            if location == self.stops_at:
                break
            response = await self.client.get(location, headers=self.headers)
        self.response = response
        return response


def basic(client_id: str = use_case.AGENT_ID, secret: str = use_case.AGENT_SECRET) -> dict[str, str]:
    """Return an Authorization header with these credentials."""
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}
