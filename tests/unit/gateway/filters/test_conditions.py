"""Filters that decide by a condition: enforcement, conditional, switch."""

import pytest

from deputize.http.exchange import Filter
from support.gateway import Answering, built, exchange_for

POSTED = "${request.method == 'POST'}"
UNKNOWABLE = "${request.method < 5}"
REFUSING = {"type": "StaticResponseHandler", "config": {"status": 418}}


async def status(members, backend=None, **exchange):
    response = await built(Filter, members).filter(exchange_for(**exchange), (backend or Answering()).handle)
    return response.status


@pytest.mark.parametrize(("condition", "expected"), [(POSTED, 200), ("${request.method == 'GET'}", 403), (UNKNOWABLE, 403), ("text", 403)])
async def test_enforcement_lets_only_true_pass(condition, expected):
    assert await status({"type": "ConditionEnforcementFilter", "config": {"condition": condition}}, method="POST") == expected


async def test_enforcement_hands_over_to_its_failure_handler():
    config = {"condition": POSTED, "failureHandler": REFUSING}
    assert await status({"type": "ConditionEnforcementFilter", "config": config}) == 418


@pytest.mark.parametrize(("method", "expected"), [("POST", 403), ("GET", 200)])
async def test_conditional_runs_its_delegate_only_when_true(method, expected):
    delegate = {"type": "ConditionEnforcementFilter", "config": {"condition": "${false}"}}
    assert await status({"type": "ConditionalFilter", "config": {"condition": POSTED, "delegate": delegate}}, method=method) == expected


@pytest.mark.parametrize(("method", "expected"), [("POST", 418), ("GET", 200)])
async def test_switch_diverts_requests(method, expected):
    backend = Answering()
    config = {"onRequest": [{"condition": POSTED, "handler": REFUSING}]}
    assert await status({"type": "SwitchFilter", "config": config}, backend, method=method) == expected
    assert len(backend.asked) == (method == "GET")


@pytest.mark.parametrize(("answered", "expected"), [(500, 418), (200, 200)])
async def test_switch_diverts_answers(answered, expected):
    config = {"onResponse": {"condition": "${response.status.code == 500}", "handler": REFUSING}}
    assert await status({"type": "SwitchFilter", "config": config}, Answering(answered)) == expected


async def test_a_case_without_condition_always_diverts():
    assert await status({"type": "SwitchFilter", "config": {"onRequest": {"handler": REFUSING}}}) == 418
