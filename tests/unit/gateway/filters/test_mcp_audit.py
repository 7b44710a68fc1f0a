import asyncio
import gc
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

from deputize.audit.records import EventPart, RouteIdentity, cut
from deputize.audit.trail import NotKept
from deputize.gateway.exchange.contexts import RouterContext
from deputize.gateway.exchange.recording import commit_decision
from deputize.gateway.filters.mcp_audit import McpAuditFilter
from deputize.gateway.filters.mcp_protection import McpProtectionFilter
from deputize.gateway.filters.mcp_validation import McpValidationFilter
from deputize.gateway.handlers.chain import Chain
from deputize.http.exchange import Ending
from deputize.http.messages import Body, Headers, KnownHead, Response
from deputize.http.plans import Filter, Handler, Plan, answer
from support.examples import examples
from support.gateway import (
    Answering,
    ask,
    built,
    exchange_for,
    heap_of,
    instance_for,
    registry_for,
)
from support.mcp_messages import LEGACY_VERSION, MODERN_META, MODERN_VERSION, legacy_call, modern_call
from support.oauth_filters import CLAIMS, oauth_heap, posting, protection, resource_server

RATE = {"numberOfRequests": 1, "duration": "1 minute"}
BEARER = ("Authorization", "Bearer good")


def guarded(upstream, tokens=None):
    """The use case's filters in its order, and what they record."""
    heap = oauth_heap(resource_server(), tokens=tokens)
    kept = []
    filters = [
        McpAuditFilter(kept.append),
        built(McpProtectionFilter, protection(), heap),
        built(
            McpValidationFilter, {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}}, heap
        ),
    ]
    return Chain(filters, upstream), kept


def told(kept):
    return [from_json(record.text) for record in kept]


def parts(kept):
    """The part of an exchange that each record tells, whether it was permitted, and the status."""
    found = []
    for each in told(kept):
        answer = each["response"]
        if each["eventName"].endswith("-OUTCOME"):
            part = EventPart.OUTCOME
        else:
            part = EventPart.DECISION if answer is None else EventPart.WHOLE
        status = None if answer is None else int(answer["statusCode"])
        found.append((part, each["decision"] == "PERMIT", status))
    return found


async def recorded(exchange, upstream=None, tokens=None):
    *_, record = await all_recorded(exchange, upstream, tokens)
    return record


async def all_recorded(exchange, upstream=None, tokens=None):
    chain, kept = guarded(upstream or Answering(), tokens)
    exchange.put(
        RouterContext(RouteIdentity("r1", "weather"), exchange.request.origin, exchange.request.target)
    )
    response = await ask(chain, exchange)
    async for _ in response.body:
        pass
    for ending in exchange.endings:
        ending(exchange, Ending(response, 0, complete=True, finished=exchange.started + 0.25))
    return told(kept)


def streamed(*chunks, content_type=b"application/json"):
    class Upstream:
        async def handle(self, exchange):
            assert await commit_decision(exchange) is None

            async def produce():
                for chunk in chunks:
                    yield chunk

            return Response(200, Headers([(b"Content-Type", content_type)]), Body(None, produce()))

    return Upstream()


async def test_a_call_is_recorded_with_who_what_and_how():
    opened, _ = guarded(Answering(200, [("Mcp-Session-Id", "s1")]))
    session = (await ask(opened, posting(legacy_call(), BEARER, LEGACY_VERSION))).headers.get(
        "mcp-session-id"
    )
    record = await recorded(posting(legacy_call(), BEARER, LEGACY_VERSION, ("Mcp-Session-Id", session)))
    assert record["client"] == {
        "ip": "192.0.2.7",
        "port": 50123,
        "messageType": "MCP_MESSAGE",
        "method": "tools/call",
        "param": "forecast_daily",
        "protocolVersion": "2025-11-25",
        "info": None,
    }
    assert (record["sub"], record["act"], record["clientId"], record["jti"]) == (
        "demouser",
        ["agent-1"],
        "agent-1",
        "jti-1",
    )
    assert (record["decision"], record["reason"], record["tool"], record["sessionId"]) == (
        "PERMIT",
        None,
        "forecast_daily",
        "s1",
    )
    assert record["response"] == {
        "status": "SUCCESSFUL",
        "statusCode": "200",
        "elapsedTime": 250,
        "elapsedTimeUnits": "MILLISECONDS",
    }
    assert record["timestamp"] == "2023-11-14T22:13:20.000Z"  # when the exchange arrived
    assert (record["transactionId"], record["ig"]) == (
        "transaction-1",
        {"routeId": "r1", "routeName": "weather"},
    )


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ([LEGACY_VERSION], "401", "missing_token: the request carries no token"),
        ([LEGACY_VERSION, ("Authorization", "Bearer bad")], "401", "invalid_token: unknown"),
        ([BEARER, ("MCP-Protocol-Version", "2099-01-01")], "400", "-32022: Unsupported protocol version"),
    ],
)
async def test_refusals_are_recorded_with_their_cause(headers, status, reason):
    record = await recorded(posting(legacy_call(), *headers))
    assert (record["decision"], record["response"]["statusCode"], record["reason"]) == (
        "DENY",
        status,
        reason,
    )


async def test_what_was_accepted_of_a_refused_request_is_recorded():
    record = await recorded(
        posting(legacy_call(), BEARER, LEGACY_VERSION), tokens={"good": {**CLAIMS, "scope": "none"}}
    )
    assert (record["sub"], record["reason"]) == (
        "demouser",
        "insufficient_scope: the token lacks the scope test",
    )


ERROR = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"unknown tool"}}'


@pytest.mark.parametrize(
    "upstream",
    [
        Answering(200, [("Content-Type", "application/json")], ERROR),
        Answering(
            200, [("Content-Type", "text/event-stream")], b"event: message\r\ndata: " + ERROR + b"\r\n\r\n"
        ),
        streamed(ERROR),
        streamed(ERROR[:20], ERROR[20:]),
        streamed(
            b": ping\n\ndata: {}\n\n",
            b"data: " + ERROR[:20],
            ERROR[20:] + b"\n\n",
            content_type=b"Text/Event-Stream",
        ),
    ],
)
async def test_an_error_of_the_server_is_recorded(upstream):
    record = await recorded(posting(legacy_call(), BEARER, LEGACY_VERSION), upstream)
    assert (record["decision"], record["errorCode"]) == ("PERMIT", -32602)


@pytest.mark.parametrize("code", [b"true", b"false", b"1" + b"0" * 5000, b'"1"', b"[]"])
async def test_no_error_code_of_a_server_spoils_the_record(code):
    """A server that answers with one that is none must not make its calls' records unreadable, or vanish."""
    answer = b'{"jsonrpc":"2.0","id":1,"error":{"code":' + code + b',"message":"m"}}'
    record = await recorded(posting(legacy_call(), BEARER, LEGACY_VERSION), streamed(answer))
    assert (record["decision"], record["errorCode"]) == ("PERMIT", None)


@pytest.mark.parametrize(
    "answer", [Answering(200, [("Content-Type", "application/json")], ERROR), streamed(ERROR)]
)
async def test_each_of_several_audits_of_a_chain_records_all(answer):
    kept, others = [], []
    exchange = posting(legacy_call(), BEARER, LEGACY_VERSION)
    chain, _ = guarded(answer)
    response = await ask(Chain([McpAuditFilter(kept.append), McpAuditFilter(others.append)], chain), exchange)
    async for _ in response.body:
        pass
    for ending in exchange.endings:
        ending(exchange, Ending(response, 0, complete=True, finished=1.0))
    assert [each["errorCode"] for each in (*told(kept), *told(others))] == [-32602, -32602]


async def test_a_long_answer_passes_unobserved():
    record = await recorded(posting(legacy_call(), BEARER, LEGACY_VERSION), streamed(b" " * 70_000, ERROR))
    assert record["errorCode"] is None


async def test_initialize_says_who_both_sides_are():
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "agent", "version": "1.2"},
    }
    result = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "serverInfo": {"name": "weather", "version": "3"},
    }
    upstream = Answering(
        200,
        [("Content-Type", "application/json")],
        json.dumps({"jsonrpc": "2.0", "id": 0, "result": result}).encode(),
    )
    record = await recorded(
        posting({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}, BEARER), upstream
    )
    assert (record["client"]["info"], record["server"]["info"]) == ("agent 1.2", "weather 3")


async def test_a_stream_opening_is_recorded_when_it_begins():
    exchange = exchange_for("/mcp", headers=[BEARER, ("Accept", "text/event-stream"), LEGACY_VERSION])
    chain, kept = guarded(streamed(b": ping\n\n", content_type=b"text/event-stream"))
    response = await ask(chain, exchange)
    assert [each["client"]["messageType"] for each in told(kept)] == ["MCP_SSE_OPENING_REQUEST"]
    assert parts(kept) == [(EventPart.WHOLE, True, 200)]
    for ending in exchange.endings:
        ending(exchange, Ending(response, 0, complete=True, finished=1.0))
    assert len(kept) == 1


EVENTS = b"text/event-stream"


@pytest.mark.parametrize(
    ("message", "news"),
    [(b'{"result":{}}', False), (ERROR, True), (b'{"result":{"serverInfo":{"name":"w"}}}', True)],
)
async def test_the_decision_on_a_streamed_answer_is_recorded_when_it_begins(message, news):
    exchange = posting(legacy_call(), BEARER, LEGACY_VERSION)
    chain, kept = guarded(streamed(b"data: " + message + b"\n\n", content_type=EVENTS))
    response = await ask(chain, exchange)
    assert [each["client"]["param"] for each in told(kept)] == ["forecast_daily"]
    assert parts(kept) == [(EventPart.WHOLE, True, 200)]
    async for _ in response.body:
        pass
    exchange.endings[0](exchange, Ending(response, 0, complete=True, finished=1.0))
    assert parts(kept[1:]) == ([(EventPart.OUTCOME, True, 200)] if news else [])


async def test_a_stream_that_breaks_off_says_so_at_its_end():
    exchange = posting(legacy_call(), BEARER, LEGACY_VERSION)
    chain, kept = guarded(streamed(b"data: 1\n\n", content_type=EVENTS))
    response = await ask(chain, exchange)
    exchange.endings[0](exchange, Ending(response, 0, complete=False, finished=1.0))
    assert [part for part, _, _ in parts(kept)] == [EventPart.WHOLE, EventPart.OUTCOME]


@pytest.mark.parametrize(("reached", "decision"), [("tokens", None), ("upstream", "PERMIT")])
async def test_a_client_that_leaves_early_is_not_denied(reached, decision):
    """Nothing was decided while its token was being looked at; what had gone up was permitted."""
    waiting = asyncio.Event()

    class Silent:
        async def handle(self, exchange):
            assert await commit_decision(exchange) is None
            waiting.set()
            await asyncio.sleep(60)

    class Undecided:
        async def filter(self, exchange, next):
            waiting.set()
            await asyncio.sleep(60)

    chain, kept = guarded(Silent() if reached == "upstream" else Chain([Undecided()], Answering()))
    exchange = posting(legacy_call(), BEARER, LEGACY_VERSION)
    answering = asyncio.create_task(ask(chain, exchange))
    await waiting.wait()
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)
    exchange.endings[0](exchange, Ending(None, 0, complete=False, finished=1.0))
    (record,) = told(kept)
    assert (record["decision"], record["response"]["statusCode"], record["tool"]) == (
        decision,
        None,
        "forecast_daily",
    )
    assert (record["reason"] is None) is (decision == "PERMIT")


async def test_what_the_gateway_answers_itself_with_an_error_never_went_up():
    own = built(Handler, {"type": "StaticResponseHandler", "config": {"status": 403}})
    record = await recorded(posting(legacy_call(), BEARER, LEGACY_VERSION), own)
    assert (record["decision"], record["reason"]) == ("DENY", "the gateway itself answered 403")


async def test_a_long_name_is_not_cut_in_silence():
    name = "x" * 4000
    record = await recorded(posting(legacy_call(name), BEARER, LEGACY_VERSION))
    assert record["tool"] == record["client"]["param"] == cut(name) != name[:512]


async def test_a_message_that_describes_itself_says_who_the_client_is():
    meta = {**MODERN_META, "io.modelcontextprotocol/clientInfo": {"name": "agent", "version": "2.0"}}
    routing = [MODERN_VERSION, ("Mcp-Method", "tools/call"), ("Mcp-Name", "forecast_daily")]
    for described, info in ((meta, "agent 2.0"), (MODERN_META, None)):
        record = await recorded(posting(modern_call(meta=described), BEARER, *routing))
        assert (record["decision"], record["client"]["info"], record["client"]["protocolVersion"]) == (
            "PERMIT",
            info,
            "2026-07-28",
        )


# Strict.


class Journal:
    """Takes records as a strict service does, while it can."""

    def __init__(self):
        self.kept = []
        self.trouble = None

    async def commit(self, record):
        if isinstance(self.trouble, NotKept):
            raise self.trouble
        self.kept.append(record)
        if self.trouble:
            raise self.trouble

    def parts(self):
        return parts(self.kept)


def strictly_guarded(upstream):
    heap, journal = oauth_heap(resource_server()), Journal()
    filters = [
        McpAuditFilter(journal.kept.append, journal.commit),
        built(McpProtectionFilter, protection(), heap),
        built(
            McpValidationFilter, {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}}, heap
        ),
    ]
    return Chain(filters, upstream), journal


async def answered(chain, exchange):
    response = await ask(chain, exchange)
    exchange.endings[0](exchange, Ending(response, 0, complete=True, finished=1.0))
    return response


async def test_a_strict_decision_is_recorded_before_the_call_goes_up():
    class Looking(Answering):
        async def handle(self, exchange):
            response = await super().handle(exchange)
            assert journal.parts() == [(EventPart.DECISION, True, None)]
            return response

    chain, journal = strictly_guarded(Looking())
    await answered(chain, posting(legacy_call(), BEARER, LEGACY_VERSION))
    assert journal.parts() == [(EventPart.DECISION, True, None), (EventPart.OUTCOME, True, 200)]


@pytest.mark.parametrize(
    ("trouble", "records"),
    [
        (
            OSError(28, "No space left on device"),
            [(EventPart.DECISION, True, None), (EventPart.OUTCOME, False, 503)],
        ),
        (NotKept(5, "known"), [(EventPart.WHOLE, False, 503)]),
    ],
)
async def test_what_cannot_be_recorded_strictly_does_not_go_up(trouble, records):
    upstream = Answering()
    chain, journal = strictly_guarded(upstream)
    journal.trouble = trouble
    response = await answered(chain, posting(legacy_call(), BEARER, LEGACY_VERSION))
    assert upstream.asked == []
    assert (response.status, response.headers.get("retry-after")) == (503, "1")
    assert from_json(response.body.buffered)["id"] == 1
    assert journal.parts() == records
    assert told(journal.kept)[-1]["reason"] == "unrecorded: its record could not be brought onto the disk"


@pytest.mark.parametrize("headers", [[BEARER, LEGACY_VERSION], [LEGACY_VERSION]])
async def test_what_was_recorded_strictly_leaves_no_circle(headers):
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        chain, _ = strictly_guarded(Answering())
        await answered(chain, posting(legacy_call(), *headers))
        gc.collect()
        found = {type(each).__module__ for each in gc.garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert (
        not {
            "deputize.gateway.exchange.recording",
            "deputize.gateway.filters.mcp_audit",
            "deputize.http.exchange",
        }
        & found
    )


async def test_what_is_refused_anyway_needs_no_disk():
    chain, journal = strictly_guarded(Answering())
    journal.trouble = NotKept(5, "known")
    response = await answered(chain, posting(legacy_call(), LEGACY_VERSION))
    assert response.status == 401
    assert journal.parts() == [(EventPart.WHOLE, False, 401)]


def test_without_a_service_nothing_stands_in_the_way():
    heap = oauth_heap({"name": "AuditService", "type": "AuditService"})
    for config in ({}, {"auditService": "AuditService"}):
        some_filter = built(Filter, {"type": "McpAuditFilter", "config": config}, heap)
        assert not isinstance(some_filter, McpAuditFilter)
        assert some_filter.prepare(7, lambda head: head) == 7
    assert "nothing is recorded" in str(heap.deployment.warnings[-1])


TEXTS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=10, max_size=30).map(
    lambda text: f"s3cret{text}s3cret"
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(50))
@given(
    TEXTS,
    st.sampled_from(["good", "bad"]),
    st.sampled_from(["tools/call", "prompts/get", "tools/steal", "completion/complete"]),
    st.booleans(),
)
async def test_no_record_ever_holds_a_token_or_an_argument(value, token, method, broken):
    params = {
        "name": "x",
        "arguments": {"place": value},
        "ref": {"type": "ref/prompt", "name": "p"},
        "argument": {"name": "a", "value": value},
    }
    body = json.dumps({"jsonrpc": "2.0", "id": value, "method": method, "params": params}).encode()
    exchange = posting(
        body[:-1] if broken else body,
        ("Authorization", f"Bearer {token}"),
        LEGACY_VERSION,
        ("Cookie", f"c={value}"),
        ("X-Api-Key", value),
    )
    upstream = Answering(
        200,
        [("Content-Type", "application/json"), ("X-Secret", value)],
        json.dumps({"error": {"code": 1, "message": value}}).encode(),
    )
    record = json.dumps(await recorded(exchange, upstream, tokens={"good": {**CLAIMS, "secret": value}}))
    assert "s3cret" not in record
    assert "Bearer" not in record


FALSE = {"type": "ConditionEnforcementFilter", "config": {"condition": "${false}"}}
USED_UP = {
    "type": "ThrottlingFilter",
    "config": {"requestGroupingPolicy": "${request.method < 5}", "rate": RATE},
}
NEVER = {"condition": "${false}", "handler": {"type": "StaticResponseHandler", "config": {"status": 200}}}
UNDISPATCHED = {"type": "DispatchHandler", "config": {"bindings": [NEVER]}}
UNROUTED = {"type": "Router", "config": {"directory": "."}}
ELSEWHERE = {"type": "CorsFilter", "config": {"policies": [{"acceptedOrigins": ["https://app.example"]}]}}


@pytest.mark.parametrize(
    ("refusing", "status", "error"),
    [
        (FALSE, "403", "condition_not_met"),
        (USED_UP, "500", "throttled"),
        (ELSEWHERE, "403", "origin_refused"),
    ],
)
async def test_what_other_filters_refuse_is_denied_too(refusing, status, error):
    refuse = built(Filter, refusing)
    record = await recorded(
        posting(legacy_call(), BEARER, LEGACY_VERSION, ("Origin", "https://evil.example")),
        Chain([refuse], Answering()),
    )
    assert (record["decision"], record["response"]["statusCode"], record["reason"].partition(":")[0]) == (
        "DENY",
        status,
        error,
    )


async def test_what_is_throttled_is_denied():
    once = built(Filter, {"type": "ThrottlingFilter", "config": {"rate": RATE}})
    upstream = Chain([once], Answering())
    decisions = [
        (await recorded(posting(legacy_call(), BEARER, LEGACY_VERSION), upstream))["decision"]
        for _ in range(2)
    ]
    assert decisions == ["PERMIT", "DENY"]


@pytest.mark.parametrize("handler", [UNDISPATCHED, UNROUTED])
async def test_what_leads_nowhere_is_denied(handler, tmp_path):
    heap = heap_of(registry=registry_for(instance_for(tmp_path)))
    record = await recorded(posting(legacy_call(), BEARER, LEGACY_VERSION), built(Handler, handler, heap))
    assert (record["decision"], record["response"]["status"], record["response"]["statusCode"]) == (
        "DENY",
        "FAILED",
        "404",
    )
    assert "accepts it" in record["reason"]


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_what_the_server_fails_at_was_permitted_and_has_failed(status):
    record = await recorded(posting(legacy_call(), BEARER, LEGACY_VERSION), Answering(status))
    assert (record["decision"], record["reason"], record["response"]["status"]) == ("PERMIT", None, "FAILED")
    assert record["response"]["statusCode"] == str(status)


async def test_an_answer_in_pieces_is_looked_at_though_one_with_the_same_head_was_complete_at_once():
    fields = [(b"Content-Type", b"application/json"), (b"Content-Length", b"80")]
    known = KnownHead(200, fields, 1, None)
    content = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}'

    async def pieces():
        yield content[:20]
        yield content[20:]

    bodies = [Body(b"{}"), Body(None, pieces(), len(content))]

    class Backend:
        def plan(self, head):
            return Plan.answering(
                head, lambda _: Response(200, Headers.of_known(known, b"2", None), bodies.pop(0))
            )

    kept, exchange = [], posting(legacy_call())
    plan = Chain([McpAuditFilter(kept.append)], Backend()).plan(exchange.received)
    for _ in range(2):
        exchange = posting(legacy_call())
        response = await answer(plan, exchange)
        async for _ in response.body:  # as it is sent: nobody keeps it
            pass
        for ending in exchange.endings:
            ending(exchange, Ending(response, 0, complete=True, finished=1.0))
    assert [each["errorCode"] for each in told(kept)] == [None, -32602]
