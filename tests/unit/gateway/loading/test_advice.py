import pytest

from deputize.gateway.config.file_settings import AdminSettings
from deputize.gateway.loading.advice import advice_on_connectors, advice_on_route
from deputize.kernel.errors import Position

PROXY = {"type": "ReverseProxyHandler"}
MCP = {"type": "Chain", "config": {"filters": [{"type": "McpValidationFilter"}], "handler": PROXY}}


def pointers(document, *, streaming=True, has_global_base=False):
    return [
        each.position.pointer
        for each in advice_on_route(
            document, Position("r.json"), streaming=streaming, has_global_base=has_global_base
        )
    ]


def test_a_route_that_is_fine_gets_no_advice():
    assert (
        pointers(
            {"condition": "${find(request.uri.path, '^/mcp(/|$)')}", "baseURI": "http://a", "handler": MCP}
        )
        == []
    )


@pytest.mark.parametrize(
    "condition",
    [
        "${find(request.uri.path, '^/mcp')}",
        '${find(request.uri.path,"^/a/b-c")}',
        "#{find(request.uri.path, '^/mcp')}",
    ],
)
def test_prefix_conditions_match_more_than_the_prefix(condition):
    assert pointers({"condition": condition, "handler": {"type": "StaticResponseHandler"}}) == ["/condition"]


def test_mcp_needs_streaming():
    assert pointers({"baseURI": "http://a", "handler": MCP}, streaming=False) == ["/handler/config/filters/0"]


@pytest.mark.parametrize(
    "handler", [PROXY, "ReverseProxyHandler", {"type": "Chain", "config": {"handler": PROXY}}]
)
def test_forwarding_needs_a_base(handler):
    assert pointers({"handler": handler}) == [""]


@pytest.mark.parametrize(
    "document",
    [
        {"baseURI": "http://a", "handler": PROXY},
        {"handler": {**PROXY, "baseURI": "http://a"}},
        {"handler": {"type": "Chain", "config": {"handler": {**PROXY, "baseURI": "http://a"}}}},
        {
            "handler": {
                "type": "DispatchHandler",
                "config": {"bindings": [{"handler": PROXY, "baseURI": "http://a"}]},
            }
        },
    ],
)
def test_a_base_anywhere_it_is_read_is_enough(document):
    assert pointers(document) == []


def test_a_base_inside_config_is_none():
    assert pointers({"handler": {**PROXY, "config": {"baseURI": "http://a"}}}) == [""]


def test_a_global_base_is_enough():
    assert pointers({"handler": PROXY}, has_global_base=True) == []


@pytest.mark.parametrize(
    ("connector", "warned"),
    [
        ({"port": 8080}, True),
        ({"port": 8080, "host": "10.0.0.1"}, True),
        ({"port": 8080, "host": "::"}, True),
        ({"port": 8080, "host": "gateway.example"}, True),
        ({"port": 8080, "host": "localhost"}, False),
        ({"port": 8080, "host": "127.0.0.2"}, False),
        ({"port": 8080, "host": "::1"}, False),
        ({"port": 8443, "tls": "Tls"}, False),
    ],
)
def test_a_connector_that_others_reach_in_clear_text_is_warned_about(connector, warned):
    settings = AdminSettings.model_validate({"connectors": [{"port": 1, "host": "localhost"}, connector]})
    warnings = list(advice_on_connectors(settings, Position("admin.json")))
    assert [each.position.pointer for each in warnings] == (["/connectors/1"] if warned else [])
    assert all("clear text" in each.reason and "localhost" in each.fix for each in warnings)
