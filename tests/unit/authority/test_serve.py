"""The authority as a program."""

import asyncio

import pytest

from deputize.authority.directory.changes import new_environment
from deputize.authority.serve import FAMILIES, ServeOptions, open_services, serve
from deputize.authority.storage import EnvironmentRow, Put, SigningKeyRow, open_store
from deputize.jose import new_key_ring
from deputize.kernel.errors import ConfigurationError
from support.databases import new_database
from support.patience import PATIENCE


@pytest.fixture
def forgotten():
    """Families that read their entry points anew, now and after the test."""

    def forget():
        for family in FAMILIES:
            for name in ("members", "by_name"):
                family.__dict__.pop(name, None)

    forget()
    yield
    forget()


@pytest.mark.parametrize("group", [family.group for family in FAMILIES])
async def test_a_broken_package_ends_the_start_with_what_is_wrong(forgotten, tmp_path, monkeypatch, group):
    metadata = tmp_path / "site" / "broken-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{group}]\nadded = no_such_module:X\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    options, database = ServeOptions("127.0.0.1", 0, "http://localhost"), f"sqlite:///{tmp_path}/data.db"
    with pytest.raises(ConfigurationError) as raised:
        await asyncio.wait_for(serve(database, options, tmp_path / "audit", print), PATIENCE)
    assert str(raised.value) == (
        "the entry point 'added' of broken: no_such_module:X cannot be imported: ModuleNotFoundError: "
        f"No module named 'no_such_module' (repair or remove broken, which adds it to {group})"
    )
    assert not (tmp_path / "data.db").exists()


async def test_an_environment_of_an_earlier_version_gets_the_keys_it_lacks(tmp_path):
    url = new_database(tmp_path)
    old = new_key_ring("a", "b", 0.0).keys
    async with open_store(url) as store:
        rows = [SigningKeyRow("e1", key.kid, place, key.to_json()) for place, key in enumerate(old)]
        await store.directory_rows.change(
            [*new_environment(EnvironmentRow("e1", "Old", {})), *map(Put, rows)], 0
        )
    options = ServeOptions("127.0.0.1", 0, "http://localhost")
    async with open_services(url, options, tmp_path / "audit") as services:
        keys = services.directory.current.environments["e1"].keys
    assert keys.algorithms == ("ES256", "RS256")
    assert all(key in keys.keys for key in old)


def test_they_are_all_that_the_authority_reads():
    assert {family.group for family in FAMILIES} == {
        "deputize.grants",
        "deputize.client_authentication",
        "deputize.sign_on_steps",
        "deputize.mapping_functions",
    }
