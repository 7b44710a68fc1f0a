import asyncio
from dataclasses import replace

import pytest
from click.testing import CliRunner

from deputize.authority.directory.changes import new_environment, replace_secret
from deputize.authority.storage import EnvironmentRow, ObjectRow, Put, open_store, sqlite_url
from deputize.cli.secrets import secrets
from deputize.kernel.digests import matches
from support.databases import new_database

AGENT = ObjectRow("a1", "e1", "agent", "MCP Tutorial", {})


@pytest.fixture
def data(tmp_path):
    async def prepare() -> None:
        async with open_store(new_database(tmp_path)) as store:
            first, _ = replace_secret(AGENT, (), 1000.0)
            await store.directory_rows.change(
                [*new_environment(EnvironmentRow("e1", "Test", {})), Put(AGENT), *first], 0
            )

    asyncio.run(prepare())
    return tmp_path


def stored(data):
    async def read():
        async with open_store(sqlite_url(data)) as store:
            return (await store.directory_rows.load()).secrets

    return sorted(asyncio.run(read()), key=lambda row: row.created_at)


def run(data, *arguments: str):
    options = [*arguments, "--environment", "Test", "--data", str(data)]
    return CliRunner().invoke(secrets, options, catch_exceptions=False)


def rotate(data, *arguments: str):
    return run(data, "rotate", *arguments)


@pytest.mark.parametrize("name", ["MCP Tutorial", "a1"])
def test_a_new_secret_is_shown_and_the_previous_one_ends_later(data, name):
    result = rotate(data, "agent", name, "--keep-previous", "2 hours")
    previous, new = stored(data)
    assert result.exit_code == 0
    shown = result.output.partition(", secret ")[2].partition(" ")[0]
    assert matches(shown, new.digest)
    assert previous.expires_at == new.created_at + 7200
    assert new.expires_at is None


def test_a_leaked_secret_can_end_at_once(data):
    rotate(data, "agent", "MCP Tutorial", "--keep-previous", "zero")
    previous, new = stored(data)
    assert previous.expires_at == new.created_at


@pytest.mark.parametrize(("kind", "name"), [("agent", "Absent"), ("resource", "MCP Tutorial")])
def test_what_is_not_there_is_named(data, kind, name):
    result = rotate(data, kind, name)
    assert result.exit_code == 1
    assert f"there is no {kind} {name!r} in Test" in result.output


@pytest.mark.parametrize("kept", ["soon", "31 days", "unlimited"])
def test_a_previous_secret_lives_for_thirty_days_at_most(data, kept):
    assert rotate(data, "agent", "MCP Tutorial", "--keep-previous", kept).exit_code == 2
    assert len(stored(data)) == 1


def test_the_overlap_is_listed_until_it_ends(data):
    assert run(data, "list").output == "agent MCP Tutorial: made 1970-01-01 00:16 UTC\n"
    rotate(data, "agent", "MCP Tutorial", "--keep-previous", "30 days")
    new, previous = run(data, "list").output.splitlines()
    assert "works until" not in new
    assert previous.startswith("agent MCP Tutorial: made 1970-01-01 00:16 UTC, works until 2")
    assert "1 previous secret of agent MCP Tutorial ended" in run(data, "end", "agent", "MCP Tutorial").output
    assert run(data, "list").output.splitlines() == [new]
    first, second = stored(data)
    assert first.expires_at is not None
    assert second.expires_at is None


def test_ending_the_overlap_leaves_the_newest_secret(data):
    for _ in range(2):
        assert "has no previous secret" in run(data, "end", "agent", "a1").output
        (only,) = stored(data)
        assert only.expires_at is None
    for _ in range(3):
        rotate(data, "agent", "a1", "--keep-previous", "1 day")
    assert "3 previous secrets" in run(data, "end", "agent", "a1").output
    assert len(run(data, "list").output.splitlines()) == 1


@pytest.mark.parametrize("method", ["none", "private_key_jwt"])
def test_an_agent_that_proves_itself_otherwise_gets_no_secret(data, method):
    async def register() -> None:
        async with open_store(sqlite_url(data)) as store:
            rows = store.directory_rows
            await rows.change([Put(replace(AGENT, document={"client_auth": method}))], await rows.version())

    asyncio.run(register())
    result = rotate(data, "agent", "MCP Tutorial")
    assert result.exit_code == 1
    assert f"authenticates by {method}" in result.output
    assert len(stored(data)) == 1
