import asyncio
import getpass
import json

import pytest
from click.testing import CliRunner

from deputize.authority.directory.assemble import key_ring
from deputize.authority.directory.changes import add_missing_keys, new_environment
from deputize.authority.storage import EnvironmentRow, open_store, sqlite_url
from deputize.cli.keys import keys
from support.databases import new_database


@pytest.fixture
def data(tmp_path):
    async def prepare() -> None:
        async with open_store(new_database(tmp_path)) as store:
            seed = [
                *new_environment(EnvironmentRow("e1", "Test", {})),
                *add_missing_keys("e1", (), (), 1000.0),
            ]
            await store.directory_rows.change(seed, 0)

    asyncio.run(prepare())
    return tmp_path


def ring(data):
    async def read():
        async with open_store(sqlite_url(data)) as store:
            return key_ring((await store.directory_rows.load()).signing_keys)

    return asyncio.run(read())


def rotate(data, *options: str):
    return CliRunner().invoke(keys, ["rotate", "--data", str(data), *options], catch_exceptions=False)


@pytest.mark.parametrize("name", ["Test", "e1"])
def test_the_next_keys_sign(data, name):
    before = ring(data)
    result = rotate(data, "--environment", name)
    after = ring(data)
    assert result.exit_code == 0
    for algorithm in ("ES256", "RS256"):
        waited = next(key for key in before.keys if (key.state, key.algorithm) == ("next", algorithm))
        assert after.signing_key(algorithm).kid == waited.kid
        assert f"{name} signs with {waited.kid} ({algorithm})" in result.output.splitlines()
    assert [key.state for key in after.keys] == [*["current"] * 2, *["next"] * 2, *["retired"] * 2]


def test_one_algorithm_can_be_rotated_or_added(data):
    before = ring(data)
    rotate(data, "--environment", "Test", "--algorithm", "EdDSA")
    added = ring(data)
    assert added.algorithms == ("ES256", "RS256", "EdDSA")
    rotate(data, "--environment", "Test", "--algorithm", "ES256")
    assert ring(data).signing_key("ES256") != before.signing_key("ES256")
    assert ring(data).signing_key("EdDSA") == added.signing_key("EdDSA")


def command(data, *arguments):
    return CliRunner().invoke(
        keys, [*arguments, "--environment", "Test", "--data", str(data)], catch_exceptions=False
    )


def records(data):
    return [json.loads(line) for line in (data / "audit" / "authority.audit.json").read_text().splitlines()]


def test_keys_are_listed_with_their_states(data):
    command(data, "rotate")
    lines = command(data, "list").output.splitlines()
    assert [line.split("  ")[2].partition(",")[0] for line in lines] == [
        *["current"] * 2,
        *["next"] * 2,
        *["retired"] * 2,
    ]
    assert "made 1970-01-01 00:16 UTC, retired" in lines[4]
    assert "verifies until" in lines[4]


def test_a_retired_key_is_forgotten_at_once_and_no_other_can_be(data):
    command(data, "rotate", "--algorithm", "ES256")
    *kept_ones, retired = ring(data).keys
    for kept in kept_ones:
        refused = command(data, "retire", kept.kid)
        assert (refused.exit_code, f"is the {kept.state} one" in refused.output) == (1, True)
    assert "there is no key 'absent'" in command(data, "retire", "absent").output
    assert command(data, "retire", retired.kid).exit_code == 0
    assert ring(data).keys == tuple(kept_ones)


def test_every_command_leaves_a_record_of_who_did_what(data):
    before = ring(data)
    command(data, "rotate")
    command(data, "retire", "absent")
    rotated, refused = records(data)
    assert (rotated["eventName"], rotated["command"], rotated["environmentId"]) == (
        "DEPUTIZE-COMMAND",
        "keys rotate",
        "e1",
    )
    assert (rotated["decision"], rotated["osUser"]) == ("PERMIT", getpass.getuser())
    (change,) = rotated["changes"]
    assert change["before"] == {key.kid: key.state for key in before.keys}
    assert change["after"] == {key.kid: key.state for key in ring(data).keys}
    assert (refused["decision"], "there is no key 'absent'" in refused["reason"]) == ("DENY", True)
    assert rotated["transactionId"] != refused["transactionId"]


def test_without_a_place_for_records_nothing_is_done(data, tmp_path):
    before = ring(data)
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(
        keys,
        ["rotate", "--environment", "Test", "--data", str(data), "--audit", str(tmp_path / "file" / "audit")],
    )
    assert (result.exit_code, "nothing was done" in result.output) == (1, True)
    assert ring(data) == before


def test_an_environment_that_is_not_there_is_named(data):
    result = rotate(data, "--environment", "Absent")
    assert result.exit_code == 1
    assert "there is no environment 'Absent'; there is Test" in result.output
