import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog
from pydantic_core import from_json

from deputize.audit.batches import Batch, Buffering
from support.audit_events import MCP

SLOW = Buffering(capacity=1000, interval=60)
FAST = Buffering(capacity=1000, interval=0.005)


class Disk:
    """Takes what it is told to take: `room` bytes, or an error."""

    def __init__(self):
        self.content = b""
        self.room = 1_000_000
        self.calls = 0

    def write(self, data):
        self.calls += 1
        if self.room == 0:
            raise OSError(28, "No space left on device")
        taken = data[: self.room]
        self.room -= len(taken)
        self.content += taken
        return len(taken)

    def records(self):
        return [from_json(line)["transactionId"] for line in self.content.splitlines()]


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def make_batch(disk):
    thread = ThreadPoolExecutor(max_workers=1)
    yield lambda buffering: Batch("disk", disk.write, thread, buffering, type(MCP).json)
    thread.shutdown()


def event(number):
    return MCP._replace(transaction_id=str(number))


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_nothing_is_written_on_the_request_path(disk, make_batch):
    batch = make_batch(SLOW)
    batch.add(event(1))
    await asyncio.sleep(0)
    assert disk.calls == 0
    await batch.close()
    assert disk.records() == ["1"]


async def test_records_of_one_interval_are_written_together_and_in_order(disk, make_batch):
    batch = make_batch(FAST)
    for number in range(10):
        batch.add(event(number))
    await until(lambda: disk.records() == [str(number) for number in range(10)])
    assert disk.calls == 1
    batch.add(event(10))
    await until(lambda: disk.records()[-1] == "10")
    await batch.close()


async def test_many_records_do_not_wait_for_the_interval(disk, make_batch):
    batch = make_batch(SLOW)
    for number in range(300):
        batch.add(event(number))
    await until(lambda: len(disk.records()) >= 256)
    await batch.close()
    assert disk.records() == [str(number) for number in range(300)]


async def test_a_full_disk_is_reported_once_and_loses_nothing_in_between(disk, make_batch):
    disk.room = 1000
    batch = make_batch(FAST)
    with structlog.testing.capture_logs() as logs:
        for number in range(5):
            batch.add(event(number))
        await until(lambda: disk.calls > 3)
        batch.add(event(5))
        disk.room = 1_000_000
        await until(lambda: len(disk.content.splitlines()) == 6)
        await batch.close()
    assert disk.records() == [str(number) for number in range(6)]
    assert [(entry["log_level"], entry["event"]) for entry in logs] == [
        ("error", "audit records cannot be written and are kept"),
        ("warning", "audit records are written again"),
    ]
    assert logs[0]["error"] == "No space left on device"


async def test_beyond_the_capacity_records_are_dropped_and_counted(disk, make_batch):
    batch = make_batch(Buffering(capacity=3, interval=60))
    with structlog.testing.capture_logs() as logs:
        for number in range(7):
            batch.add(event(number))
        await batch.close()
    assert disk.records() == ["0", "1", "2"]
    assert [entry.get("dropped") for entry in logs] == [None, 4]


async def test_closing_on_a_full_disk_ends_and_says_what_is_lost(disk, make_batch):
    disk.room = 0
    batch = make_batch(SLOW)
    batch.add(event(1))
    with structlog.testing.capture_logs() as logs:
        await batch.close()
    assert logs[-1]["event"] == "audit records are lost at the end"
