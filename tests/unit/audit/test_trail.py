import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from deputize.audit.trail import Batch, Buffering, Durability, NotKept, Trail
from support.audit_events import MCP
from support.patience import PATIENCE

OFTEN = Buffering(capacity=1000, interval=0.01)


class Disk:
    """Takes what it is told to take: `room` bytes, or an error.

    `lasting` is what a sync has brought to safety.
    """

    def __init__(self):
        self.content = b""
        self.lasting = b""
        self.room = 1_000_000
        self.calls = 0
        self.syncs = 0
        self.broken = False
        self.may_sync = threading.Event()
        self.may_sync.set()

    def write(self, data):
        self.calls += 1
        if self.room == 0:
            raise OSError(28, "No space left on device")
        taken = data[: self.room]
        self.room -= len(taken)
        self.content += taken
        return len(taken)

    def syncing(self):
        content = self.content

        def sync():
            assert self.may_sync.wait(5)
            self.syncs += 1
            if self.broken:
                raise OSError(5, "Input/output error")
            self.lasting = content

        return sync

    def records(self):
        return numbers(self.content)


def numbers(content):
    return [from_json(line)["transactionId"] for line in content.splitlines()]


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def trail():
    return Trail()


@pytest.fixture
def make_batch(disk, trail):
    return lambda buffering=OFTEN, durability=None: Batch("disk", disk.write, trail, buffering, durability)


@pytest.fixture
def durable(disk, make_batch):
    with ThreadPoolExecutor(max_workers=1) as thread:
        yield make_batch(durability=Durability(disk.syncing, thread))
        disk.may_sync.set()


def event(number):
    return replace(MCP, transaction_id=str(number)).record()


UNWRITABLE = MCP.record()._replace(text="ä")
"""Not ASCII, as only a fault of ours could be."""


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.001)


async def test_all_records_of_a_turn_are_written_at_once_and_in_order(disk, make_batch, trail):
    batch = make_batch()
    for number in range(600):
        batch.add(event(number))
    assert disk.calls == 0
    await trail.written()
    assert disk.records() == [str(number) for number in range(600)]
    assert disk.calls == 3  # 256 records are rendered in one go
    await batch.close()


async def test_what_waits_for_a_record_goes_on_only_behind_it(disk, make_batch, trail):
    batches = make_batch(), make_batch()
    seen = []
    for number, batch in enumerate(batches):
        batch.add(event(number))
        assert trail.hold(lambda: seen.append(disk.records()))
    assert seen == []
    await trail.written()
    assert seen == [["0", "1"]] * 2
    assert not trail.hold(lambda: seen.append("not called"))


async def test_one_that_waits_and_fails_does_not_keep_the_others(make_batch, trail):
    make_batch().add(event(1))
    assert trail.hold({}.popitem)
    with structlog.testing.capture_logs() as logs:
        await trail.written()
    assert [entry["event"] for entry in logs] == ["the audit, or what waited for it, failed"]


async def test_a_full_disk_is_reported_once_and_loses_nothing_in_between(disk, make_batch, trail):
    disk.room = 1000
    batch = make_batch()
    with structlog.testing.capture_logs() as logs:
        for number in range(5):
            batch.add(event(number))
        await until(lambda: disk.calls > 3)
        assert trail.is_failing
        batch.add(event(5))
        assert not trail.hold(lambda: None)  # traffic goes on
        (figures,) = trail.figures()
        assert (figures.is_failing, figures.waiting, figures.tally.written) == (True, 5, 1)
        disk.room = 1_000_000
        await until(lambda: not trail.is_failing)
        await batch.close()
    assert disk.records() == [str(number) for number in range(6)]
    assert [(entry["log_level"], entry["event"]) for entry in logs] == [
        ("error", "audit records cannot be written and are kept"),
        ("warning", "audit records are written again"),
    ]
    assert logs[0]["error"] == "No space left on device"
    (figures,) = trail.figures()
    assert (figures.is_failing, figures.waiting, figures.tally.written, figures.tally.dropped) == (
        False,
        0,
        6,
        0,
    )
    assert figures.tally.failures > 1


async def test_beyond_the_capacity_records_are_dropped_and_counted(disk, make_batch, trail):
    disk.room = 0
    batch = make_batch(Buffering(capacity=3, interval=0.01))
    with structlog.testing.capture_logs() as logs:
        batch.add(event(0))
        await trail.written()
        disk.room = 1_000_000
        for number in range(1, 7):
            batch.add(event(number))
        await batch.close()
    assert disk.records() == ["0", "1", "2", "3"]
    assert [entry.get("capacity") for entry in logs] == [None, 3]
    (figures,) = trail.figures()
    assert (figures.tally.written, figures.tally.dropped) == (4, 3)


async def test_closing_on_a_full_disk_ends_and_says_what_is_lost(disk, make_batch, trail):
    disk.room = 0
    batch = make_batch()
    batch.add(event(1))
    with structlog.testing.capture_logs() as logs:
        await batch.close()
    assert (logs[-1]["event"], logs[-1]["records"]) == ("audit records are lost at the end", 1)
    assert [figures.tally.dropped for figures in trail.figures()] == [1]


# Committing.


async def test_a_committed_record_is_on_the_disk(disk, durable):
    await durable.commit(event(1))
    assert numbers(disk.lasting) == ["1"]
    await durable.close()


async def test_those_that_come_during_a_sync_share_the_next(disk, durable):
    disk.may_sync.clear()
    first = asyncio.create_task(durable.commit(event(0)))
    await until(lambda: disk.records() == ["0"])
    others = [asyncio.create_task(durable.commit(event(number))) for number in range(1, 20)]
    await until(lambda: len(disk.records()) == 20)
    assert not any(task.done() for task in (first, *others))
    disk.may_sync.set()
    await asyncio.gather(first, *others)
    assert disk.syncs == 2
    assert len(numbers(disk.lasting)) == 20
    await durable.close()


@pytest.mark.parametrize("trouble", ["full", "broken"])
async def test_a_record_that_cannot_be_committed_is_refused_until_there_is_room(
    disk, durable, trail, trouble
):
    disk.room, disk.broken = (0, False) if trouble == "full" else (1_000_000, True)
    for number in range(3):
        with pytest.raises(OSError, match="o"):
            await durable.commit(event(number))
    assert trail.is_failing
    assert (durable.waiting, disk.records()) in [
        (1, []),
        (0, ["0"]),
    ]  # only the first, which found out, is kept
    disk.room, disk.broken = 1_000_000, False
    await until(lambda: not trail.is_failing)
    await durable.commit(event(7))
    assert numbers(disk.lasting) == ["0", "7"]
    await durable.close()


async def test_a_disk_that_does_not_answer_counts_as_broken_until_it_does(disk, make_batch, trail):
    disk.may_sync.clear()
    with ThreadPoolExecutor(max_workers=1) as thread:
        batch = make_batch(durability=Durability(disk.syncing, thread, seconds=0.01))
        with pytest.raises(TimeoutError):
            await batch.commit(event(1))
        with pytest.raises(OSError, match="cannot"):
            await batch.commit(event(2))
        batch.add(event(3))
        disk.may_sync.set()
        await until(lambda: not trail.is_failing)
    assert disk.records() == ["1", "3"]
    await batch.close()


async def test_a_caller_that_gives_up_takes_nobody_with_it(disk, durable):
    disk.may_sync.clear()
    first, second = (asyncio.create_task(durable.commit(event(number))) for number in range(2))
    await until(lambda: len(disk.records()) == 2)
    first.cancel()
    disk.may_sync.set()
    await second
    assert len(numbers(disk.lasting)) == 2
    await durable.close()


async def test_a_record_that_finds_no_room_in_memory_is_not_confirmed(disk, make_batch):
    with ThreadPoolExecutor(max_workers=1) as thread:
        batch = make_batch(Buffering(capacity=2, interval=0.01), Durability(disk.syncing, thread))
        outcomes = await asyncio.gather(
            *(batch.commit(event(number)) for number in range(4)), return_exceptions=True
        )
        assert [isinstance(outcome, NotKept) for outcome in outcomes] == [False, False, True, True]
        assert numbers(disk.lasting) == ["0", "1"]
        await batch.close()


@given(
    st.lists(
        st.one_of(
            st.sampled_from(["add", "add many", "faulty", "commit", "turn", "mend"]), st.integers(0, 2500)
        ),
        max_size=30,
    ),
    st.sampled_from([1, 3, 1000]),
)
async def test_whatever_happens_to_the_disk_what_was_confirmed_is_on_it_and_nothing_is_twice(steps, capacity):
    """`steps`: a record, many, one that cannot be rendered, a committed one, a turn of the event loop, room
    again, or so many bytes of room.

    Every record is on the disk, in order, or counted as dropped, or its maker has been told.
    """
    disk, trail = Disk(), Trail()
    confirmed, refused, made, running = set(), [], 0, []
    with ThreadPoolExecutor(max_workers=1) as thread:
        batch = Batch(
            "disk",
            disk.write,
            trail,
            Buffering(capacity, 0.01),
            Durability(disk.syncing, thread),
        )

        async def commit(number):
            try:
                await batch.commit(event(number))
            except NotKept:
                refused.append(number)
            except OSError:
                return
            else:
                assert str(number) in numbers(disk.lasting)
                confirmed.add(str(number))

        with structlog.testing.capture_logs():
            for step in steps:
                if step == "faulty":
                    batch.add(UNWRITABLE)
                    made += 1
                elif step == "commit":
                    running.append(asyncio.create_task(commit(made)))
                    made += 1
                elif step in {"add", "add many"}:
                    for _ in range(1 if step == "add" else 300):
                        batch.add(event(made))
                        made += 1
                elif step == "turn":
                    await asyncio.sleep(0)
                else:
                    disk.room = 1_000_000 if step == "mend" else step
            await asyncio.gather(*running)
            disk.room = 10_000_000
            await until(lambda: not trail.is_failing)
            await batch.close()
    records = [int(number) for number in disk.records()]
    assert confirmed <= set(disk.records())
    assert len(records) == len(set(records))
    (figures,) = trail.figures()
    assert figures.tally.written == len(records)
    assert figures.tally.written + figures.tally.dropped + len(refused) == made
    if "commit" not in steps:  # one that is committed is added when its task runs
        assert records == sorted(records)


async def test_the_real_full_device_refuses(trail):
    full = os.open("/dev/full", os.O_WRONLY)
    batch = Batch("full", lambda data: os.write(full, data), trail, OFTEN)
    with structlog.testing.capture_logs() as logs:
        batch.add(event(1))
        await trail.written()
        await batch.close()
    os.close(full)
    assert logs[0]["error"] == "No space left on device"


async def test_a_record_that_cannot_be_rendered_takes_no_other_with_it(disk, make_batch, trail):
    batch = make_batch()
    for each in (event(1), UNWRITABLE, event(2)):
        batch.add(each)
    with structlog.testing.capture_logs() as logs:
        await trail.written()
    assert disk.records() == ["1", "2"]
    assert [entry["event"] for entry in logs] == ["an audit record cannot be rendered"]
    await batch.close()
