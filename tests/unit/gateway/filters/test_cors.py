import pytest

from deputize.http.plans import Filter
from deputize.kernel.errors import ConfigurationError
from support.gateway import Answering, built, exchange_for, heap_of, through

STRICT = {
    "acceptedOrigins": ["https://App.example"],
    "acceptedMethods": ["POST"],
    "acceptedHeaders": ["Authorization", "MCP-Protocol-Version"],
    "exposedHeaders": "Mcp-Session-Id",
    "maxAge": "10 minutes",
    "allowCredentials": True,
}
OPEN = {"acceptedOrigins": "*", "acceptedMethods": "*", "acceptedHeaders": "*"}


async def answered(policies, method="POST", backend_headers=(), **headers):
    backend = Answering(headers=backend_headers)
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    response = await through(
        built(Filter, {"type": "CorsFilter", "config": {"policies": policies}}),
        exchange_for("/", method, pairs),
        backend,
    )
    return response.status, {name.lower(): value for name, value in response.headers}, len(backend.asked)


def preflight(policies, method="POST", headers="authorization", origin="https://app.example"):
    return answered(
        policies,
        "OPTIONS",
        Origin=origin,
        Access_Control_Request_Method=method,
        Access_Control_Request_Headers=headers,
    )


async def test_what_is_not_cross_origin_passes_untouched():
    assert await answered(STRICT) == (200, {}, 1)


async def test_an_accepted_preflight_is_answered_here():
    status, headers, asked = await preflight(STRICT, headers="authorization, MCP-Protocol-Version")
    assert (status, asked) == (204, 0)
    assert headers == {
        "access-control-allow-origin": "https://app.example",
        "vary": "Origin",
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "authorization, mcp-protocol-version",
        "access-control-max-age": "600",
    }


@pytest.mark.parametrize(
    "refused",
    [{"method": "DELETE"}, {"headers": "x-other"}, {"origin": "https://evil.example"}, {"origin": "null"}],
)
async def test_other_preflights_are_refused(refused):
    assert await preflight(STRICT, **refused) == (403, {}, 0)


async def test_answers_are_marked_and_what_the_server_said_about_it_is_replaced():
    server = [
        ("Access-Control-Allow-Origin", "*"),
        ("Vary", "Accept"),
        ("Access-Control-Allow-Credentials", "true"),
    ]
    status, headers, asked = await answered(
        {**STRICT, "allowCredentials": False}, backend_headers=server, Origin="https://app.example"
    )
    assert (status, asked, headers["access-control-allow-origin"]) == (200, 1, "https://app.example")
    assert "access-control-allow-credentials" not in headers
    assert headers["access-control-expose-headers"] == "Mcp-Session-Id"


async def test_other_origins_do_not_reach_the_server():
    assert await answered(STRICT, Origin="https://evil.example") == (403, {}, 0)


@pytest.mark.parametrize("origin", ["https://APP.example", "https://app.example:443"])
async def test_origins_are_compared_as_a_whole_in_any_spelling(origin):
    status, headers, _ = await answered(
        {**STRICT, "acceptedOrigins": "https://app.example:0443"}, Origin=origin
    )
    assert (status, headers["access-control-allow-origin"]) == (200, origin)


@pytest.mark.parametrize(
    "origin",
    ["https://app.example/", "https://app.example ", "https://app.example:8443", "", "https://appxexample"],
)
async def test_other_spellings_are_other_origins(origin):
    assert await answered(STRICT, Origin=origin) == (403, {}, 0)


@pytest.mark.parametrize("policies", [STRICT, OPEN])
@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
async def test_a_request_of_two_origins_is_refused(policies, method):
    pairs = [("Origin", "https://app.example")] * 2 + [("Access-Control-Request-Method", "POST")]
    backend = Answering()
    response = await through(
        built(Filter, {"type": "CorsFilter", "config": {"policies": policies}}),
        exchange_for("/", method, pairs),
        backend,
    )
    assert (response.status, backend.asked) == (403, [])


def test_what_is_no_origin_is_warned_about():
    heap = heap_of()
    policies = [
        {**OPEN, "acceptedOrigins": ["*", "https://app.example"]},
        {**OPEN, "acceptedOrigins": ["https://app.example/"]},
    ]
    built(Filter, {"type": "CorsFilter", "config": {"policies": policies}}, heap)
    (warning,) = heap.deployment.warnings
    assert "policies/1/acceptedOrigins" in str(warning)


async def test_the_first_policy_that_accepts_applies():
    status, headers, _ = await preflight([STRICT, OPEN], "DELETE", origin="https://other.example")
    assert (status, headers["access-control-allow-methods"]) == (204, "DELETE")
    assert "access-control-allow-credentials" not in headers


def test_everybody_with_credentials_is_refused_at_load():
    with pytest.raises(ConfigurationError, match="cannot be combined"):
        built(Filter, {"type": "CorsFilter", "config": {"policies": {**OPEN, "allowCredentials": True}}})
