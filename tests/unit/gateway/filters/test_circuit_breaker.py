from types import SimpleNamespace

import pytest

from deputize.gateway.exchange.contexts import RefusalContext
from deputize.gateway.filters import circuit_breaker
from deputize.http.exchange import Ending
from deputize.http.messages import Response
from deputize.http.plans import Filter
from support.gateway import built, exchange_for, through

CONFIG = {"maxFailures": 2, "openDuration": "10 seconds", "slidingCounter": {"size": 4}}
REFUSING = {"type": "StaticResponseHandler", "config": {"status": 418}}


class Server:
    """Answers with what it is told next: a status, or an error that it raises."""

    def __init__(self):
        self.asked = 0
        self.next = 200

    async def handle(self, exchange):
        self.asked += 1
        if isinstance(self.next, Exception):
            raise self.next
        return Response(self.next)


@pytest.fixture
def now(monkeypatch):
    clock = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(circuit_breaker, "time", SimpleNamespace(monotonic=lambda: clock.seconds))
    return clock


class Calls:
    def __init__(self, **more):
        self.filter = built(Filter, {"type": "CircuitBreakerFilter", "config": {**CONFIG, **more}})
        self.server = Server()

    async def call(self, outcome):
        """The response to a call whose server does this."""
        self.server.next = outcome
        exchange = exchange_for()
        try:
            response = await through(self.filter, exchange, self.server)
        except ConnectionError:
            response = Response(500)
        for conclude in exchange.endings:
            conclude(exchange, Ending(response, 0, complete=True, finished=0.0))
        return response

    async def statuses(self, *outcomes):
        return [(await self.call(outcome)).status for outcome in outcomes]


@pytest.mark.parametrize("failure", [502, 503, 504, ConnectionError()])
async def test_the_circuit_opens_after_so_many_failures_and_tries_one_call(now, failure):
    calls = Calls()
    status = 500 if isinstance(failure, Exception) else failure
    assert await calls.statuses(failure, 200, failure, 200) == [status, 200, status, 503]
    assert calls.server.asked == 3
    now.seconds += 9.5
    response = await calls.call(200)
    assert (response.status, response.headers.get("retry-after")) == (503, "1")
    now.seconds += 1
    assert await calls.statuses(failure, 200) == [status, 503]  # the call that was tried failed
    now.seconds += 11
    assert await calls.statuses(200, failure, 200) == [200, status, 200]


async def test_only_the_last_calls_count(now):
    calls = Calls()
    assert await calls.statuses(502, 200, 200, 200, 502, 200) == [502, 200, 200, 200, 502, 200]
    assert await calls.statuses(502, 200) == [502, 503]


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
async def test_what_the_server_answers_is_no_failure(now, status):
    assert await Calls().statuses(*[status] * 5) == [status] * 5


async def test_one_call_is_tried_at_a_time(now):
    calls = Calls()
    await calls.statuses(502, 502)
    now.seconds += 11
    tried = exchange_for()
    assert calls.filter._check(tried) is None
    refused = exchange_for()
    assert calls.filter._check(refused).status == 503
    assert refused.find(RefusalContext).error == "circuit_open"
    calls.filter._end(tried, Ending(None, 0, complete=False, finished=0.0))  # its client has left
    assert await calls.statuses(200, 200) == [200, 200]


async def test_another_handler_may_answer(now):
    calls = Calls(openHandler=REFUSING)
    assert await calls.statuses(502, 502, 200) == [502, 502, 418]
    now.seconds += 11
    assert await calls.statuses(200, 200) == [200, 200]
