import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench import programs
from bench.measure import WARM_UP_SECONDS, Plan, Result, take_turns
from bench.programs import Program


def test_candidates_take_turns_after_a_warm_up_of_each():
    order = []

    def candidate(name):
        def drive(seconds):
            order.append((name, seconds))
            return {"cpu_us": len(order)}

        return drive

    plan = Plan(rounds=2, seconds=7, folder=Path(), say=lambda _: None)
    results = take_turns(plan, {"a": candidate("a"), "b": candidate("b")})
    assert order == [("a", WARM_UP_SECONDS), ("b", WARM_UP_SECONDS), ("a", 7), ("b", 7), ("a", 7), ("b", 7)]
    assert [(each.name, [figures["cpu_us"] for figures in each.rounds]) for each in results] == [
        ("a", [3, 5]),
        ("b", [4, 6]),
    ]


def test_the_median_is_of_the_rounds():
    result = Result("a", ({"cpu_us": 9}, {"cpu_us": 1}, {"cpu_us": 2}))
    assert result.median("cpu_us") == 2


@pytest.fixture
def _no_waiting(monkeypatch):
    monkeypatch.setattr(programs.time, "sleep", lambda _: None)


@pytest.mark.usefixtures("_no_waiting")
def test_a_round_begins_when_the_last_one_is_worked_off(monkeypatch):
    used = iter([1.0, 1.5, 1.9, 2.0, 2.0, 3.0])
    monkeypatch.setattr(Program, "cpu_seconds", lambda _: next(used))
    assert Program("http://127.0.0.1/", 0).settle() == 2.0


@pytest.mark.usefixtures("_no_waiting")
def test_a_program_that_never_rests_is_not_measured(monkeypatch):
    used, clock = iter(range(1000)), iter(range(1000))
    monkeypatch.setattr(Program, "cpu_seconds", lambda _: next(used))
    monkeypatch.setattr(programs.time, "monotonic", lambda: next(clock))
    with pytest.raises(RuntimeError, match="busy"):
        Program("http://127.0.0.1/", 0).settle()


def test_a_process_that_has_ended_but_is_not_waited_for_uses_no_memory():
    ended = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    assert Program("", ended.pid).memory_kib() == 0
    ended.wait()
    assert Program("", ended.pid).memory_kib() == 0
