import asyncio

import pytest
from click.testing import CliRunner

from deputize.authority.directory.assemble import key_ring
from deputize.authority.directory.changes import new_environment
from deputize.authority.storage import EnvironmentRow, open_store, sqlite_url
from deputize.cli.keys import keys


@pytest.fixture
def data(tmp_path):
    async def prepare() -> None:
        async with open_store(sqlite_url(tmp_path)) as store:
            await store.directory_rows.change(new_environment(EnvironmentRow("e1", "Test", {}), 1000.0), 0)

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
def test_the_next_key_signs(data, name):
    before = ring(data)
    result = rotate(data, "--environment", name)
    after = ring(data)
    assert result.exit_code == 0
    assert after.current.kid == before.keys[1].kid
    assert f"{name} signs with {after.current.kid}" in result.output
    assert [key.state for key in after.keys] == ["current", "next", "retired"]


def test_a_fresh_key_may_have_another_algorithm(data):
    rotate(data, "--environment", "Test", "--algorithm", "Ed25519")
    assert [key.algorithm for key in ring(data).keys] == ["ES256", "Ed25519", "ES256"]


def test_an_environment_that_is_not_there_is_named(data):
    result = rotate(data, "--environment", "Absent")
    assert result.exit_code == 1
    assert "there is no environment 'Absent'; there is Test" in result.output
