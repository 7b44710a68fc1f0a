"""Processes that are killed.

What was answered is kept, what was not answered did not happen, and of two processes one wins.
"""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deputize.authority.storage import EnvironmentRow, Put, open_store, sqlite_url
from deputize.oauth.records.store import User
from support.patience import PATIENCE
from support.store_records import CODE, ENVIRONMENT, GRANT, TOKEN, USER_ID

PROGRAM = """
import asyncio, os, signal, sys
from pathlib import Path
from support.store_records import CODE, TOKEN
from deputize.authority.storage import open_store, sqlite_url

async def main(data, name, when):
    async with open_store(sqlite_url(Path(data))) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        if when == "inside":
            connection = store.database._writer._connection
            connection.exec_driver_sql = killing(connection.exec_driver_sql)
        won = await store.codes.redeem_code(CODE.digest, 1001.0, TOKEN)
        print("won" if won else "lost", flush=True)
        if when == "after":
            os.kill(os.getpid(), signal.SIGKILL)

def killing(execute):
    def execute_or_die(statement):
        if statement == "COMMIT":
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(statement)
    return execute_or_die

asyncio.run(main(*sys.argv[1:]))
"""
TESTS = Path(__file__).resolve().parents[2]


class Redeeming:
    """A process that redeems the code when told to."""

    def __init__(self, data: Path, name: str, when: str = "never") -> None:
        environment = {"PYTHONPATH": str(TESTS), "PATH": ""}
        command = [sys.executable, "-c", PROGRAM, str(data), name, when]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._process.stdout.readline() == "ready\n"

    def go(self) -> None:
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def outcome(self) -> tuple[str, int]:
        said, _ = self._process.communicate(timeout=PATIENCE)
        return said.strip(), self._process.returncode


@pytest.fixture
def data(tmp_path) -> Path:
    asyncio.run(prepare(tmp_path))
    return tmp_path


async def prepare(data: Path) -> None:
    async with open_store(sqlite_url(data)) as store:
        user = User(USER_ID, ENVIRONMENT, "demouser", "")
        await store.directory_rows.change([Put(EnvironmentRow(ENVIRONMENT, "Test", {})), Put(user)], 0)
        await store.codes.add_code(CODE, GRANT)


async def redeemed(data: Path) -> bool:
    async with open_store(sqlite_url(data)) as store:
        return await store.refresh_tokens.find_refresh_token(TOKEN.digest) is not None


@pytest.mark.slow
def test_of_two_processes_one_redeems(data):
    both = [Redeeming(data, name) for name in ("one", "two")]
    for each in both:
        each.go()
    assert sorted(each.outcome() for each in both) == [("lost", 0), ("won", 0)]


def test_what_was_answered_survives_a_kill_right_after(data):
    process = Redeeming(data, "one", "after")
    process.go()
    assert process.outcome() == ("won", -signal.SIGKILL)
    assert asyncio.run(redeemed(data))
    again = Redeeming(data, "two")
    again.go()
    assert again.outcome() == ("lost", 0)


@pytest.mark.slow
def test_a_kill_before_the_commit_leaves_nothing_done(data):
    process = Redeeming(data, "one", "inside")
    process.go()
    assert process.outcome() == ("", -signal.SIGKILL)
    assert not asyncio.run(redeemed(data))
    again = Redeeming(data, "two")
    again.go()
    assert again.outcome() == ("won", 0)
