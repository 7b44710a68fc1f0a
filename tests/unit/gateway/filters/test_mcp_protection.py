import asyncio
import json

import pytest

from deputize.gateway.filters.mcp_protection import McpProtectionFilter
from deputize.gateway.filters.mcp_validation import McpValidationFilter
from deputize.gateway.oauth_contexts import AccessToken
from deputize.http.chain import Chain
from deputize.http.messages import Body, Headers, Response
from deputize.kernel.errors import ConfigurationError
from support.gateway import Answering, FixedClock, built, exchange_for
from support.mcp_messages import MODERN_META
from support.oauth_filters import CLAIMS, METADATA, RESOURCE, bearing, oauth_heap, posting, protection, resource_server, through

MODERN = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "subscriptions/listen")]
LISTEN = {"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": {"notifications": {}, "_meta": MODERN_META}}
WELL_KNOWN = "/.well-known/oauth-protected-resource/mcp"


def heap_with(tokens=None, **rs):
    return oauth_heap(resource_server(**rs), tokens=tokens)


def filter_of(tokens=None, **config):
    return built(McpProtectionFilter, protection(**config), heap_with(tokens))


def challenge(response):
    return response.headers.get("www-authenticate")


async def test_a_good_token_passes_and_stays_here():
    response, seen = await through(filter_of(), bearing("good"))
    assert response.status == 200
    assert seen.request.headers.get("authorization") is None
    assert seen.find(AccessToken).token == "good"


async def test_the_token_is_forwarded_only_on_demand():
    _, seen = await through(filter_of(forwardToken=True), bearing("good"))
    assert seen.request.headers.get("authorization") == "Bearer good"


async def test_without_a_token_the_client_is_led_to_the_metadata():
    response, _ = await through(filter_of(realm="weather"), exchange_for("/mcp"))
    assert (response.status, challenge(response)) == (401, f'Bearer realm="weather", scope="test", resource_metadata="{METADATA}"')


@pytest.mark.parametrize(
    "aud",
    [
        [],
        ["https://other.example/mcp", RESOURCE],
        RESOURCE + "/",
        [RESOURCE.upper()],
        [RESOURCE + "/"],
        None,
        [None],
        {"0": "x"},
        [[RESOURCE + "x"]],
    ],
)
async def test_a_token_for_another_resource_is_invalid_here(aud):
    response, seen = await through(filter_of({"good": {**CLAIMS, "aud": aud}}), bearing("good"))
    assert (response.status, seen) == (401, None)
    assert 'error="invalid_token"' in challenge(response)
    assert f'resource_metadata="{METADATA}"' in challenge(response)


@pytest.mark.parametrize(
    ("aud", "passes"),
    [(RESOURCE, True), ([RESOURCE], True), (["x", RESOURCE], True), (["x"], False), ("x", False), ([], False), ({RESOURCE: 1}, False)],
)
async def test_the_default_pointer_takes_a_text_or_a_list_that_contains_it(aud, passes):
    some_filter = filter_of({"good": {**CLAIMS, "aud": aud}}, resourceIdPointer="/aud")
    response, _ = await through(some_filter, bearing("good"))
    assert (response.status == 200) is passes


async def test_audience_comes_before_scope_and_scope_after_the_actor():
    wrong_everything = {**CLAIMS, "aud": ["x"], "scope": "none", "act": None}
    response, _ = await through(filter_of({"good": wrong_everything}, requireActor=True), bearing("good"))
    assert response.status == 401
    response, _ = await through(filter_of({"good": {**CLAIMS, "scope": "none", "act": None}}, requireActor=True), bearing("good"))
    assert (response.status, "insufficient_scope" in challenge(response)) == (403, False)
    response, _ = await through(filter_of({"good": {**CLAIMS, "scope": "none"}}, requireActor=True), bearing("good"))
    assert (response.status, challenge(response)) == (
        403,
        f'Bearer error="insufficient_scope", scope="test", resource_metadata="{METADATA}"',
    )


@pytest.mark.parametrize("act", [None, {}, {"sub": ""}, {"sub": None}, {"sub": 7}, "agent-1", ["agent-1"], {"act": {"sub": "agent-1"}}])
async def test_where_an_actor_is_required_a_token_without_one_is_refused(act):
    tokens = {"good": {**CLAIMS, "act": act}}
    response, seen = await through(filter_of(tokens, requireActor=True), bearing("good"))
    assert (response.status, challenge(response), seen) == (403, f'Bearer resource_metadata="{METADATA}"', None)
    response, _ = await through(filter_of(tokens, requireActor=False), bearing("good"))
    assert response.status == 200


async def test_where_an_actor_is_required_one_passes():
    assert (await through(filter_of(requireActor=True), bearing("good")))[0].status == 200


async def test_challenges_of_the_server_lead_to_our_metadata():
    upstream = Answering(
        401, [("WWW-Authenticate", 'Bearer resource_metadata="https://evil.example/"'), ("WWW-Authenticate", "Basic realm=x")]
    )
    response, _ = await through(filter_of(), bearing("good"), upstream)
    assert response.headers.get_all("www-authenticate") == [f'Bearer resource_metadata="{METADATA}"', 'Basic realm="x"']


def endless():
    async def events():
        yield b"data: 1\n\n"
        await asyncio.Event().wait()

    return Response(200, Headers([(b"Content-Type", b"text/event-stream")]), Body(None, events()))


@pytest.mark.parametrize("exchange", [bearing("good"), posting(LISTEN, ("Authorization", "Bearer good"), *MODERN)])
async def test_a_stream_does_not_outlive_its_token(exchange):
    """The token is valid for 50 milliseconds more."""

    class Upstream:
        async def handle(self, exchange):
            return endless()

    heap = heap_with({"good": {**CLAIMS, "exp": FixedClock().now() + 0.05}})
    validation = built(McpValidationFilter, {"type": "McpValidationFilter", "config": {"acceptedOrigins": ".*"}}, heap)
    filters = [built(McpProtectionFilter, protection(), heap), *([validation] if exchange.request.method == "POST" else [])]
    response = await Chain(filters, Upstream()).handle(exchange)
    async with asyncio.timeout(5):
        assert [chunk async for chunk in response.body] == [b"data: 1\n\n"]


async def test_the_answer_to_a_call_may_finish():
    exchange = bearing("good", method="POST")
    stream = endless()

    class Upstream:
        async def handle(self, exchange):
            return stream

    body = stream.body
    response = await Chain([filter_of()], Upstream()).handle(exchange)
    assert response.body is body


async def metadata(heap, method="GET"):
    return await heap.deployment.endpoints[WELL_KNOWN].handler.handle(exchange_for(WELL_KNOWN, method=method))


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
    }
    refused = await metadata(heap, "POST")
    assert (refused.status, refused.headers.get("allow")) == (405, "GET, HEAD")


async def test_a_filter_may_stand_before_the_metadata():
    heap = heap_with()
    adding = {"type": "HeaderFilter", "config": {"messageType": "RESPONSE", "add": {"Access-Control-Allow-Origin": ["*"]}}}
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
        ({"resourceServerFilter": {"type": "HeaderFilter", "config": {"messageType": "REQUEST"}}}, "resourceServerFilter"),
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
