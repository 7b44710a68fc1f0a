import json

import pytest

from deputize.gateway.exchange.bindings import Bindings
from deputize.gateway.exchange.contexts import RefusalContext
from deputize.gateway.filters.mcp_validation import McpValidationFilter
from deputize.http.messages import Body, BodyBroken
from deputize.kernel.errors import ConfigurationError
from deputize.mcp.context import McpContext
from support.gateway import Answering, built, exchange_for, instance_for
from support.mcp_messages import LEGACY_VERSION, legacy_call
from support.oauth_filters import oauth_heap, posting, through_to


def filter_of(**config):
    return built(
        McpValidationFilter,
        {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*", **config}},
        oauth_heap(),
    )


async def test_a_message_passes_byte_for_byte_with_its_context():
    body = b' {"jsonrpc": "2.0",  "id": 1, "method": "tools/call", "params": {"name": "x"}} '
    response, seen = await through_to(filter_of(), posting(body, LEGACY_VERSION, ("Mcp-Session-Id", "s")))
    assert response.status == 200
    assert seen.request.body.buffered == body
    context = seen.find(McpContext)
    assert (context.key.method, context.key.names, context.message.session) == ("tools/call", ("x",), "s")


async def test_expressions_reach_the_tools_name():
    _, seen = await through_to(filter_of(), posting(legacy_call(), LEGACY_VERSION))
    assert seen.find(McpContext).as_binding()["clientPayload"]["params"]["name"] == "forecast_daily"


async def test_a_refusal_has_a_json_rpc_body():
    exchange = posting(legacy_call(method="tools/steal"), LEGACY_VERSION)
    response, seen = await through_to(filter_of(), exchange)
    assert (response.status, response.headers.get("content-type"), seen) == (400, "application/json", None)
    assert json.loads(response.body.buffered) == {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {"code": -32601, "message": "Method not found"},
    }
    assert exchange.find(RefusalContext).error == "-32601"


@pytest.mark.parametrize(
    ("patterns", "origin", "passes"),
    [
        (".*", "https://evil.example", True),
        (".*", None, True),
        ("https://app\\.example", "https://app.example", True),
        ("https://app\\.example", "https://app.example.evil.example", False),
        ("https://app\\.example", "x https://app.example", False),
        (["https://a\\.example", "https://b\\.example(:[0-9]+)?"], "https://b.example:8443", True),
        (["https://a\\.example"], "null", False),
        ("null", "null", True),
        ("https://app.example.com", "https://app.example.com", True),
        ("https://app.example.com", "https://appxexample.com", False),
        ("https://app.example.com", "https://app.example.com.evil.example", False),
        ("https://app.example.com", "https://app.example.com/", False),
        ("https://app.example.com", "http://app.example.com", False),
        ("https://app.example.com", "https://app.example.com:8443", False),
        ("https://App.example.com:443", "HTTPS://app.EXAMPLE.com", True),
        ("https://app\\.example", "HTTPS://App.Example:443", True),
        ("https://a\\.example|https://b\\.example", "https://b.example", True),
        ("https://a\\.example|https://b\\.example", "https://a.example.evil.example", False),
        ("(https://a\\.example)?", "https://a.example https://evil.example", False),
        ("https://[a-z]+\\.example\\.com", "https://evil.example/x.example.com", False),
        ("https://.*\\.example\\.com", "https://evil.example/x.example.com", False),
        ("https://.*\\.example\\.com", "https://evil.example?x.example.com", False),
        ("http://[::1]:3000", "http://[::1]:3000", True),
        ("http://[::1]:3000", "http://:3000", False),
        ("vscode-webview://abc", "vscode-webview://abc", True),
        (".*", "file://", True),
        (".*", "https://a.example, https://b.example", True),
        ("https://a\\.example", "", False),
    ],
)
async def test_origins_match_as_a_whole(patterns, origin, passes):
    headers = [("Origin", origin)] if origin is not None else []
    response, _ = await through_to(
        filter_of(acceptedOrigins=patterns), posting(legacy_call(), LEGACY_VERSION, *headers)
    )
    assert response.status == (200 if passes else 403)
    assert passes or json.loads(response.body.buffered)["error"]["code"] == -32600


def streamed(exchange):
    """The same exchange with a body that arrives in pieces."""
    data = exchange.request.body.buffered

    async def pieces():
        for at in range(0, len(data), 16):
            yield data[at : at + 16]

    exchange.request.body = Body(None, pieces())
    return exchange


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (406, [("Accept", "text/html")]),
        (415, [("Content-Type", "text/plain")]),
        (415, [("Content-Encoding", "gzip")]),
        (403, [("Origin", "https://evil.example")]),
        (400, [("Mcp-Method", "tools/call"), ("Mcp-Method", "tools/call")]),
        (400, [("Mcp-Session-Id", "a b")]),
        (400, [("MCP-Protocol-Version", "2025-03-27")]),
    ],
)
async def test_refusals_of_the_head_name_the_request_too(status, headers):
    replaced = {name.lower() for name, _ in headers}
    exchange = posting(legacy_call(id=1234567890123456789))
    exchange.request.headers.remove(*replaced)
    for name, value in headers:
        exchange.request.headers.add(name, value)
    response, seen = await through_to(filter_of(acceptedOrigins="https://app.example"), streamed(exchange))
    assert (response.status, json.loads(response.body.buffered)["id"], seen) == (
        status,
        1234567890123456789,
        None,
    )


async def test_a_body_that_breaks_off_is_refused_without_id():
    async def broken():
        yield b'{"jsonrpc":"2.0","id":1,'
        raise BodyBroken("the client left")

    exchange = posting(legacy_call(), ("Origin", "https://evil.example"))
    exchange.request.body = Body(None, broken())
    response, _ = await through_to(filter_of(acceptedOrigins="https://app.example"), exchange)
    assert (response.status, json.loads(response.body.buffered)["id"]) == (403, None)


async def test_big_integers_reach_the_server_as_they_are():
    body = (
        b'{"jsonrpc":"2.0","id":18446744073709551617,"method":"tools/call",'
        b'"params":{"name":"x","arguments":{"message_id":1234567890123456789}}}'
    )
    _, seen = await through_to(filter_of(), posting(body, LEGACY_VERSION))
    assert seen.request.body.buffered == body


@pytest.mark.parametrize(
    "origins", [["https://app.example"] * 2, ["https://app.example", "https://evil.example"], ["null", ""]]
)
@pytest.mark.parametrize("pattern", [".*", "https://app.example"])
async def test_a_request_of_two_origins_is_refused(origins, pattern):
    exchange = posting(legacy_call(), LEGACY_VERSION, *(("oRigin", each) for each in origins))
    response, seen = await through_to(filter_of(acceptedOrigins=pattern), exchange)
    assert (response.status, seen) == (403, None)
    assert json.loads(response.body.buffered)["error"]["message"] == "Invalid request: origin not allowed"


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (".*", "every web page"),
        ("https://app.example.com(:[0-9]+)?", "stands for any character"),
        ("https://.*\\.example\\.com", "stands for any character"),
        ("https://app\\\\.example", "stands for any character"),
        ("https://[a-z.]+.example", "stands for any character"),
        ("https://app.example.com", None),
        ("https://app\\.example\\.com(:[0-9]+)?", None),
        ("https://[a-z.]+\\.example", None),
        ("https://[]a.]\\.example", None),
        ("null", None),
    ],
)
def test_patterns_that_say_more_than_meant_are_warned_about(pattern, words):
    heap = oauth_heap()
    built(
        McpValidationFilter,
        {"type": "McpValidationFilter", "config": {"acceptedOrigins": ["https://other.example", pattern]}},
        heap,
    )
    assert [words in str(warning) for warning in heap.deployment.warnings] == ([True] if words else [])


async def test_verbs_of_the_legacy_era_pass():
    for verb in ("GET", "DELETE"):
        exchange = exchange_for(
            "/mcp", method=verb, headers=[("Accept", "text/event-stream"), ("Mcp-Session-Id", "s")]
        )
        response, seen = await through_to(filter_of(), exchange)
        assert (response.status, seen.find(McpContext).key) == (200, None)
    response, _ = await through_to(
        filter_of(), exchange_for("/mcp", method="GET", headers=[("Accept", "text/event-stream")])
    )
    assert (response.status, response.headers.get("allow")) == (405, "POST")


def initialize(version):
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "agent", "version": "1"}}
    return {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}


async def test_an_initialize_for_an_unknown_version_asks_for_the_preferred_one():
    _, seen = await through_to(
        filter_of(preferredServerVersion="2025-06-18"),
        posting(initialize("2099-01-01"), ("Content-Length", "1")),
    )
    document = json.loads(seen.request.body.buffered)
    assert document == initialize("2025-06-18")
    assert seen.request.headers.get_all("content-length") == [str(len(seen.request.body.buffered))]


async def test_an_initialize_for_a_known_version_stays_as_it_is():
    exchange = posting(initialize("2025-03-26"))
    body = exchange.request.body.buffered
    _, seen = await through_to(filter_of(), exchange)
    assert seen.request.body.buffered is body


def bound(exchange, response):
    """What an expression on the answer sees of it."""
    return Bindings(exchange, response, instance_for(), {})["contexts"]["mcp"]


async def test_the_servers_answer_is_noted():
    upstream = Answering(
        200, [("Content-Type", "application/json")], b'{"jsonrpc":"2.0","id":1,"result":{"x":1}}'
    )
    response, seen = await through_to(filter_of(), posting(legacy_call(), LEGACY_VERSION), upstream)
    binding = bound(seen, response)
    assert (binding["serverMessageType"], binding["serverPayload"]["result"]) == ("MCP_MESSAGE", {"x": 1})
    upstream = Answering(200, [("Content-Type", "text/event-stream; charset=utf-8")], b"data: {}\n\n")
    response, seen = await through_to(filter_of(), posting(legacy_call(), LEGACY_VERSION), upstream)
    binding = bound(seen, response)
    assert (binding["serverMessageType"], binding["serverPayload"]) == ("MCP_SSE_STREAM_INITIALIZATION", None)


@pytest.mark.parametrize(
    "types",
    [["Text/Event-Stream"], ["text/event-stream ;charset=utf-8"], ["application/json", "text/event-stream"]],
)
async def test_an_event_stream_is_one_in_any_spelling(types):
    upstream = Answering(200, [("Content-Type", each) for each in types], b"data: {}\n\n")
    response, seen = await through_to(filter_of(), posting(legacy_call(), LEGACY_VERSION), upstream)
    assert bound(seen, response)["serverMessageType"] == "MCP_SSE_STREAM_INITIALIZATION"


async def test_an_mcp_server_sets_no_cookies_of_the_gateways_host():
    upstream = Answering(
        200, [("Set-Cookie", "session=evil"), ("set-cookie", "a=b; Domain=example"), ("X-Other", "1")], b"{}"
    )
    response, _ = await through_to(filter_of(), posting(legacy_call(), LEGACY_VERSION), upstream)
    assert list(response.headers) == [("X-Other", "1")]


async def test_limits_and_extension_methods_are_configurable():
    response, seen = await through_to(filter_of(maxBodySize=20), posting(legacy_call(), LEGACY_VERSION))
    assert (response.status, seen) == (413, None)
    rest = streamed(posting(legacy_call(), LEGACY_VERSION))
    response, _ = await through_to(filter_of(maxBodySize=20), rest)
    assert (response.status, json.loads(response.body.buffered)["id"]) == (413, None)
    assert sum([len(chunk) async for chunk in rest.request.body]) > 20  # nobody read on after the limit
    response, _ = await through_to(
        filter_of(acceptedMethods=["ui/open"]), posting(legacy_call(method="ui/open"), LEGACY_VERSION)
    )
    assert response.status == 200


@pytest.mark.parametrize(
    ("config", "pointer"),
    [
        ({"acceptedOrigins": "("}, "acceptedOrigins"),
        ({"acceptedOrigins": "(?=x"}, "acceptedOrigins"),
        ({"preferredServerVersion": "2026-07-28"}, "preferredServerVersion"),
    ],
)
def test_configuration_that_cannot_work(config, pointer):
    with pytest.raises(ConfigurationError, match=f"/handler/config/{pointer}"):
        filter_of(**config)


def test_origins_are_required():
    with pytest.raises(ConfigurationError, match="acceptedOrigins"):
        built(McpValidationFilter, {"type": "McpValidationFilter"}, oauth_heap())


@pytest.mark.parametrize("verb", ["GET", "DELETE"])
async def test_a_message_cannot_ride_on_another_verb(verb):
    headers = [
        ("Accept", "text/event-stream"),
        LEGACY_VERSION,
        ("Mcp-Session-Id", "s"),
        ("X-HTTP-Method-Override", "POST"),
    ]
    exchange = exchange_for("/mcp", verb, headers, json.dumps(legacy_call("transfer")).encode())
    response, seen = await through_to(filter_of(), exchange)
    assert (response.status, json.loads(response.body.buffered)["error"]["code"], seen) == (400, -32600, None)
