import pytest

from deputize.gateway.advice import advice
from deputize.kernel.errors import Position

PROXY = {"type": "ReverseProxyHandler"}
MCP = {"type": "Chain", "config": {"filters": [{"type": "McpValidationFilter"}], "handler": PROXY}}


def pointers(document, *, streaming=True, has_global_base=False):
    return [each.position.pointer for each in advice(document, Position("r.json"), streaming=streaming, has_global_base=has_global_base)]


def test_a_route_that_is_fine_gets_no_advice():
    assert pointers({"condition": "${find(request.uri.path, '^/mcp(/|$)')}", "baseURI": "http://a", "handler": MCP}) == []


@pytest.mark.parametrize(
    "condition", ["${find(request.uri.path, '^/mcp')}", '${find(request.uri.path,"^/a/b-c")}', "#{find(request.uri.path, '^/mcp')}"]
)
def test_prefix_conditions_match_more_than_the_prefix(condition):
    assert pointers({"condition": condition, "handler": {"type": "StaticResponseHandler"}}) == ["/condition"]


def test_mcp_needs_streaming():
    assert pointers({"baseURI": "http://a", "handler": MCP}, streaming=False) == ["/handler/config/filters/0"]


@pytest.mark.parametrize("handler", [PROXY, "ReverseProxyHandler", {"type": "Chain", "config": {"handler": PROXY}}])
def test_forwarding_needs_a_base(handler):
    assert pointers({"handler": handler}) == [""]


@pytest.mark.parametrize(
    "document",
    [
        {"baseURI": "http://a", "handler": PROXY},
        {"handler": {**PROXY, "baseURI": "http://a"}},
        {"handler": {"type": "Chain", "config": {"handler": {**PROXY, "baseURI": "http://a"}}}},
        {"handler": {"type": "DispatchHandler", "config": {"bindings": [{"handler": PROXY, "baseURI": "http://a"}]}}},
    ],
)
def test_a_base_anywhere_it_is_read_is_enough(document):
    assert pointers(document) == []


def test_a_base_inside_config_is_none():
    assert pointers({"handler": {**PROXY, "config": {"baseURI": "http://a"}}}) == [""]


def test_a_global_base_is_enough():
    assert pointers({"handler": PROXY}, has_global_base=True) == []
