import pytest

from deputize.gateway.handlers.chain import Chain
from deputize.http.exchange import Exchange, Peer
from deputize.http.messages import Headers, Request, Response
from deputize.kernel.uris import Target
from support.gateway import ask, built, exchange_for
from support.mcp_messages import LEGACY_VERSION, legacy_call
from support.oauth_filters import oauth_heap, posting


async def test_filters_run_outermost_first_and_see_the_answer_last():
    seen = []

    class Note:
        def __init__(self, name):
            self.name = name

        async def filter(self, exchange, next):
            seen.append(f"{self.name} in")
            response = await next(exchange)
            seen.append(f"{self.name} out")
            return response

    class Pass:
        def filter(self, exchange, next):
            return next(exchange)

    class Answer:
        async def handle(self, exchange):
            seen.append("handler")
            return Response(200)

    exchange = Exchange(Request("GET", Target("/", None), Headers()), Peer("", 0, "", 0), "id", 0.0, 0.0)
    response = await ask(Chain([Note("outer"), Pass(), Note("inner")], Answer()), exchange)
    assert response.status == 200
    assert seen == ["outer in", "inner in", "handler", "inner out", "outer out"]


async def test_a_handler_that_fails_does_so_behind_the_steps_of_every_filter():
    """Nothing goes unrecorded because what is behind the record cannot be prepared."""
    seen = []

    class Record:
        def prepare(self, head, next):
            return next(head).after(head, check=seen.append)

    class Failing:
        def plan(self, head):
            raise ValueError("no plan")

    exchange = exchange_for()
    with pytest.raises(ValueError, match="no plan"):
        await ask(Chain([Record(), Record()], Failing()), exchange)
    assert seen == [exchange, exchange]


async def test_a_handler_behind_a_step_decides_by_what_that_step_has_left():
    """Also where the filter is itself prepared for each call: the step has not run by then."""
    heap = oauth_heap()
    validating = {
        "type": "ConditionalFilter",
        "config": {
            "condition": "${request.entity.string != ''}",
            "delegate": {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}},
        },
    }
    deciding = {
        "type": "DispatchHandler",
        "config": {
            "bindings": [
                {
                    "condition": "${contexts.mcp.clientPayload.method == 'tools/call'}",
                    "handler": {"type": "StaticResponseHandler", "config": {"status": 299}},
                }
            ]
        },
    }
    chain = built(Chain, {"type": "Chain", "config": {"filters": [validating], "handler": deciding}}, heap)
    response = await ask(chain, posting(legacy_call(), LEGACY_VERSION))
    assert response.status == 299
