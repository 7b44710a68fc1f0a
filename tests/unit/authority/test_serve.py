"""The authority as a program."""

import asyncio
import json

import pytest
import structlog

from deputize.authority.administration import Operator
from deputize.authority.administration.administrators import find_environment, make_environment
from deputize.authority.directory.changes import new_environment
from deputize.authority.serve import FAMILIES, ServeOptions, follow_base_url, open_services, serve
from deputize.authority.storage import EnvironmentRow, Put, SigningKeyRow, open_store
from deputize.jose import new_key_ring
from deputize.kernel.errors import ConfigurationError
from support.databases import new_database
from support.patience import PATIENCE

ROOT = Operator("command", "0", "root", frozenset({"administrator"}))


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


async def test_the_resource_of_the_management_api_is_where_that_is_served_and_stays_as_it_is_stored(tmp_path):
    url = new_database(tmp_path)
    for base_url in ("http://localhost:9080", "https://login.example.com", "https://login.example.com"):
        options = ServeOptions("127.0.0.1", 0, base_url)
        async with open_services(url, options, tmp_path / "audit") as services:
            await make_environment(services.store, services.passwords, services.clock, "http://first.test")
            await follow_base_url(services)
            home = await find_environment(services.store)
            assert home.base_url == base_url
            page = await services.administration.list(ROOT, home.id, "resource")
            assert [each.entry["audience"] for each in page.items] == ["http://first.test/v1"]
            assert f"{base_url}/v1" in {
                each.audience for each in services.directory.current.environments[home.id].resources.values()
            }
    lines = (tmp_path / "audit" / "authority.audit.json").read_text().splitlines()
    changed = [json.loads(line) for line in lines if '"DEPUTIZE-ENVIRONMENT-CHANGED"' in line]
    assert len(changed) == 2  # what links begin with, at the first start and the second


async def test_servers_of_one_database_each_have_the_management_api_at_their_own_address(tmp_path):
    """Whichever started last: a token for either opens that one's API."""
    url, inner, outer = new_database(tmp_path), "http://localhost:9080", "https://login.example.com"
    first, second = (ServeOptions("127.0.0.1", 0, each) for each in (inner, outer))

    def audience_in(services, home):
        resources = services.directory.current.environments[home.id].resources.values()
        return next(each.audience for each in resources if each.name == "Management")

    async with open_services(url, first, tmp_path / "first") as one:
        await make_environment(one.store, one.passwords, one.clock, inner)
        home = await find_environment(one.store)
        async with open_services(url, second, tmp_path / "second") as two:
            await follow_base_url(two)
            await one.directory.refresh()
            assert (audience_in(one, home), audience_in(two, home)) == (f"{inner}/v1", f"{outer}/v1")
            await follow_base_url(one)
            await two.directory.refresh()
            assert (audience_in(one, home), audience_in(two, home)) == (f"{inner}/v1", f"{outer}/v1")


async def test_a_server_starts_whose_management_api_has_a_taken_address_and_says_so(tmp_path):
    url, base_url = new_database(tmp_path), "https://login.example.com"
    async with open_services(url, ServeOptions("127.0.0.1", 0, base_url), tmp_path / "audit") as services:
        await make_environment(services.store, services.passwords, services.clock, "http://first.test")
        home = await find_environment(services.store)
        entry = {"name": "Other", "audience": f"{base_url}/v1"}
        await services.administration.change(ROOT, home.id, "resource", entry)
        with structlog.testing.capture_logs() as logged:
            await follow_base_url(services)
        said = [each for each in logged if each["log_level"] == "warning"][-1]
        assert said["event"].startswith("no token opens the management API"), logged
        assert said["resource"] == "Other"


def test_they_are_all_that_the_authority_reads():
    assert {family.group for family in FAMILIES} == {
        "deputize.grants",
        "deputize.client_authentication",
        "deputize.sign_on_steps",
        "deputize.mapping_functions",
    }
