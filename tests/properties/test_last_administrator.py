"""Whatever administrators do to each other, in whatever order and at once, one of them is left."""

import asyncio
import json
import tempfile
from pathlib import Path

from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.authority.administration import Administration, NoSuchObject, Operator
from deputize.authority.environment_file import Application, EnvironmentFileInvalid, apply
from deputize.authority.passwords import Passwords
from deputize.authority.storage import DirectoryConflict, open_store
from support.authority import TurnableClock
from support.databases import new_database
from support.examples import examples

PASSWORDS = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1), threads=1)
ROOT = Operator("command", "", "root", frozenset({"administrator"}))
NAMES = ("ada", "bob", "cleo")
ROLES = st.sampled_from([["administrator"], ["administrator", "auditor"], ["auditor"], [], None])
FILE = {
    "environment": "Administrators",
    "users": [
        {"username": "ada", "roles": ["administrator"]},
        {"username": "bob", "roles": ["administrator"]},
        {"username": "cleo", "roles": ["auditor"]},
    ],
}
USERS = st.fixed_dictionaries({"username": st.sampled_from(NAMES), "roles": ROLES, "enabled": st.booleans()})
ACTIONS = st.one_of(
    st.tuples(st.just("enable"), st.sampled_from(NAMES), st.booleans()),
    st.tuples(st.just("roles"), st.sampled_from(NAMES), ROLES),
    st.tuples(st.just("replace"), st.sampled_from(NAMES), ROLES),
    st.tuples(st.just("remove"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("prune"), st.just(""), st.lists(USERS, max_size=2, unique_by=lambda u: u["username"])),
)


async def act(administration: Administration, environment_id: str, ids, action) -> None:
    what, name, value = action
    changing = {"object_id": ids.get(name), "replaces": what == "replace"}
    match what:
        case "enable":
            await administration.change(ROOT, environment_id, "user", {"enabled": value}, **changing)
        case "roles" | "replace":
            await administration.change(ROOT, environment_id, "user", {"roles": value}, **changing)
        case "remove":
            await administration.remove(ROOT, environment_id, "user", ids[name])
        case _:
            text = json.dumps({"environment": "Administrators", "prune": True, "users": value}).encode()
            await administration.environments.apply(ROOT, Application(text, "file", lambda _: None))


@settings(max_examples=examples(25), deadline=None)
@given(turns=st.lists(st.lists(ACTIONS, min_size=1, max_size=3), min_size=1, max_size=5))
def test_an_administrator_is_left_whatever_is_done(turns):
    async def scenario() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with open_store(new_database(Path(folder) / "data.db")) as store:
                clock = TurnableClock()
                first = Application(json.dumps(FILE).encode(), "file", lambda _: None)
                environment = (await apply(first, store, PASSWORDS, clock)).environment
                administration = Administration(store, PASSWORDS, clock, lambda *_: None)
                users = await store.users.users_of(environment.id)
                ids = {user.username: user.id for user in users}
                for turn in turns:
                    outcomes = await asyncio.gather(
                        *(act(administration, environment.id, ids, action) for action in turn),
                        return_exceptions=True,
                    )
                    allowed = (EnvironmentFileInvalid, NoSuchObject, DirectoryConflict)
                    assert all(each is None or isinstance(each, allowed) for each in outcomes), outcomes
                    after = await store.users.users_of(environment.id)
                    assert any(user.enabled and "administrator" in user.roles.split() for user in after)

    asyncio.run(scenario())
