"""With one command an administrator stops an agent, a user or a session, and each leaves a record."""

import asyncio
import json

import pytest
from click.testing import CliRunner

from deputize.authority.passwords import Passwords
from deputize.authority.storage import EnvironmentRow, ObjectRow, Put, open_store, sqlite_url
from deputize.cli import main
from deputize.oauth.ports import Throttle
from deputize.oauth.records.store import Factor, User
from support.databases import new_database
from support.records import replace
from support.store_records import AGENT, CODE, ENVIRONMENT, GRANT, SESSION, USER_ID

ROW = ObjectRow(AGENT, ENVIRONMENT, "agent", "MCP Tutorial", {"enabled": True, "description": "kept"})
LAPSED = replace(
    SESSION,
    id="99999999-9999-4999-8999-999999999999",
    cookie_digest="d" * 64,
    created_at=901.0,
    expires_at=10.0,
)


class Data:
    """A database folder with an agent, a user with two sessions, and the commands run on it."""

    def __init__(self, folder) -> None:
        self.folder = folder

    def store(self, work):
        async def run():
            async with open_store(sqlite_url(self.folder)) as store:
                return await work(store)

        return asyncio.run(run())

    def run(self, *arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(
            main, [*arguments, "--environment", "Test", "--data", str(self.folder)], catch_exceptions=False
        )
        assert result.exit_code == code, result.output
        return result.output

    def agent(self):
        (row,) = self.store(lambda store: store.directory_rows.load()).objects
        return row

    def user(self):
        return self.store(lambda store: store.users.find_user_by_id(ENVIRONMENT, USER_ID))

    def ended(self) -> list[bool]:
        async def read(store):
            sessions = [
                await store.sessions.find_session(ENVIRONMENT, each.cookie_digest)
                for each in (SESSION, LAPSED)
            ]
            return [session.ended_at is not None for session in sessions]

        return self.store(read)

    def record(self):
        """The latest audit record."""
        return json.loads((self.folder / "audit" / "authority.audit.json").read_text().splitlines()[-1])


@pytest.fixture
def data(tmp_path) -> Data:
    async def prepare(store) -> None:
        user = User(USER_ID, ENVIRONMENT, "demouser", "hash")
        await store.directory_rows.change(
            [Put(EnvironmentRow(ENVIRONMENT, "Test", {})), Put(ROW), Put(user)], 0
        )
        for session in (SESSION, LAPSED):
            await store.sessions.add_session(session)
        await store.codes.add_code(CODE, GRANT)

    new_database(tmp_path)
    made = Data(tmp_path)
    made.store(prepare)
    return made


@pytest.mark.parametrize("agent", ["MCP Tutorial", AGENT])
def test_an_agent_is_disabled_and_enabled_and_each_time_begins_anew(data, agent):
    terms = [data.agent().term]
    assert "is disabled" in data.run("agents", "disable", agent)
    assert data.record()["agent"] == AGENT
    assert (data.agent().document["enabled"], data.agent().document["description"]) == (False, "kept")
    terms.append(data.agent().term)
    assert "was disabled already" in data.run("agents", "disable", agent)
    assert data.agent().term == terms[-1]
    assert "is enabled" in data.run("agents", "enable", agent)
    terms.append(data.agent().term)
    assert data.agent().document["enabled"]
    assert len(set(terms)) == 3


def test_an_agent_that_is_not_there_is_told_from_those_that_are(data):
    assert "there is no agent 'MCP'" in data.run("agents", "disable", "MCP", code=1)


@pytest.mark.parametrize("user", ["demouser", USER_ID])
def test_a_user_is_disabled_and_enabled_and_each_time_begins_anew(data, user):
    terms = [data.user().term]
    assert "is disabled" in data.run("users", "disable", user)
    (change,) = data.record()["changes"]
    assert (data.record()["user"], change["id"], change["after"]) == (USER_ID, USER_ID, {"enabled": False})
    assert not data.user().enabled
    terms.append(data.user().term)
    assert "was disabled already" in data.run("users", "disable", user)
    assert "is enabled" in data.run("users", "enable", user)
    terms.append(data.user().term)
    assert data.user().enabled
    assert len(set(terms)) == 3


def test_a_user_is_unlocked(data):
    throttles = {"somewhere": Throttle(0, 60.0, 60.0, 3600.0)}

    def attempt():
        return data.store(
            lambda store: store.sign_on_failures.begin_attempt(ENVIRONMENT, "demouser", throttles, 1000.0)
        )

    attempt()
    assert attempt() is not None
    data.run("users", "unlock", "demouser")
    assert attempt() is None
    assert data.record()["username"] == "demouser"


def test_a_user_who_is_not_there(data):
    for command in ("disable", "enable", "unlock"):
        assert "there is no user 'nobody'" in data.run("users", command, "nobody", code=1)


def test_sessions_are_listed(data):
    lines = data.run("sessions", "list").splitlines()
    assert [line.split()[0] for line in lines] == [SESSION.id, LAPSED.id]
    assert all("demouser, since 1970-01-01 00:15 UTC" in line for line in lines)
    assert len(data.run("sessions", "list", "--user", "demouser").splitlines()) == 2
    assert "there is no user" in data.run("sessions", "list", "--user", "nobody", code=1)


def test_one_session_is_ended(data):
    assert "1 session ended" in data.run("sessions", "end", SESSION.id)
    assert data.ended() == [True, False]
    assert data.record()["sessions"] == [SESSION.id]
    assert "ended already" in data.run("sessions", "end", SESSION.id, code=1)


def test_all_sessions_of_a_user_are_ended_lapsed_ones_too(data):
    assert "2 sessions ended" in data.run("sessions", "end", "--user", "demouser")
    assert data.ended() == [True, True]
    assert "nobody is signed on" in data.run("sessions", "list")
    assert "0 sessions ended" in data.run("sessions", "end", "--user", "demouser")


@pytest.mark.parametrize("arguments", [(), (SESSION.id, "--user", "demouser")])
def test_what_to_end_is_named_once(data, arguments):
    assert "name a session, or a user" in data.run("sessions", "end", *arguments, code=2)


def test_a_users_factors_are_reset_and_their_sessions_end(data):
    phone = Factor("f1", ENVIRONMENT, USER_ID, "passkey", "1" * 64, "My phone", "key", 0, 1.0)
    assert data.store(lambda store: store.factors.add_factor(phone, 1))
    term = data.store(lambda store: store.users.find_user_by_id(ENVIRONMENT, USER_ID)).term
    assert "signed off everywhere" in data.run("users", "reset-factors", "demouser")
    assert data.store(lambda store: store.factors.factors_of(ENVIRONMENT, USER_ID)) == ()
    assert data.store(lambda store: store.users.find_user_by_id(ENVIRONMENT, USER_ID)).term != term
    assert "there is no user" in data.run("users", "reset-factors", "nobody", code=1)


def test_a_user_gets_a_temporary_password_that_is_shown_once(data):
    before = data.user()
    output = data.run("users", "reset-password", "demouser")
    password = output.split()[-1]
    user = data.user()
    assert user.must_change_password
    assert user.term != before.term
    passwords = Passwords()
    try:
        assert asyncio.run(passwords.verify(user.password_hash, password))
    finally:
        passwords.close()
    assert password not in json.dumps(data.record())
    assert data.run("users", "reset-password", "demouser").split()[-1] != password
    assert "there is no user" in data.run("users", "reset-password", "nobody", code=1)
