import asyncio
import json
from dataclasses import replace

import pytest
import structlog

from deputize.audit.records import RouteIdentity
from deputize.gateway.authorities.endpoint import AuthorityError
from deputize.gateway.exchange.contexts import OAuth2Context, RefusalContext, RouterContext
from deputize.gateway.filters.mcp_protection import McpProtectionFilter
from deputize.gateway.filters.mcp_validation import McpValidationFilter
from deputize.gateway.filters.oauth2_resource_server import OAuth2ResourceServerFilter
from deputize.gateway.handlers.chain import Chain
from deputize.http.messages import Body, Headers, Response
from deputize.kernel.errors import ConfigurationError
from deputize.kernel.uris import parse_origin
from deputize.oauth.dpop import PROOF_ALGORITHMS
from support.gateway import Answering, FixedClock, ask, built, exchange_for, instance_for
from support.mcp_messages import LEGACY_VERSION, MODERN_META
from support.oauth_filters import (
    CLAIMS,
    METADATA,
    RESOURCE,
    bearing,
    oauth_heap,
    posting,
    protection,
    resource_server,
    through_to,
)
from support.patience import PATIENCE

MODERN = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "subscriptions/listen")]
LISTEN = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "subscriptions/listen",
    "params": {"notifications": {}, "_meta": MODERN_META},
}
WELL_KNOWN = "/.well-known/oauth-protected-resource/mcp"


def heap_with(tokens=None, **rs):
    return oauth_heap(resource_server(**rs), tokens=tokens)


def filter_of(tokens=None, **config):
    return built(McpProtectionFilter, protection(**config), heap_with(tokens))


def challenge(response):
    return response.headers.get("www-authenticate")


async def test_a_good_token_passes_and_stays_here():
    response, seen = await through_to(filter_of(), bearing("good"))
    assert response.status == 200
    assert seen.request.headers.get("authorization") is None
    assert seen.find(OAuth2Context).token == "good"


async def test_the_token_is_forwarded_only_on_demand():
    _, seen = await through_to(filter_of(forwardToken=True), bearing("good"))
    assert seen.request.headers.get("authorization") == "Bearer good"


async def test_without_a_token_the_client_is_led_to_the_metadata():
    response, _ = await through_to(filter_of(realm="weather"), exchange_for("/mcp"))
    assert (response.status, challenge(response)) == (
        401,
        f'Bearer realm="weather", scope="test", resource_metadata="{METADATA}"',
    )


@pytest.mark.parametrize(
    "aud",
    [
        [],
        ["https://other.example/mcp", RESOURCE],
        RESOURCE + "/",
        [RESOURCE.replace("/mcp", "/MCP")],
        [RESOURCE + "/"],
        None,
        [None],
        {"0": "x"},
        [[RESOURCE + "x"]],
        [[RESOURCE]],
        [["x", RESOURCE]],
        [{"0": RESOURCE}],
    ],
)
async def test_a_token_for_another_resource_is_invalid_here(aud):
    response, seen = await through_to(filter_of({"good": {**CLAIMS, "aud": aud}}), bearing("good"))
    assert (response.status, seen) == (401, None)
    assert 'error="invalid_token"' in challenge(response)
    assert f'resource_metadata="{METADATA}"' in challenge(response)


@pytest.mark.parametrize(
    ("aud", "passes"),
    [
        (RESOURCE, True),
        ([RESOURCE], True),
        (["x", RESOURCE], True),
        (["x"], False),
        ("x", False),
        ([], False),
        ({RESOURCE: 1}, False),
        ([[RESOURCE]], False),
    ],
)
async def test_the_default_pointer_takes_a_text_or_a_list_that_contains_it(aud, passes):
    some_filter = filter_of({"good": {**CLAIMS, "aud": aud}}, resourceIdPointer="/aud")
    response, _ = await through_to(some_filter, bearing("good"))
    assert (response.status == 200) is passes


@pytest.mark.parametrize(
    ("pointer", "aud", "passes"),
    [
        ("/aud/0", RESOURCE, True),
        ("/aud/0", "https://other.example", False),
        ("/aud/1", RESOURCE, False),
        ("/aud/0/0", RESOURCE, False),
        ("/0", RESOURCE, False),
        ("/aud/0", {"0": RESOURCE}, True),
        ("/aud/0", [], False),
    ],
    ids=str,
)
async def test_one_audience_may_stand_without_a_list(pointer, aud, passes):
    some_filter = filter_of({"good": {**CLAIMS, "aud": aud}}, resourceIdPointer=pointer)
    response, _ = await through_to(some_filter, bearing("good"))
    assert (response.status == 200) == passes


@pytest.mark.parametrize("pointer", ["/aud", "/aud/0"])
@pytest.mark.parametrize(
    ("resource", "aud", "passes"),
    [
        (RESOURCE, "HTTPS://IG.example.com:8443/%6dcp", True),
        ("https://ig.example.com/mcp", "https://ig.example.com:443/mcp", True),
        ("https://IG.example.com", "https://ig.example.com/", True),
        ("https://ig.example.com/mcp", "https://ig.example.com/mcp/", False),
        ("https://ig.example.com/mcp/", "https://ig.example.com/mcp", False),
        ("https://ig.example.com/mcp", "http://ig.example.com:443/mcp", False),
    ],
)
async def test_audiences_are_compared_as_uris(pointer, resource, aud, passes):
    tokens = {"good": {**CLAIMS, "aud": [aud]}}
    response, _ = await through_to(
        filter_of(tokens, resourceId=resource, resourceIdPointer=pointer), bearing("good")
    )
    assert response.status == (200 if passes else 401)


async def test_audience_comes_before_scope_and_scope_after_the_actor():
    wrong_everything = {**CLAIMS, "aud": ["x"], "scope": "none", "act": None}
    response, _ = await through_to(filter_of({"good": wrong_everything}, requireActor=True), bearing("good"))
    assert response.status == 401
    response, _ = await through_to(
        filter_of({"good": {**CLAIMS, "scope": "none", "act": None}}, requireActor=True), bearing("good")
    )
    assert (response.status, "insufficient_scope" in challenge(response)) == (403, False)
    response, _ = await through_to(
        filter_of({"good": {**CLAIMS, "scope": "none"}}, requireActor=True), bearing("good")
    )
    assert (response.status, challenge(response)) == (
        403,
        f'Bearer error="insufficient_scope", scope="test", resource_metadata="{METADATA}"',
    )


@pytest.mark.parametrize(
    "act",
    [None, {}, {"sub": ""}, {"sub": None}, {"sub": 7}, "agent-1", ["agent-1"], {"act": {"sub": "agent-1"}}],
)
async def test_where_an_actor_is_required_a_token_without_one_is_refused(act):
    tokens = {"good": {**CLAIMS, "act": act}}
    response, seen = await through_to(filter_of(tokens, requireActor=True), bearing("good"))
    assert (response.status, challenge(response), seen) == (
        403,
        f'Bearer resource_metadata="{METADATA}"',
        None,
    )
    response, _ = await through_to(filter_of(tokens, requireActor=False), bearing("good"))
    assert response.status == 200


async def test_where_an_actor_is_required_one_passes():
    assert (await through_to(filter_of(requireActor=True), bearing("good")))[0].status == 200


CHAIN = {"sub": "agent-1", "act": {"sub": "agent-0", "act": {"sub": "agent-9"}}}


@pytest.mark.parametrize(
    ("act", "config", "reason"),
    [
        ({"sub": "agent-1"}, {"acceptedActors": ["agent-1", "agent-2"]}, None),
        (CHAIN, {"acceptedActors": "agent-1"}, None),
        (CHAIN, {"acceptedActors": "agent-0"}, "actor_refused"),
        ({"sub": "Agent-1"}, {"acceptedActors": "agent-1"}, "actor_refused"),
        (None, {"acceptedActors": "agent-1"}, "actor_required"),
        ("agent-1", {"acceptedActors": "agent-1"}, "actor_required"),
        ({"act": {"sub": "agent-1"}}, {"acceptedActors": "agent-1"}, "actor_required"),
        ({"sub": "?"}, {"acceptedActors": "?"}, "actor_required"),
        (CHAIN, {"maxActors": 3}, None),
        (CHAIN, {"maxActors": 2}, "too_many_actors"),
        ({"act": {"sub": "agent-1"}}, {"maxActors": 1}, "too_many_actors"),
        (None, {"maxActors": 1}, None),
    ],
)
async def test_who_may_act_and_how_many(act, config, reason):
    exchange = bearing("good")
    response, seen = await through_to(filter_of({"good": {**CLAIMS, "act": act}}, **config), exchange)
    assert (response.status, seen is None) == ((200, False) if reason is None else (403, True))
    if reason is not None:
        assert challenge(response) == f'Bearer resource_metadata="{METADATA}"'
        assert exchange.find(RefusalContext).error == reason


EVIL = [
    ("WWW-Authenticate", 'Bearer resource_metadata="https://evil.example/", error="invalid_token"'),
    ("www-authenticate", 'Bearer realm="resource_metadata=http://evil.example "'),
    ("WWW-AUTHENTICATE", "DPoP resource_metadata=x, Bearer x_resource_metadata=y"),
    ("WWW-Authenticate", "Basic realm=x"),
]
CALL = {
    "jsonrpc": "2.0",
    "id": 7001,
    "method": "tools/call",
    "params": {"name": "forecast_daily", "arguments": {}},
}


async def answered(status, headers, exchange, **config):
    """What a client gets that sends `exchange` through protection and validation to a server that answers
    so.
    """
    heap = heap_with()
    validation = built(
        McpValidationFilter, {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}}, heap
    )
    upstream = Answering(status, headers, b"backend's own words")
    return await ask(
        Chain([built(McpProtectionFilter, protection(**config), heap), validation], upstream), exchange
    )


@pytest.mark.parametrize("status", [401, 407])
@pytest.mark.parametrize("headers", [[], EVIL])
async def test_a_server_that_never_saw_the_token_does_not_send_the_client_for_another(status, headers):
    with structlog.testing.capture_logs() as logs:
        response = await answered(status, headers, posting(CALL, ("Authorization", "Bearer good")))
    assert (response.status, challenge(response), response.headers.get("content-type")) == (
        502,
        None,
        "application/json",
    )
    assert json.loads(response.body.buffered) == {
        "jsonrpc": "2.0",
        "id": 7001,
        "error": {
            "code": -32603,
            "message": "Internal error: the MCP server does not accept requests of the gateway",
        },
    }
    (line,) = [each for each in logs if each["event"] == "the MCP server asks for authentication"]
    assert (line["status"], line["transaction"], "credentials" in line["fix"]) == (
        status,
        "transaction-1",
        True,
    )


async def test_a_stream_that_the_server_refuses_gets_an_error_without_id():
    opening = bearing("good", ("Accept", "text/event-stream"), LEGACY_VERSION)
    response = await answered(401, EVIL, opening)
    assert (response.status, json.loads(response.body.buffered)["id"]) == (502, None)


@pytest.mark.parametrize("status", [200, 202, 400, 403, 404, 429, 500])
async def test_on_other_statuses_only_the_challenge_goes(status):
    headers = [*EVIL, ("Retry-After", "3")]
    response = await answered(status, headers, posting(CALL, ("Authorization", "Bearer good")))
    assert (response.status, challenge(response), response.headers.get("retry-after")) == (status, None, "3")
    assert response.body.buffered == b"backend's own words"


@pytest.mark.parametrize("status", [401, 403, 200])
async def test_a_server_that_got_the_token_may_say_what_is_wrong_with_it(status):
    headers = [
        *EVIL,
        (
            "WWW-Authenticate",
            'bearer error=insufficient_scope, scope="a b", realm="x", error_uri="http://evil.example/"',
        ),
    ]
    response = await answered(
        status, headers, posting(CALL, ("Authorization", "Bearer good")), forwardToken=True, realm="weather"
    )
    ours = f'realm="weather", resource_metadata="{METADATA}"'
    assert response.status == status
    assert response.headers.get_all("www-authenticate") == [
        f'Bearer error="invalid_token", {ours}',
        f"Bearer {ours}",
        f"DPoP {ours}",
        f"Bearer {ours}",
        f'Bearer error="insufficient_scope", scope="a b", {ours}',
    ]


@pytest.mark.parametrize(
    "headers", [[], [("WWW-Authenticate", 'Bearer realm="x')], [("WWW-Authenticate", "Basic realm=x")]]
)
async def test_a_401_always_leads_to_our_metadata(headers):
    response = await answered(
        401, headers, posting(CALL, ("Authorization", "Bearer good")), forwardToken=True
    )
    assert (response.status, response.headers.get_all("www-authenticate")) == (
        401,
        [f'Bearer resource_metadata="{METADATA}"'],
    )


async def test_no_server_asks_for_a_proxys_credentials():
    response = await answered(407, [], posting(CALL, ("Authorization", "Bearer good")), forwardToken=True)
    assert (response.status, json.loads(response.body.buffered)["id"]) == (502, 7001)


async def redirected(status, *locations, **config):
    """What becomes of a redirect by a server that is found at http://backend:8000, and by its client at the
    resource's origin.
    """
    exchange = posting(CALL, ("Authorization", "Bearer good"))
    exchange.put(
        RouterContext(
            RouteIdentity("r", "r"), parse_origin("http://gateway.example"), exchange.request.target
        )
    )
    exchange.request.origin = parse_origin("http://backend:8000")
    response = await answered(status, [("Location", location) for location in locations], exchange, **config)
    return response.status, response.headers.get("location")


@pytest.mark.parametrize("forward", [False, True])
@pytest.mark.parametrize(
    "status", [307, *(pytest.param(each, marks=pytest.mark.slow) for each in (300, 301, 302, 303, 308))]
)
@pytest.mark.parametrize(
    "location",
    [
        *(
            "http://evil.example/mcp",
            "//evil.example/mcp",
            "///evil.example",
            r"/\evil.example",
            r"\\evil.example",
            r"http:\evil.example",
        ),
        *(
            "http:evil.example",
            "http:/evil.example",
            "http://gateway.example@evil.example/",
            r"http://evil.example\@gateway.example/",
        ),
        *(
            "/\t/evil.example",
            "http://gateway.example:81/",
            "https://gateway.example/",
            "http://gateway.example.evil.example/",
        ),
        *(
            "javascript:alert(1)",
            "http://backend:8000@evil.example/",
            "http://[::1",
            "http://gateway.example:x/",
            "HTTP:evil.example",
        ),
    ],
)
async def test_no_server_sends_a_client_to_another_place(status, location, forward):
    assert await redirected(status, location, forwardToken=forward) == (502, None)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_every_kind_of_redirect_is_looked_at(status):
    assert await redirected(status, "//evil.example/mcp") == (502, None)


async def test_two_redirects_at_once_lead_nowhere():
    assert await redirected(307, "/mcp/", "http://evil.example/") == (502, None)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        *(
            (each, each)
            for each in (
                "/mcp/",
                "/mcp/?x=http://a/#b",
                "mcp/",
                "",
                "?x=1",
                "./a:b",
                "http://gateway.example/mcp/",
            )
        ),
        ("https://ig.example.com:8443/mcp/", "https://ig.example.com:8443/mcp/"),
        ("http://backend:8000/mcp/?x=1#y", "/mcp/?x=1#y"),
        ("//backend:8000/mcp/", "/mcp/"),
        ("http://backend:8000", "/"),
        ("http://backend:8000//evil.example/", "/.//evil.example/"),
    ],
)
async def test_a_redirect_stays_at_the_gateway(location, expected):
    assert await redirected(307, location) == (307, expected)


async def test_what_is_not_a_redirect_may_name_any_place():
    assert await redirected(201, "http://elsewhere.example/") == (201, "http://elsewhere.example/")


async def test_a_filter_of_the_gateway_further_in_may_challenge():
    """For what it needs, beside what every call here needs: some clients ask for no more than is named."""
    heap = oauth_heap(resource_server(), tokens={"good": {**CLAIMS, "scope": "test"}})
    inner = built(OAuth2ResourceServerFilter, resource_server(scopes=["admin"]), heap)
    outer = built(McpProtectionFilter, protection(forwardToken=True), heap)
    response = await ask(Chain([outer, inner], Answering()), bearing("good"))
    assert (response.status, challenge(response)) == (
        403,
        f'Bearer error="insufficient_scope", scope="test admin", resource_metadata="{METADATA}"',
    )


def endless():
    async def events():
        yield b"data: 1\n\n"
        await asyncio.Event().wait()

    return Response(200, Headers([(b"Content-Type", b"text/event-stream")]), Body(None, events()))


@pytest.mark.parametrize(
    "exchange", [bearing("good"), posting(LISTEN, ("Authorization", "Bearer good"), *MODERN)]
)
async def test_a_stream_does_not_outlive_its_token(exchange):
    """The token is valid for 50 milliseconds more."""

    class Upstream:
        async def handle(self, exchange):
            return endless()

    heap = heap_with({"good": {**CLAIMS, "exp": FixedClock().now() + 0.05}})
    validation = built(
        McpValidationFilter, {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}}, heap
    )
    filters = [
        built(McpProtectionFilter, protection(), heap),
        *([validation] if exchange.request.method == "POST" else []),
    ]
    response = await ask(Chain(filters, Upstream()), exchange)
    async with asyncio.timeout(PATIENCE):
        assert [chunk async for chunk in response.body] == [b"data: 1\n\n"]


LEFT = [
    None,
    {**CLAIMS, "scope": "other"},
    {**CLAIMS, "aud": ["https://other.example/mcp"]},
    {**CLAIMS, "act": None},
    AuthorityError(503, "nobody answers"),
]


@pytest.mark.parametrize("cache", [None, {"enabled": True}])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("left", LEFT)
async def test_an_open_stream_ends_when_its_token_is_not_accepted_any_more(left, method, cache):
    """Also the answer to a call, also when a cache still holds the token, and what the cache holds is
    corrected.
    """
    tokens = {"good": CLAIMS}
    heap = heap_with(tokens, streamRecheckInterval="1 millisecond", **({"cache": cache} if cache else {}))
    some_filter = built(McpProtectionFilter, protection(requireActor=True), heap)

    class Upstream:
        async def handle(self, exchange):
            return endless()

    chain = Chain([some_filter], Upstream())
    response = await ask(chain, bearing("good", method=method))
    chunks = aiter(response.body)
    assert await anext(chunks) == b"data: 1\n\n"
    waiting = asyncio.ensure_future(anext(chunks, "over"))
    await asyncio.sleep(0.005)
    assert not waiting.done()
    tokens["good"] = left
    assert await asyncio.wait_for(waiting, PATIENCE) == "over"
    again = bearing("good")
    assert (await ask(chain, again)).status in (
        {200} if isinstance(left, Exception) and cache else {401, 403, 503}
    )
    for each in again.endings:
        each(again, None)  # or its token would still be asked about when the loop closes


async def test_the_answer_to_a_call_may_finish():
    """The token expires before the first event; the server ends the stream."""
    clock = FixedClock()
    heap = oauth_heap(
        resource_server(streamRecheckInterval="1 millisecond"), instance=replace(instance_for(), clock=clock)
    )

    class Upstream:
        async def handle(self, exchange):
            async def events():
                clock.time = CLAIMS["exp"] + 1
                for _ in range(3):
                    await asyncio.sleep(0.002)
                    yield b"data: 1\n\n"

            return Response(200, Headers([(b"Content-Type", b"text/event-stream")]), Body(None, events()))

    response = await ask(
        Chain([built(McpProtectionFilter, protection(), heap)], Upstream()), bearing("good", method="POST")
    )
    assert [chunk async for chunk in response.body] == [b"data: 1\n\n"] * 3


async def metadata(heap, method="GET"):
    return await ask(heap.deployment.endpoints[WELL_KNOWN].handler, exchange_for(WELL_KNOWN, method=method))


async def test_the_metadata_is_published_on_the_gateway():
    heap = heap_with()
    built(McpProtectionFilter, protection(supportedScopes=["test"]), heap)
    response = await metadata(heap)
    assert (response.status, response.headers.get("content-type")) == (200, "application/json")
    assert json.loads(response.body.buffered) == {
        "resource": RESOURCE,
        "authorization_servers": ["https://as.example.com/as"],
        "scopes_supported": ["test"],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": list(PROOF_ALGORITHMS),
        "dpop_bound_access_tokens_required": False,
    }
    refused = await metadata(heap, "POST")
    assert (refused.status, refused.headers.get("allow")) == (405, "GET, HEAD")


async def test_a_filter_may_stand_before_the_metadata():
    heap = heap_with()
    adding = {
        "type": "HeaderFilter",
        "config": {"messageType": "RESPONSE", "add": {"Access-Control-Allow-Origin": ["*"]}},
    }
    built(McpProtectionFilter, protection(wellKnownFilter=adding), heap)
    assert (await metadata(heap)).headers.get("access-control-allow-origin") == "*"


@pytest.mark.parametrize(
    ("config", "pointer"),
    [
        ({"resourceId": "/mcp"}, "resourceId"),
        ({"resourceId": ""}, "resourceId"),
        ({"resourceId": "https://ig.example.com/mcp#x"}, "resourceId"),
        ({"resourceId": "https://ig.example.com/a/../mcp"}, "resourceId"),
        ({"authorizationServerUri": "as.example.com"}, "authorizationServerUri"),
        ({"resourceIdPointer": "aud"}, "resourceIdPointer"),
        (
            {"resourceServerFilter": {"type": "HeaderFilter", "config": {"messageType": "REQUEST"}}},
            "resourceServerFilter",
        ),
    ],
)
def test_configuration_that_cannot_work(config, pointer):
    with pytest.raises(ConfigurationError, match=f"/handler/config/{pointer}"):
        filter_of(**config)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"requireActor": None}, "requireActor is not set"),
        ({"resourceId": "http://ig.example.com/mcp"}, "not an https URL"),
        ({"resourceId": RESOURCE + "/"}, "slash"),
        ({"authorizationServerUri": "https://as.example.com/as/token"}, "endpoint"),
    ],
)
def test_configuration_that_is_probably_not_meant(config, words):
    heap = heap_with()
    built(McpProtectionFilter, protection(**config), heap)
    assert words in str(heap.deployment.warnings[-1])


def test_two_resources_of_one_path_collide():
    heap = heap_with()
    built(McpProtectionFilter, protection(), heap)
    with pytest.raises(ConfigurationError, match="already served"):
        built(McpProtectionFilter, protection(), heap)
