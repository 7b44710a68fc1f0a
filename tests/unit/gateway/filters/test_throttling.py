import json

import pytest

from deputize.gateway.handlers.chain import Chain
from deputize.gateway.throttling import THROTTLING_POLICIES
from deputize.http.plans import Filter, as_filter, as_handler
from deputize.kernel.errors import ConfigurationError
from support.gateway import TYPES, Answering, ask, built, exchange_for, heap_of, registry_for, through
from support.mcp_messages import LEGACY_VERSION, legacy_call
from support.oauth_filters import CLAIMS, oauth_heap, posting, protection, resource_server

ALL = {**TYPES, **{kind.__name__: kind for kind in THROTTLING_POLICIES}}


def rate(number, duration="1 minute"):
    return {"numberOfRequests": number, "duration": duration}


def throttling(**config):
    return built(
        Filter, {"type": "ThrottlingFilter", "config": config}, heap_of(registry=registry_for(types=ALL))
    )


async def answers(each, *tools):
    found = []
    for tool in tools:
        found.append(
            await through(each, exchange_for(headers=[("X-Tool", tool)] if tool else []), Answering())
        )
    return found


async def statuses(each, *tools):
    return [answer.status for answer in await answers(each, *tools)]


async def test_beyond_the_rate_clients_learn_when_to_come_back():
    first, second = await answers(throttling(rate=rate(1)), "a", "b")
    assert (first.status, second.status, second.headers.get("retry-after"), second.body.buffered) == (
        200,
        429,
        "60",
        b"",
    )


async def test_partitions_are_limited_one_by_one():
    each = throttling(requestGroupingPolicy="${request.headers['X-Tool'][0]}", rate=rate(1))
    assert await statuses(each, "a", "b", "a") == [200, 200, 429]


@pytest.mark.parametrize("grouping", ["${request.headers['X-Tool'][0]}", "${request.method < 5}"])
async def test_who_cannot_be_counted_does_not_get_through(grouping):
    assert await statuses(throttling(requestGroupingPolicy=grouping, rate=rate(9)), None) == [500]


BY_AGENT_AND_TOOL = (
    "${contexts.oauth2.accessToken.info.act.sub} "
    "${contexts.mcp.clientPayload.method == 'tools/call' ? contexts.mcp.clientPayload.params.name : ''}"
)


async def test_an_mcp_client_reads_when_to_come_back():
    tokens = {name: {**CLAIMS, "act": {"sub": name}} for name in ("agent-1", "agent-2")}
    heap = oauth_heap(resource_server(), tokens=tokens)
    declared = [
        protection(),
        {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}},
        {
            "type": "ThrottlingFilter",
            "config": {"requestGroupingPolicy": BY_AGENT_AND_TOOL, "rate": rate(1)},
        },
    ]
    chain = Chain([as_filter(built(Filter, each, heap)) for each in declared], as_handler(Answering()))

    async def call(agent, message):
        return await ask(chain, posting(message, LEGACY_VERSION, ("Authorization", f"Bearer {agent}")))

    read, transfer = legacy_call("read"), legacy_call("transfer")
    calls = [("agent-1", read), ("agent-1", transfer), ("agent-2", read), ("agent-1", read)]
    found = [await call(*each) for each in calls]
    assert [each.status for each in found] == [200, 200, 200, 429]
    assert found[-1].headers.get("retry-after") == "60"
    assert json.loads(found[-1].body.buffered) == {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {
            "code": -32600,
            "message": "Invalid request: too many calls, try again in 60 seconds",
            "data": {"retryAfter": 60},
        },
    }


MAPPED = {
    "type": "MappedThrottlingPolicy",
    "config": {
        "throttlingRateMapper": "${request.headers['X-Tool'][0]}",
        "throttlingRatesMapping": {"transfer": rate(1)},
        "defaultRate": rate(2),
    },
}


async def test_rates_by_tool():
    tools = ["transfer", "read", "transfer", "read", "read", None]
    assert await statuses(throttling(throttlingRatePolicy=MAPPED), *tools) == [200, 200, 429, 200, 429, 429]


async def test_a_default_for_what_the_delegate_leaves_open():
    policy = {
        "type": "DefaultRateThrottlingPolicy",
        "config": {"delegateThrottlingRatePolicy": MAPPED, "defaultRate": rate(5)},
    }
    assert await statuses(throttling(throttlingRatePolicy=policy), "transfer", "transfer") == [200, 429]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"rate": rate(1), "throttlingRatePolicy": MAPPED},
        {"rate": rate(0)},
        {"rate": rate(1, "zero")},
        {"rate": rate(1, "unlimited")},
    ],
)
def test_bad_rates_are_refused(config):
    with pytest.raises(ConfigurationError):
        throttling(**config)
