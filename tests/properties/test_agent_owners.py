"""Whatever an agent's owner asks for, he gets nobody anything that an administrator did not give."""

import asyncio
import contextlib
import tempfile
from pathlib import Path

from argon2 import PasswordHasher
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deputize.authority.administration import Administration, NoSuchObject, NotPermitted, Operator
from deputize.authority.administration.operators import OWNER_MEMBERS
from deputize.authority.directory.objects import AgentObject
from deputize.authority.environment_file import Application, EnvironmentFileInvalid, apply
from deputize.authority.passwords import Passwords
from deputize.authority.storage import open_store
from support.authority import TurnableClock
from support.databases import new_database
from support.examples import examples

PASSWORDS = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1), threads=1)
FILE = """
environment: Test
resources: [{ name: api, scopes: [{ name: read }, { name: write }] }]
agents:
  - { name: Mine, owner: alice, scopes: { api: [read] }, redirect_uris: ["https://a.example.com/"] }
  - { name: Stopped, owner: alice, enabled: false, grants: [token_exchange] }
  - { name: Other, owner: bob, grants: [token_exchange] }
  - { name: Nobody, grants: [token_exchange] }
users: [{ username: alice }]
"""
HARMLESS = {"description", "jwks"}
VALUES = {
    "description": st.text("ab", max_size=3),
    "enabled": st.sampled_from([True, False, None]),
    "owner": st.sampled_from(["alice", "bob", None]),
    "sponsor": st.just("alice"),
    "name": st.sampled_from(["Mine", "Other", "New"]),
    "scopes": st.sampled_from([{"api": ["read", "write"]}, {}, None]),
    "grants": st.sampled_from([["token_exchange"], ["client_credentials"]]),
    "redirect_uris": st.just(["https://evil.example.com/"]),
    "permitted_actors": st.just(["Other"]),
    "policies": st.just(["Single_Factor"]),
    "client_auth": st.sampled_from(["none", "private_key_jwt", None]),
    "expires_at": st.sampled_from([None, "2030-01-01T00:00:00Z"]),
    "secret": st.just("s" * 40),
    "loops_allowed": st.just(True),
    "id": st.just("00000000-0000-4000-8000-000000000001"),
}
ENTRIES = st.lists(st.sampled_from(sorted(VALUES)), unique=True, max_size=3).flatmap(
    lambda names: st.fixed_dictionaries({name: VALUES[name] for name in names})
)
BOTH = Operator("user", "u", "alice", frozenset({"auditor", "agent_owner"}))
OPERATORS = st.sampled_from(
    [
        Operator("user", "u", "alice", frozenset({"agent_owner"})),
        Operator("user", "u", "alice", frozenset({"auditor"})),
        BOTH,
        Operator("user", "u", "alice", frozenset()),
        Operator("user", "u", "", frozenset({"agent_owner"})),
        Operator("agent", "u", "alice", frozenset({"agent_owner"})),
    ]
)
DEEDS = st.sampled_from(["change", "replace", "create", "remove", "secret", "end"])
KINDS = st.sampled_from(["agent", "agent", "agent", "resource", "policy", "user"])


def test_every_member_of_an_agent_is_known_to_be_harmless_or_is_tried():
    """A new member is an administrator's until somebody thought about it."""
    assert HARMLESS | {"enabled"} == OWNER_MEMBERS
    assert AgentObject.model_fields.keys() >= OWNER_MEMBERS


async def state(store):
    rows = await store.directory_rows.load()
    objects = {row.id: row for row in rows.objects}
    users = {row.id: await store.users.users_of(row.id) for row in rows.environments}
    return rows.environments, objects, users


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.tuples(OPERATORS, DEEDS, KINDS, st.integers(0, 3), ENTRIES), min_size=1, max_size=6))
@example([(BOTH, "replace", "agent", at, {}) for at in range(4)])
def test_nothing_changes_but_what_is_harmless_of_agents_of_ones_own(deeds):
    async def run(folder):
        async with open_store(new_database(Path(folder))) as store:
            clock = TurnableClock()
            applied = await apply(Application(FILE.encode(), "f", {}.get), store, PASSWORDS, clock)
            environment = applied.environment.id
            administration = Administration(store, PASSWORDS, clock, lambda *_: None)
            for operator, deed, kind, at, entry in deeds:
                before = await state(store)
                named = sorted((row.name, row.id) for row in before[1].values() if row.kind == kind)
                ids = [each for _, each in named] or [before[2][environment][0].id]
                object_id = ids[at % len(ids)]
                target = before[1].get(object_id)
                with contextlib.suppress(NotPermitted, NoSuchObject, EnvironmentFileInvalid):
                    if deed in {"change", "replace"}:
                        await administration.change(
                            operator,
                            environment,
                            kind,
                            entry,
                            object_id=object_id,
                            replaces=deed == "replace",
                        )
                    elif deed == "create":
                        await administration.change(operator, environment, kind, {"name": "New", **entry})
                    elif deed == "remove":
                        await administration.remove(operator, environment, kind, object_id)
                    elif deed == "secret":
                        await administration.new_secret(operator, environment, kind, object_id)
                    else:
                        await administration.end_previous_secrets(operator, environment, kind, object_id)
                after = await state(store)
                assert (after[0], after[2], after[1].keys()) == (before[0], before[2], before[1].keys())
                for row in after[1].values():
                    known = before[1][row.id]
                    changed = {
                        name
                        for name in {*row.document, *known.document}
                        if row.document.get(name) != known.document.get(name)
                    }
                    if row == known:
                        continue
                    assert row is not None
                    assert target is not None
                    assert (row.id, row.kind, row.name) == (target.id, "agent", known.name)
                    assert known.document.get("owner") == operator.name == "alice"
                    assert "agent_owner" in operator.roles
                    assert operator.kind == "user"
                    assert changed <= HARMLESS | {"enabled"}
                    assert row.document["enabled"] <= known.document["enabled"]

    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").exists() else None) as folder:
        asyncio.run(run(folder))
