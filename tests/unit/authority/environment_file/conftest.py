from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher

from deputize.authority.environment_file import Application, apply
from deputize.authority.passwords import Passwords
from deputize.authority.storage import open_store
from support.databases import new_database


class FixedClock:
    def __init__(self, now: float = 1000.0) -> None:
        self.instant = now

    def now(self) -> float:
        return self.instant


class Applying:
    """A store to apply texts to, one after another."""

    def __init__(self, store, passwords) -> None:
        self.store = store
        self.clock = FixedClock()
        self.passwords = passwords

    async def __call__(
        self, text: str, *, prune: bool = False, dry_run: bool = False, base_url=None, **settings: str
    ):
        application = Application(text.encode(), "test.yaml", settings.get, prune, dry_run, base_url)
        return await apply(application, self.store, self.passwords, self.clock)

    async def row(self, kind: str, name: str):
        rows = await self.store.directory_rows.load()
        return next(row for row in rows.objects if (row.kind, row.name) == (kind, name))

    async def document(self, kind: str, name: str):
        return (await self.row(kind, name)).document


@pytest.fixture(scope="session")
def quick_passwords():
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1), threads=1)
    yield passwords
    passwords.close()


@pytest.fixture
async def applying(tmp_path, quick_passwords) -> AsyncIterator[Applying]:
    async with open_store(new_database(tmp_path / "data")) as store:
        yield Applying(store, quick_passwords)
