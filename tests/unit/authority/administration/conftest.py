from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from deputize.authority.administration import Administration, Operator
from deputize.authority.environment_file import Application, apply
from deputize.authority.passwords import Passwords
from deputize.authority.storage import open_store
from support.authority import TurnableClock
from support.databases import new_database, prepared_database

FILE = """
environment: Test
resources:
  - name: api
    audience: https://api.example.com/
    scopes: [{ name: read, description: Read }, { name: write }]
    attributes: [{ name: sub, mapping: Username }]
  - { name: other, scopes: [{ name: all }] }
agreements:
  - name: Terms
    languages: [{ locale: en, title: Terms, text: "Line one\\nline two" }]
  - name: Other Terms
    languages: [{ locale: en, title: Terms, text: Text }]
policies:
  - name: Ask
    steps: [{ login: {} }, { agreement_prompt: { agreement: Terms } }]
  - name: Unused
    steps: [{ login: {} }, { agreement_prompt: { agreement: Other Terms } }]
agents:
  - name: Alice's
    owner: alice
    description: What it is
    scopes: { api: [read] }
    policies: [Ask]
    redirect_uris: ["https://a.example.com/"]
  - name: Bob's
    owner: bob
    scopes: { other: [all] }
    grants: [token_exchange]
    permitted_actors: []
users:
  - { username: ada, password: correct horse, email: ada@example.com }
  - { username: Änne, enabled: false, attributes: { level: 3 } }
"""
ADMINISTRATOR = Operator("user", "u-root", "root", frozenset({"administrator"}))
AUDITOR = Operator("user", "u-audit", "audit", frozenset({"auditor"}))
ALICE = Operator("user", "u-alice", "alice", frozenset({"agent_owner"}))


@dataclass
class Administered:
    """An administration over a store with one environment, and what it recorded."""

    administration: Administration
    store: Any
    clock: TurnableClock
    environment_id: str
    records: list[tuple[str, str | None, str | None, dict]] = field(default_factory=list)

    async def ids(self, kind: str) -> dict[str, str]:
        if kind == "user":
            return {each.username: each.id for each in await self.store.users.users_of(self.environment_id)}
        rows = await self.store.directory_rows.load()
        return {each.name: each.id for each in rows.objects if each.kind == kind}

    async def document(self, kind: str, name: str):
        rows = await self.store.directory_rows.load()
        return next(each.document for each in rows.objects if (each.kind, each.name) == (kind, name))

    async def change(self, kind: str, entry: Any, operator: Operator = ADMINISTRATOR, **how: Any):
        return await self.administration.change(operator, self.environment_id, kind, entry, **how)

    async def find(self, kind: str, name: str, operator: Operator = ADMINISTRATOR):
        object_id = (await self.ids(kind))[name]
        return await self.administration.find(operator, self.environment_id, kind, object_id)


@pytest.fixture(scope="session")
def quick_passwords():
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1), threads=1)
    yield passwords
    passwords.close()


@pytest.fixture
async def administered(tmp_path, quick_passwords) -> AsyncIterator[Administered]:
    clock = TurnableClock()

    async def prepare(folder: Path) -> str:
        async with open_store(new_database(folder)) as store:
            application = Application(FILE.encode(), "test.yaml", {}.get)
            return (await apply(application, store, quick_passwords, clock)).environment.id

    url, environment_id = await prepared_database(("administered",), tmp_path / "data", prepare)
    async with open_store(url) as store:
        records: list[Any] = []

        def record(*event: Any) -> None:
            records.append(event)

        administration = Administration(store, quick_passwords, clock, record)
        yield Administered(administration, store, clock, environment_id, records)
