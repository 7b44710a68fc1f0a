import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from datetime import date
from decimal import Decimal

import pytest

from deputize.gateway.state.budgets import BudgetsUnavailable, Charge
from deputize.gateway.state.sqlite_budgets import SqliteBudgets

TODAY = date(2027, 1, 15)


def charge(amount, limit="10", *, budget="daily", holder="demouser", day=TODAY):
    return Charge(budget, holder, day, Decimal(amount), Decimal(limit))


@pytest.fixture
async def budgets(tmp_path):
    opened = SqliteBudgets(tmp_path / "state" / "budgets.sqlite")
    yield opened
    await opened.close()


async def spent(budgets, **which):
    (amount,) = await budgets.spent([charge(0, **which)])
    return amount


async def test_what_is_reserved_is_spent_up_to_the_limit_exactly(budgets):
    assert await spent(budgets) == 0
    for _ in range(3):
        assert (await budgets.reserve([charge("3.3")])).exceeded == ()
    assert (await budgets.reserve([charge("0.100000000000000001")])).exceeded == ("daily",)
    assert (await budgets.reserve([charge("0.1")])).exceeded == ()
    assert await spent(budgets) == 10


async def test_days_holders_and_budgets_are_apart(budgets):
    await budgets.reserve([charge(10)])
    for other in ({"budget": "calls"}, {"holder": "other"}, {"day": date(2027, 1, 16)}):
        assert await spent(budgets, **other) == 0
        assert (await budgets.reserve([charge(10, **other)])).exceeded == ()
    assert await spent(budgets) == 10


async def test_of_several_budgets_all_are_counted_or_none(budgets):
    await budgets.reserve([charge(8, budget="narrow")])
    refused = await budgets.reserve([charge(3), charge(3, budget="narrow"), charge(30, budget="wide")])
    assert refused.exceeded == ("narrow", "wide")
    assert await spent(budgets) == 0


async def test_what_did_not_happen_is_given_back(budgets):
    kept = await budgets.reserve([charge(4)])
    await budgets.reserve([charge(5)])
    await budgets.release(kept)
    assert await spent(budgets) == 5
    await budgets.release(await budgets.reserve([charge(100)]))  # counted nothing
    assert await spent(budgets) == 5


async def test_old_days_are_forgotten_and_the_last_ones_kept(budgets):
    for day in (12, 13, 14, 15, 16):
        await budgets.reserve([charge(1, day=date(2027, 1, day))])
    assert [await spent(budgets, day=date(2027, 1, day)) for day in (12, 13, 14, 15)] == [0, 1, 1, 1]


async def test_the_file_is_made_when_it_is_used_and_is_the_operators_alone(budgets, tmp_path):
    assert list(tmp_path.iterdir()) == []
    await budgets.reserve([charge(1)])
    assert {stat.S_IMODE(each.stat().st_mode) for each in (tmp_path / "state").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


async def test_a_place_that_is_none_is_named(tmp_path):
    (tmp_path / "text").write_text("no database, but long enough to look at" * 50)
    for path in (tmp_path, tmp_path / "text" / "below"):
        with pytest.raises(BudgetsUnavailable, match="cannot be used"):
            SqliteBudgets(path)
    budgets = SqliteBudgets(tmp_path / "text")
    with pytest.raises(BudgetsUnavailable, match="text cannot be used: file is not a database"):
        await budgets.reserve([charge(1)])
    await budgets.close()


async def test_what_cannot_be_counted_now_is_not_permitted(budgets, tmp_path, monkeypatch):
    await spent(budgets)
    budgets._connection.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(tmp_path / "state" / "budgets.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BudgetsUnavailable, match="locked"):
        await budgets.reserve([charge(1)])
    other.execute("COMMIT")
    other.close()
    assert (await budgets.reserve([charge(1)])).exceeded == ()


async def test_after_it_is_closed_nothing_is_permitted(tmp_path):
    budgets = SqliteBudgets(tmp_path / "b")
    await budgets.close()
    with pytest.raises(BudgetsUnavailable):
        await budgets.reserve([charge(1)])


async def test_who_goes_away_meanwhile_leaves_it_counted(budgets):
    await spent(budgets)
    asked = asyncio.ensure_future(budgets.reserve([charge(2)]))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await spent(budgets) == 2


RACER = """
import asyncio, sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from deputize.gateway.state.budgets import Charge
from deputize.gateway.state.sqlite_budgets import SqliteBudgets

async def race():
    budgets = SqliteBudgets(Path(sys.argv[1]))
    one = Charge("daily", "demouser", date(2027, 1, 15), Decimal("0.1"), Decimal("5"))
    print("ready", flush=True)
    sys.stdin.readline()
    asked = await asyncio.gather(*(budgets.reserve([one]) for _ in range(40)))
    print(sum(not each.exceeded for each in asked), flush=True)
    sys.stdin.readline()

asyncio.run(race())
"""


def racers(path, number):
    started = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(number)
    ]
    for each in started:
        assert each.stdout.readline() == "ready\n"
    return started


async def test_two_processes_spend_no_more_than_there_is(tmp_path):
    started = racers(tmp_path / "b", 2)
    for each in started:
        each.stdin.write("go\n")
        each.stdin.flush()
    permitted = [int(each.stdout.readline()) for each in started]
    for each in started:
        each.communicate("end\n")
    assert sum(permitted) == 50
    budgets = SqliteBudgets(tmp_path / "b")
    assert await spent(budgets) == 5
    await budgets.close()


async def test_what_a_killed_process_had_counted_stays_counted(tmp_path):
    (racer,) = racers(tmp_path / "b", 1)
    racer.stdin.write("go\n")
    racer.stdin.flush()
    permitted = int(racer.stdout.readline())
    os.kill(racer.pid, signal.SIGKILL)
    racer.communicate()
    budgets = SqliteBudgets(tmp_path / "b")
    assert (permitted, await spent(budgets)) == (40, 4)
    assert (await budgets.reserve([charge("1.1", limit="5")])).exceeded == ("daily",)
    await budgets.close()
