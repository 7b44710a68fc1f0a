import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from deputize.authority.directory.changes import add_missing_keys, new_environment, replace_secret
from deputize.authority.directory.service import open_directory
from deputize.authority.storage import EnvironmentRow, ObjectRow, Put, open_store
from support.databases import new_database
from support.patience import PATIENCE

ENVIRONMENT = EnvironmentRow(
    "e1",
    "Test",
    {"organization_id": "00000000-0000-4000-8000-0000000000c1"},
)
AGENT = ObjectRow("a1", "e1", "agent", "Agent", {})


class SteppedClock:
    def __init__(self) -> None:
        self.instant = 1000.0

    def now(self) -> float:
        return self.instant


@pytest.fixture
async def directory_store(tmp_path):
    async with open_store(new_database(tmp_path)) as store:
        await store.directory_rows.change(
            [*new_environment(ENVIRONMENT), *add_missing_keys(ENVIRONMENT.id, (), (), 1000.0), Put(AGENT)], 0
        )
        yield store


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def directory(directory_store, clock):
    return await open_directory(directory_store.directory_rows, "http://localhost", clock)


def enabled(directory) -> bool:
    return directory.current.environments["e1"].agents["a1"].enabled


async def disable(store) -> None:
    await store.directory_rows.change(
        [Put(replace(AGENT, document={"enabled": False}))], await store.directory_rows.version()
    )


async def test_a_snapshot_stays_as_it_was_and_is_replaced_as_a_whole(directory, directory_store):
    held = directory.current
    assert not await directory.refresh()
    assert directory.current is held
    await disable(directory_store)
    assert await directory.refresh()
    assert not enabled(directory)
    assert held.environments["e1"].agents["a1"].enabled


class SlowRows:
    """The store's rows; where there is a `hold`, what was read next is held back until that is set."""

    def __init__(self, rows):
        self.rows, self.hold, self.is_held = rows, None, asyncio.Event()

    async def version(self):
        return await self.rows.version()

    async def load(self):
        loaded, hold, self.hold = await self.rows.load(), self.hold, None
        if hold:
            self.is_held.set()
            await hold.wait()
        return loaded


async def test_who_began_to_read_before_a_change_does_not_undo_it(directory_store, clock):
    rows, hold = SlowRows(directory_store.directory_rows), asyncio.Event()
    directory = await open_directory(rows, "http://localhost", clock)
    await rows.rows.change([Put(replace(AGENT, name="Renamed"))], await rows.version())
    rows.hold = hold
    late = asyncio.create_task(directory.refresh())
    await rows.is_held.wait()
    await disable(directory_store)
    await directory.refresh()
    hold.set()
    await late
    assert not enabled(directory)


async def test_a_secret_that_expires_leaves_without_any_change(directory, directory_store, clock):
    rows = directory_store.directory_rows
    first, _ = replace_secret(AGENT, (), 1000.0)
    await rows.change(first, await rows.version())
    second, _ = replace_secret(AGENT, (await rows.load()).secrets, 1000.0, keep_previous=60.0)
    await rows.change(second, await rows.version())
    await directory.refresh()
    assert len(directory.current.environments["e1"].agents["a1"].secret_digests) == 2
    clock.instant = 1059.0
    assert not await directory.refresh()
    clock.instant = 1060.0
    assert await directory.refresh()
    assert len(directory.current.environments["e1"].agents["a1"].secret_digests) == 1
    assert not await directory.refresh()


async def test_watching_follows_another_process(directory, directory_store):
    watching = asyncio.create_task(directory.watch(0.001))
    await disable(directory_store)
    async with asyncio.timeout(PATIENCE):
        while enabled(directory):
            await asyncio.sleep(0.001)
    watching.cancel()


async def test_the_last_snapshot_serves_while_the_store_does_not_answer(
    directory, directory_store, monkeypatch
):
    broken = asyncio.Event()

    async def fail() -> int:
        broken.set()
        raise OSError("disk on fire")

    monkeypatch.setattr(directory_store.directory_rows, "version", fail)
    watching = asyncio.create_task(directory.watch(0.001))
    async with asyncio.timeout(PATIENCE):
        await broken.wait()
    assert enabled(directory)
    monkeypatch.undo()
    await disable(directory_store)
    async with asyncio.timeout(PATIENCE):
        while enabled(directory):
            await asyncio.sleep(0.001)
    watching.cancel()


async def test_problems_are_kept_for_whoever_asks(directory, directory_store):
    rows = directory_store.directory_rows
    await rows.change([Put(replace(AGENT, document={"x": 1}))], await rows.version())
    await directory.refresh()
    assert len(directory.problems) == 1


async def test_a_missing_package_is_logged_at_the_start_and_when_the_directory_changes(
    directory_store, clock
):
    policy = ObjectRow("p1", "e1", "policy", "P", {"steps": [{"login": {}}, {"captcha": {}}]})
    rows = directory_store.directory_rows
    await rows.change([Put(policy)], await rows.version())
    with capture_logs() as lines:
        directory = await open_directory(rows, "http://localhost", clock)
        await disable(directory_store)
        await directory.refresh()
    told = [line for line in lines if line["event"] == "a package is missing"]
    assert [
        "policy 'P' of environment 'Test' has the step 'captcha'" in line["problem"] for line in told
    ] == [
        True,
        True,
    ]
