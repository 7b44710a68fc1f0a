"""Administrators list, show, disable, remove and invite agents that introduce themselves."""

import asyncio
import json
import re

import pytest
from click.testing import CliRunner

from deputize.authority.directory.objects.introduction import Introduction
from deputize.authority.storage import EnvironmentRow, ObjectRow, Put, open_store, sqlite_url
from deputize.cli import main
from deputize.kernel.digests import digest
from support.databases import new_database
from support.store_records import AGENT, ENVIRONMENT

URL = "https://app.example.com/client"
STRANGER = "11111111-aaaa-4aaa-8aaa-111111111111"
FRAME = {"dynamic": True, "initial_access_tokens": True, "agent": {"policies": ["P"], "owner": "Ops"}}
BY_DOCUMENT = Introduction(
    means="document",
    detail="app.example.com",
    created_at=900.0,
    metadata={"client_name": "App\u202e\x1b[31m", "redirect_uris": ["https://app.example.com/cb"]},
)
BY_ITSELF = Introduction(means="open", created_at=900.0, metadata={"redirect_uris": ["http://localhost/"]})


class Data:
    def __init__(self, folder) -> None:
        self.folder = folder

    def store(self, work):
        async def run():
            async with open_store(sqlite_url(self.folder)) as store:
                return await work(store)

        return asyncio.run(run())

    def run(self, *arguments: str, code: int = 0) -> str:
        words = [*arguments, "--environment", "Test", "--data", str(self.folder)]
        result = CliRunner().invoke(main, ["agents", *words], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.output

    def rows(self):
        return {row.id: row for row in self.store(lambda store: store.directory_rows.load()).objects}

    def record(self):
        return json.loads((self.folder / "audit" / "authority.audit.json").read_text().splitlines()[-1])


@pytest.fixture
def data(tmp_path) -> Data:
    new_database(tmp_path)
    filled = Data(tmp_path)

    async def fill(store):
        rows = [
            EnvironmentRow(ENVIRONMENT, "Test", {"registration": FRAME}),
            ObjectRow(AGENT, ENVIRONMENT, "agent", "MCP Tutorial", {}),
            *(
                ObjectRow(each, ENVIRONMENT, "agent", each, {"enabled": True}, history=by.history())
                for each, by in ((URL, BY_DOCUMENT), (STRANGER, BY_ITSELF))
            ),
        ]
        await store.directory_rows.change([Put(row) for row in rows], 0)

    filled.store(fill)
    return filled


def test_agents_are_listed_with_how_they_came(data):
    lines = data.run("list").splitlines()
    assert lines[0] == f"MCP Tutorial ({AGENT})  no user signed on yet"
    assert (
        lines[1] == f"{STRANGER}  by open, since 1970-01-01 00:15 UTC  gives no name  no user signed on yet"
    )
    assert lines[2].startswith(f"{URL}  by document app.example.com")
    assert "\x1b" not in lines[2]
    assert "\u202e" not in lines[2]
    assert len(data.run("list", "--introduced").splitlines()) == 2


def test_one_is_shown_with_what_it_said_and_who_answers_for_it(data):
    shown = data.run("show", URL)
    assert "redirect_uris: ['https://app.example.com/cb']" in shown
    assert "owner: Ops" in shown
    assert "\x1b" not in shown


def test_one_is_disabled_and_stays_what_it_is(data):
    assert data.run("disable", URL) == f"{URL} is disabled\n"
    row = data.rows()[URL]
    assert row.document == {"enabled": False}
    assert Introduction.of(row) == BY_DOCUMENT
    assert data.record()["agent"] == URL
    assert "disabled" in data.run("list", "--introduced")


def test_one_is_removed(data):
    assert data.run("remove", STRANGER) == f"{STRANGER} is removed\n"
    assert set(data.rows()) == {AGENT, URL}


def test_an_initial_access_token_is_shown_once_and_withdrawn(data):
    shown = data.run("invite", "--uses", "3", "--expires", "1 hour")
    token = re.search(r"initial access token (\S+) \(shown only now\)", shown)[1]
    token_id = re.search(r"id (\S+), for 3 programs until", shown)[1]

    def find(store):
        return store.initial_access_tokens.find(ENVIRONMENT, digest(token), 0.0)

    assert data.store(find).uses_left == 3
    recorded = (data.folder / "audit" / "authority.audit.json").read_text()
    assert token not in recorded
    assert data.record()["initialAccessToken"] == token_id
    data.run("uninvite", token_id)
    assert data.store(find) is None
    data.run("uninvite", token_id, code=1)


@pytest.mark.parametrize("expires", ["unlimited", "2 years", "soon"])
def test_an_invitation_ends(data, expires):
    data.run("invite", "--expires", expires, code=2)


def test_nobody_is_invited_where_no_token_is_taken(data):
    closed = EnvironmentRow(ENVIRONMENT, "Test", {})
    data.store(lambda store: store.directory_rows.change([Put(closed)], 1))
    assert "initial_access_tokens: true" in data.run("invite", code=1)
