from itertools import count
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from deputize.gateway.decorators import timer
from deputize.http.plans import Filter, Handler
from support.gateway import Answering, ask, built, exchange_for, heap_of, through

ANSWER = {"type": "StaticResponseHandler", "config": {"status": 200}}
ADD = {"type": "HeaderFilter", "config": {"messageType": "REQUEST", "add": {"X-Added": "yes"}}}


@pytest.fixture
def clock(monkeypatch):
    """A second passes each time somebody looks."""
    seconds = count()
    clock = SimpleNamespace(monotonic=lambda: float(next(seconds)))
    monkeypatch.setattr(timer, "time", clock)


def timed(lines):
    return [line for line in lines if line["event"] == "timed"]


@pytest.mark.parametrize(("unit", "expected"), [("seconds", 1.0), ("milliseconds", 1000.0)])
@pytest.mark.usefixtures("clock")
async def test_a_handler_is_timed(unit, expected):
    heap = heap_of({"name": "timer", "type": "TimerDecorator", "config": {"timeUnit": unit}})
    with capture_logs() as lines:
        await ask(built(Handler, {**ANSWER, "name": "it", "timer": True}, heap), exchange_for())
    [line] = timed(lines)
    assert (line["object"], line["elapsed"], line["unit"]) == ("it", expected, unit)
    assert (line["transaction"], "within" in line) == ("transaction-1", False)


@pytest.mark.usefixtures("clock")
async def test_a_filter_is_timed_with_and_without_what_is_behind_it():
    heap = heap_of({"name": "timer", "type": "TimerDecorator", "config": {"timeUnit": "seconds"}})
    decorated = built(Filter, {**ADD, "timer": True}, heap)
    with capture_logs() as lines:
        await through(decorated, exchange_for(), Answering())
    [line] = timed(lines)
    assert (line["elapsed"], line["within"], line["object"]) == (3.0, 2.0, "/handler")


async def test_a_filter_that_answers_has_taken_all_the_time_itself():
    members = {"type": "ConditionEnforcementFilter", "config": {"condition": "${false}"}, "timer": True}
    with capture_logs() as lines:
        await through(built(Filter, members), exchange_for(), Answering())
    [line] = timed(lines)
    assert line["elapsed"] == line["within"]


async def test_false_times_nothing():
    with capture_logs() as lines:
        await ask(built(Handler, {**ANSWER, "timer": False}), exchange_for())
    assert timed(lines) == []
