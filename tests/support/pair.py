"""A live pair in this process: authority, gateway with TLS and the weather server, with the use case's files.

Everything is real: sockets, database, certificates. Only the authority's clock can be put forward.
"""

import contextlib
import copy
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from demo.programs import gateway_environment
from demo.stage import EXAMPLE, Stage, prepare

from deputize.authority import environment_file, serve
from deputize.authority.passwords import Passwords
from deputize.authority.serve import ServeOptions, listen, open_services
from deputize.authority.storage import sqlite_url
from deputize.diagnosis.case import KnownSecret, Options
from deputize.diagnosis.examination import examine
from deputize.gateway.app import Gateway
from deputize.kernel.clock import SystemClock

ADMIN = Path("config/admin.json")
ROUTE = Path("config/routes/mcp.json")
SECRET = "a-secret-of-the-resource-for-tests"
Edit = Callable[[Any], object]


@dataclass
class ShiftedClock:
    """The system's clock, put forward or back."""

    offset: float = 0.0

    def now(self) -> float:
        return SystemClock().now() + self.offset


@dataclass
class Pair:
    """The running programs, and what was changed in their files."""

    stage: Stage
    weather_url: str
    clock: ShiftedClock = field(default_factory=ShiftedClock)
    base_url: str = ""
    secrets: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    """Of the gateway, beside those that the use case asks for."""
    is_well: bool = True
    """Whether everything is as the use case has it."""

    async def start_authority(self, base_url: str | None = None) -> None:
        self.base_url = base_url or self.stage.authority_url
        self._authority = contextlib.AsyncExitStack()
        options = ServeOptions("127.0.0.1", self.stage.ports.authority, self.base_url)
        with mock.patch.object(serve, "SystemClock", return_value=self.clock):
            opened = open_services(sqlite_url(self.stage.data), options, self.stage.folder / "audit")
            self.services = await self._authority.enter_async_context(opened)
        listener = await listen(self.services, options)
        self._authority.push_async_callback(listener.close)

    async def stop_authority(self) -> None:
        await self._authority.aclose()

    async def apply(self, edit: Edit = lambda document: None) -> None:
        """Apply the use case's environment file with one edit."""
        document = copy.deepcopy(ENVIRONMENT)
        edit(document)
        values = {"GATEWAY_URL": self.stage.gateway_url, "DEMO_PASSWORD": self.stage.password}
        text = yaml.safe_dump(document).encode()
        application = environment_file.Application(
            text, "environment.yaml", values.get, base_url=self.base_url
        )
        passwords = Passwords()
        try:
            store, clock = self.services.store, self.services.clock
            applied = await environment_file.apply(application, store, passwords, clock)
        finally:
            passwords.close()
        self.ids = {(each.kind, each.name): each.id for each in applied.objects}
        self.environment_id = applied.environment.id
        self.secrets |= {each.owner.id: each.text for each in applied.secrets}
        await self.services.directory.refresh()

    @property
    def issuer(self) -> str:
        return f"{self.base_url}/{self.environment_id}/as"

    def credentials(self, kind: str, name: str) -> KnownSecret:
        found = self.ids[(kind, name)]
        return KnownSecret(found, self.secrets[found])

    async def start_gateway(self) -> None:
        resource = self.credentials("resource", "test")
        variables = gateway_environment(self.stage, self.issuer, *resource)
        variables |= {"MCP_SERVER_URL": self.weather_url, **self.variables}
        self.gateway = await Gateway.load(self.stage.instance, variables)
        await self.gateway.start()

    async def stop_gateway(self) -> None:
        await self.gateway.stop()

    async def restart_gateway(self, **variables: str) -> None:
        await self.stop_gateway()
        self.variables = variables
        await self.start_gateway()

    async def edit_route(self, edit: Edit) -> None:
        """Change the route as an operator would; the gateway takes it at once."""
        document = edited(EXAMPLE / "gateway" / ROUTE, edit)
        (self.stage.instance / ROUTE).write_text(document)
        await self.gateway.reload()

    async def edit_admin(self, edit: Edit) -> None:
        """Change `admin.json`, which takes a restart."""
        (self.stage.instance / ADMIN).write_text(edited(EXAMPLE / "gateway" / ADMIN, edit))
        await self.restart_gateway(**self.variables)

    async def restore(self) -> None:
        """Put everything back to what the use case has, whatever is running."""
        with contextlib.suppress(Exception):
            await self.stop_gateway()
        with contextlib.suppress(Exception):
            await self.stop_authority()
        await self.start_authority()
        await self.apply()
        self.secrets[self.ids["resource", "test"]] = SECRET
        for file in (ADMIN, ROUTE):
            (self.stage.instance / file).write_text(edited(EXAMPLE / "gateway" / file, lambda document: None))
        self.variables = {}
        await self.start_gateway()
        self.is_well = True

    async def withdraw(self) -> None:
        """Withdraw what the user agreed to."""
        store = self.services.store
        user = await store.users.find_user(self.environment_id, "demouser")
        agent_id = self.ids[("agent", "MCP Tutorial")]
        await store.consents.withdraw_consents(self.environment_id, user.id, agent_id, self.clock.now())

    def options(self, **changes: Any) -> Options:
        """What the doctor is told: all that there is."""
        given = {
            "issuer": self.issuer,
            "gateway_url": f"{self.stage.gateway_url}/mcp",
            "client": self.credentials("agent", "MCP Tutorial"),
            "user": KnownSecret("demouser", self.stage.password),
            "resource": self.credentials("resource", "test"),
            "admin_url": f"http://localhost:{self.stage.ports.gateway_admin}",
            "accepts": True,
            "patience": 0.5,
        }
        return Options(**{**given, **changes})

    async def examine(self, *, trusted=True, clock=None, tell=lambda finding: None, say=print, **changes):
        """Let the doctor look, and return what it found."""
        ca_pem = self.stage.ca_file.read_bytes() if trusted else None
        return await examine(self.options(**changes), ca_pem, clock or SystemClock(), tell, say)


def edited(file: Path, edit: Edit) -> str:
    document = json.loads(file.read_text("utf-8"))
    replaced = edit(document)
    return replaced if isinstance(replaced, str) else json.dumps(document, indent=2)


def _environment() -> dict[str, Any]:
    document = yaml.safe_load((EXAMPLE / "environment.yaml").read_text("utf-8"))
    document["resources"][0]["secret"] = SECRET
    return document


ENVIRONMENT = _environment()


@contextlib.asynccontextmanager
async def running_pair(folder: Path, weather_url: str) -> AsyncIterator[Pair]:
    """Run a pair on free ports, with the use case set up."""
    pair = Pair(prepare(folder), weather_url)
    await pair.start_authority()
    await pair.apply()
    pair.secrets[pair.ids[("resource", "test")]] = SECRET
    await pair.start_gateway()
    try:
        yield pair
    finally:
        await pair.stop_gateway()
        await pair.stop_authority()
