import gzip
import json

import pytest
import structlog

from deputize.gateway.exchange.contexts import RefusalContext
from deputize.gateway.filters.mcp_protection import McpProtectionFilter
from deputize.gateway.filters.mcp_tool_authorization import McpToolAuthorizationFilter
from deputize.gateway.filters.mcp_validation import McpValidationFilter
from deputize.gateway.handlers.chain import Chain
from deputize.http.messages import Body, Headers, Response
from deputize.http.plans import as_filter, as_handler
from deputize.http.upstream import UpstreamError
from deputize.kernel.errors import ConfigurationError
from support.gateway import Answering, ask, built
from support.mcp_messages import LEGACY_VERSION, MODERN_META, MODERN_VERSION
from support.oauth_filters import CLAIMS, METADATA, bearing, oauth_heap, posting, protection, resource_server

RULES = [
    {"name": "payments", "tools": "transfer", "scopes": ["pay", "account"], "onUse": True},
    {"name": "secrets", "tools": "secret_*", "resources": "account://7", "scopes": "admin"},
    {
        "name": "reading",
        "tools": "*",
        "prompts": "*",
        "resources": ["account://{id}", "file:///a"],
        "methods": "tasks/*",
        "scopes": "read",
    },
]
TOKENS = {
    name: {**CLAIMS, "scope": scope}
    for name, scope in {
        "reader": "test read",
        "payer": "test pay account",
        "admin": "test admin read",
        "none": "test",
    }.items()
}
TOOLS = [{"name": "transfer"}, {"name": "secret_1"}, {"name": "read_balance"}]
JSON = ("Content-Type", "application/json")
EVENTS = ("Content-Type", "text/event-stream; charset=utf-8")


def route(upstream, *, rules=RULES, tokens=TOKENS, **config):
    """A chain as a route has it: protection, validation, and the filter."""
    heap = oauth_heap(resource_server(), tokens=tokens)
    validation = {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}}
    members = {"type": "McpToolAuthorizationFilter", "config": {"rules": rules, **config}}
    filters = [
        built(McpProtectionFilter, protection(), heap),
        built(McpValidationFilter, validation, heap),
        built(McpToolAuthorizationFilter, members, heap),
    ]
    return Chain([as_filter(each) for each in filters], as_handler(upstream))


def request(method, params=None, token="reader"):
    document = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
    return posting(document, LEGACY_VERSION, ("Authorization", f"Bearer {token}"))


def result(members, **fields):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": members, **fields}).encode()


async def listed(body, token="reader", header=JSON, method="tools/list", **config):
    answer = Answering(headers=[header], body=body)
    response = await ask(route(answer, **config), request(method, token=token))
    return response, response.body.buffered


async def call(name, token, **config):
    upstream = Answering(headers=[JSON], body=result({"content": []}))
    exchange = request("tools/call", {"name": name}, token)
    response = await ask(route(upstream, **config), exchange)
    return response, upstream.asked, exchange


@pytest.mark.parametrize(
    ("token", "names"),
    [
        ("reader", ["transfer", "read_balance"]),
        ("payer", ["transfer"]),
        ("admin", ["transfer", "secret_1", "read_balance"]),
        ("none", ["transfer"]),
    ],
)
async def test_a_list_shows_what_the_token_permits(token, names):
    response, content = await listed(result({"tools": TOOLS, "nextCursor": "c"}), token)
    found = json.loads(content)["result"]
    assert ([each["name"] for each in found["tools"]], found["nextCursor"]) == (names, "c")
    assert response.status == 200


@pytest.mark.parametrize(
    ("token", "name", "passes"),
    [
        ("reader", "read_balance", True),
        ("reader", "transfer", False),
        ("reader", "secret_1", False),
        ("payer", "transfer", True),
        ("payer", "read_balance", False),
        ("admin", "secret_1", True),
        ("reader", "Transfer", False),
    ],
)
async def test_a_call_needs_the_scopes_of_its_rule(token, name, passes):
    response, asked, _ = await call(name, token)
    assert (response.status, len(asked)) == ((200, 1) if passes else (403, 0))


async def test_the_challenge_names_exactly_the_scopes_that_the_call_needs():
    """Those of the rule, and the one that every call here needs: some clients ask for no other."""
    response, _, exchange = await call("transfer", "reader")
    assert response.headers.get_all("www-authenticate") == [
        f'Bearer error="insufficient_scope", scope="test pay account", resource_metadata="{METADATA}"'
    ]
    assert json.loads(response.body.buffered) == {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {"code": -32600, "message": "Invalid request: not permitted with this token"},
    }
    assert exchange.find(RefusalContext) == RefusalContext(
        "insufficient_scope", "payments: the token lacks the scope pay account"
    )


async def test_what_no_rule_permits_asks_for_no_scope():
    response, asked, exchange = await call("x", "admin", rules=[{"tools": "y", "scopes": []}])
    assert response.headers.get_all("www-authenticate") == [f'Bearer resource_metadata="{METADATA}"']
    assert (response.status, asked) == (403, [])
    assert exchange.find(RefusalContext) == RefusalContext("operation_denied", "no rule permits it")


@pytest.mark.parametrize(
    ("act", "status"), [({"sub": "agent-1"}, 200), ({"sub": "agent-2"}, 403), (None, 403)]
)
async def test_a_rule_for_certain_agents_asks_others_for_no_scope(act, status):
    rules = [{"name": "mine", "tools": "x", "scopes": "read", "actors": ["agent-1"]}]
    tokens = {"good": {**CLAIMS, "act": act, "scope": "test read"}}
    response, _, exchange = await call("x", "good", rules=rules, tokens=tokens)
    assert response.status == status
    if status == 403:
        assert response.headers.get_all("www-authenticate") == [f'Bearer resource_metadata="{METADATA}"']
        assert exchange.find(RefusalContext).reason == "mine: not for this agent"


async def test_a_listening_client_needs_the_scopes_of_every_resource():
    params = {
        "notifications": {"resourceSubscriptions": ["account://7", "account://8"]},
        "_meta": MODERN_META,
    }
    document = {"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params}
    fields = [MODERN_VERSION, ("Mcp-Method", "subscriptions/listen"), ("Authorization", "Bearer none")]
    response = await ask(route(Answering()), posting(document, *fields))
    assert 'scope="test admin read"' in response.headers.get("www-authenticate")


@pytest.mark.parametrize(("token", "status"), [("reader", 200), ("none", 403)])
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("prompts/get", {"name": "x"}),
        ("resources/read", {"uri": "account://8"}),
        ("resources/subscribe", {"uri": "account://8"}),
        (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": ""}},
        ),
        ("tasks/get", {"taskId": "1"}),
    ],
)
async def test_every_kind_of_operation_is_decided_on(method, params, token, status):
    upstream = Answering(headers=[JSON], body=result({}))
    assert (await ask(route(upstream), request(method, params, token))).status == status


@pytest.mark.parametrize("method", ["ping", "tools/list", "prompts/list", "notifications/initialized"])
async def test_what_acts_on_nothing_needs_no_rule(method):
    upstream = Answering(headers=[JSON], body=result({}))
    exchange = request(method, token="none")
    if method.startswith("notifications/"):
        document = {"jsonrpc": "2.0", "method": method}
        exchange = posting(document, LEGACY_VERSION, ("Authorization", "Bearer none"))
    assert (await ask(route(upstream), exchange)).status == 200


async def test_the_answer_of_a_client_passes():
    upstream = Answering(202)
    exchange = posting(
        {"jsonrpc": "2.0", "id": 7, "result": {}}, LEGACY_VERSION, ("Authorization", "Bearer none")
    )
    assert (await ask(route(upstream), exchange)).status == 202


async def test_a_list_in_an_event_stream_is_cut_down():
    body = b"id: 1\ndata: \n\nevent: message\nid: 2\ndata: " + result({"tools": TOOLS}) + b"\n\n"
    _, content = await listed(body, header=EVENTS)
    assert content.startswith(b"id: 1\ndata: \n\nevent: message\nid: 2\ndata: {")
    assert b"secret_1" not in content
    assert b"read_balance" in content


class Streaming(Answering):
    """Sends its body in pieces."""

    async def handle(self, exchange):
        response = await super().handle(exchange)
        content = response.body.buffered

        async def pieces():
            for at in range(0, len(content), 7):
                yield content[at : at + 7]

        response.body = Body(None, pieces())
        return response


@pytest.mark.parametrize(
    ("header", "body"),
    [(JSON, result({"tools": TOOLS})), (EVENTS, b"data: " + result({"tools": TOOLS}) + b"\n\n")],
)
async def test_a_list_that_comes_in_pieces_is_cut_down(header, body):
    response = await ask(route(Streaming(headers=[header], body=body)), request("tools/list"))
    content = await response.body.read(10_000)
    assert (response.status, b"secret_1" in content, b"read_balance" in content) == (200, False, True)


async def test_a_stream_that_is_resumed_is_cut_down():
    """The answer to a list may be sent again on any stream that a client opens."""
    body = b"id: 9\ndata: " + result({"tools": TOOLS}) + b"\n\n: still there\n\n"
    headers = [
        ("Accept", "text/event-stream"),
        ("Mcp-Session-Id", "s"),
        LEGACY_VERSION,
        ("Last-Event-ID", "1"),
    ]
    heap_route = route(Streaming(headers=[EVENTS], body=body), rules=[{"tools": "read_*", "scopes": []}])
    exchange = bearing("reader", *[each for each in headers if each[0] != "Mcp-Session-Id"])
    response = await ask(heap_route, exchange)
    content = await response.body.read(10_000)
    assert (b"secret_1" in content, b"read_balance" in content, b"still there" in content) == (
        False,
        True,
        True,
    )


@pytest.mark.parametrize(
    ("header", "body", "reason"),
    [
        (JSON, b'{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[]}}', "twice"),
        (("Content-Type", "text/plain"), result({"tools": TOOLS}), "neither"),
        (("Content-Encoding", "gzip"), gzip.compress(result({"tools": TOOLS})), "compressed"),
    ],
)
async def test_a_list_that_cannot_be_read_is_not_passed_on(header, body, reason):
    with structlog.testing.capture_logs() as logs:
        response, content = await listed(body, header=header)
    assert (response.status, json.loads(content)["error"]["code"]) == (502, -32603)
    assert reason in next(each["reason"] for each in logs if each["log_level"] == "warning")


async def test_a_list_that_is_too_long_is_not_passed_on():
    upstream = Streaming(headers=[JSON], body=result({"tools": TOOLS}))
    response = await ask(route(upstream, maxListSize=50), request("tools/list"))
    assert response.status == 502


async def test_an_event_that_cannot_be_read_is_answered_with_an_error():
    body = b'data: {"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[]}}\n\n'
    _, content = await listed(body, header=EVENTS)
    assert json.loads(content.removeprefix(b"data: "))["error"]["code"] == -32603


async def test_an_error_of_the_server_passes():
    answer = Answering(404, headers=[("Content-Type", "text/plain")], body=b"gone")
    response = await ask(route(answer), request("tools/list"))
    assert (response.status, response.body.buffered) == (404, b"gone")


async def test_the_server_is_asked_for_answers_that_can_be_read():
    upstream = Answering(headers=[JSON], body=result({}))
    exchange = request("tools/list")
    exchange.request.headers.add("Accept-Encoding", "gzip, br")
    await ask(route(upstream), exchange)
    assert upstream.asked[0].request.headers.get_all("accept-encoding") == ["identity"]


async def test_fields_about_the_bytes_of_a_list_go_with_them():
    answer = Answering(headers=[JSON, ("ETag", '"x"')], body=result({"tools": TOOLS}))
    response = await ask(route(answer), request("tools/list"))
    assert "ETag" not in response.headers


async def test_without_a_token_only_rules_without_scopes_permit():
    heap = oauth_heap()
    validation = {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}}
    rules = [{"tools": "open", "scopes": []}, {"tools": "closed", "scopes": "x"}]
    members = {"type": "McpToolAuthorizationFilter", "config": {"rules": rules}}
    filters = [
        built(McpValidationFilter, validation, heap),
        built(McpToolAuthorizationFilter, members, heap),
    ]
    chain = Chain([as_filter(each) for each in filters], as_handler(Answering()))
    calls = [
        posting({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}})
        for name in ("open", "closed")
    ]
    statuses = [(await ask(chain, each)).status for each in calls]
    assert statuses == [200, 403]


async def test_without_validation_before_it_nothing_passes():
    members = {"type": "McpToolAuthorizationFilter", "config": {"rules": [{"tools": "*", "scopes": []}]}}
    upstream = Answering()
    chain = Chain([as_filter(built(McpToolAuthorizationFilter, members, oauth_heap()))], as_handler(upstream))
    assert (await ask(chain, request("tools/list"))).status == 500
    assert not upstream.asked


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([{"scopes": "x"}], "names no operation"),
        ([{"tools": "", "scopes": "x"}], "1 to 256 characters"),
        ([{"tools": "x", "scopes": "a b"}], "not a scope"),
        ([{"tools": "x", "scopes": "a=b"}], "not a scope"),
        ([{"tools": "x", "scopes": ["a" * 128, "b" * 128, "c" * 128]}], "more than 384 characters"),
    ],
)
def test_rules_that_say_nothing_are_refused(rules, message):
    members = {"type": "McpToolAuthorizationFilter", "config": {"rules": rules}}
    with pytest.raises(ConfigurationError, match=message):
        built(McpToolAuthorizationFilter, members, oauth_heap())


def test_expressions_are_no_part_of_a_name():
    rules = [{"resources": "x://{a}/${b}", "scopes": []}]
    members = {"type": "McpToolAuthorizationFilter", "config": {"rules": rules}}
    assert built(McpToolAuthorizationFilter, members, oauth_heap())


class Broken(Answering):
    """Breaks off within its answer."""

    async def handle(self, exchange):
        await super().handle(exchange)

        async def pieces():
            yield b'{"jsonrpc"'
            raise UpstreamError("gone")

        return Response(200, Headers([(b"Content-Type", b"application/json")]), Body(None, pieces()))


async def test_a_list_that_breaks_off_is_502():
    assert (await ask(route(Broken()), request("tools/list"))).status == 502
