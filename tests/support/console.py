"""An authority with a console, an administrator for each role, and the use case in another environment."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from deputize.authority.administration.administrators import make_environment
from deputize.authority.directory.service import open_directory
from deputize.authority.environment_file import Application, apply
from deputize.authority.passwords import Passwords
from deputize.authority.storage import Put, open_store
from deputize.kernel import ids
from deputize.oauth.records.store import User
from support.authority import HASHER, PASSWORD, Browser, RunningAuthority, TurnableClock, serving
from support.databases import new_database, prepared_database

USE_CASE = Path(__file__).parents[2] / "examples" / "agent-delegation" / "environment.yaml"
ROLES = ("administrator", "auditor", "agent_owner")


@dataclass
class Console:
    """A running authority, and the ids of the two environments."""

    authority: RunningAuthority
    home: str
    """The id of the administrators' environment."""
    environment: str
    """The id of the use case's."""

    @property
    def path(self) -> str:
        return f"/console/{self.environment}"

    @contextlib.asynccontextmanager
    async def signed_on(self, username: str = "administrator", path: str = "") -> AsyncIterator[Browser]:
        """A browser in which an administrator signed on, the one with this role unless another is named.

        It is at `path`; without one it has been led to the overview, and not asked for it.
        """
        async with self.authority.client() as client:
            browser = Browser(self.authority, client, stops_at="" if path else self.path)
            await browser.get(path or self.path)
            await browser.sign_on(username=username)
            if not path:
                del browser.response  # of which no page can be read
            browser.stops_at = ""
            yield browser

    async def refresh(self) -> None:
        await self.authority.directory.refresh()


@contextlib.asynccontextmanager
async def running_console(folder: Path, base_url: str = "http://authority.test") -> AsyncIterator[Console]:
    """Run an authority with a console, in which everything but sockets and wall clock is real."""

    async def prepare(made: Path) -> tuple[str, str]:
        passwords, clock = Passwords(HASHER), TurnableClock()
        async with open_store(new_database(made)) as store:
            home = await make_environment(store, passwords, clock, base_url)
            values = {"DEMO_PASSWORD": PASSWORD}
            text = USE_CASE.read_bytes()
            application = Application(text, "environment.yaml", values.get, base_url=base_url)
            applied = await apply(application, store, passwords, clock)
            users = [
                User(ids.new_id(), home.id, role, HASHER.hash(PASSWORD), roles=role) for role in (*ROLES, "")
            ]
            users[-1] = User(ids.new_id(), home.id, "nobody", HASHER.hash(PASSWORD))
            rows = store.directory_rows
            await rows.change([Put(each) for each in users], await rows.version())
        passwords.close()
        return home.id, applied.environment.id

    url, environments = await prepared_database(("console", base_url), folder, prepare)
    async with console_over(url, folder, base_url, environments) as console:
        yield console


@contextlib.asynccontextmanager
async def console_over(
    url: str, folder: Path, base_url: str, environments: tuple[str, str]
) -> AsyncIterator[Console]:
    """Run an authority over a database that has the administrators' environment and the use case's."""
    clock = TurnableClock()
    async with open_store(url) as store:
        directory = await open_directory(store.directory_rows, base_url, clock)
        async with serving(folder, base_url, store, directory, clock) as running:
            yield Console(running, *environments)
