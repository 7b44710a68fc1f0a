import pytest

from deputize.audit.records import RouteIdentity
from deputize.expressions.gateway import compile_template
from deputize.gateway.exchange.bindings import Bindings, as_text, as_texts
from deputize.gateway.exchange.contexts import AttributesContext, RouterContext
from deputize.http.messages import Body, Headers, Response
from support.gateway import exchange_for, instance_for

EXCHANGE = exchange_for(
    "/a%20b/c?x=1&x=2&y=%2F",
    "POST",
    headers=[("X-One", "1"), ("x-one", "2"), ("Cookie", "c=v; d=w"), ("User-Agent", "test")],
    body=b'{"method": "tools/call"}',
    origin="https://client.example:8443",
    secure=True,
)


def value(expression, response=None, exchange=EXCHANGE):
    bindings = Bindings(exchange, response, instance_for(environment={"HOME": "/home"}), {"colour": "red"})
    return compile_template("${" + expression + "}").evaluate(bindings)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("request.method", "POST"),
        ("request.version", "HTTP/1.1"),
        ("request.uri.scheme", "https"),
        ("request.uri.host", "client.example"),
        ("request.uri.port", 8443),
        ("request.uri.path", "/a b/c"),
        ("request.uri.rawPath", "/a%20b/c"),
        ("request.uri.query", "x=1&x=2&y=/"),
        ("request.headers['X-ONE'][1]", "2"),
        ("request.headers['absent'][0]", None),
        ("request.cookies['d'][0].value", "w"),
        ("request.queryParams['x'][1]", "2"),
        ("request.entity.json.method", "tools/call"),
        ("contexts.client.remoteAddress", "192.0.2.7"),
        ("contexts.client.isSecure", True),
        ("contexts.client.userAgent", "test"),
        ("contexts.transactionId.transactionId.value", "transaction-1"),
        ("contexts.nobody.left.this", None),
        ("attributes.x", None),
        ("env.HOME", "/home"),
        ("system.anything", None),
        ("colour", "red"),
        ("heap.colour", "red"),
        ("openig.configDirectory", "/instance/config"),
        ("now.epochSeconds", 1_700_000_000),
        ("response.status.code", None),
    ],
)
def test_what_expressions_see(expression, expected):
    assert value(expression) == expected


def test_response_is_seen_once_there_is_one():
    response = Response(404, Headers([(b"X-A", b"b")]), Body(b"not json"), "Nope")
    seen = [
        value(each, response)
        for each in (
            "response.status.code",
            "response.status.reasonPhrase",
            "response.headers['x-a'][0]",
            "response.entity.json",
        )
    ]
    assert seen == [404, "Nope", "b", None]


def test_contexts_show_themselves():
    exchange = exchange_for("/mcp?x=1", origin="https://ig.example.com:8443")
    exchange.put(RouterContext(RouteIdentity("id", "name"), exchange.request.origin, exchange.request.target))
    exchange.put(AttributesContext({"a": 1}))
    assert value("contexts.router.originalUri", exchange=exchange) == "https://ig.example.com:8443/mcp?x=1"
    assert value("attributes.a", exchange=exchange) == 1
    assert value("contexts.attributes.a", exchange=exchange) == 1


def test_a_streamed_body_is_not_seen():
    exchange = exchange_for("/")
    exchange.request.body = Body(None)
    assert value("request.entity.string", exchange=exchange) is None


def test_views_are_mappings():
    bindings = Bindings(EXCHANGE, None, instance_for(), {"colour": "red"})
    assert {"request", "colour"} <= set(bindings)
    assert len(bindings) == len(set(bindings))
    request = bindings["request"]
    assert len(request) == len(list(request))
    assert dict(request["headers"]) == {
        "X-One": ["1", "2"],
        "x-one": ["1", "2"],
        "Cookie": ["c=v; d=w"],
        "User-Agent": ["test"],
    }


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("a", "a"),
        (5, "5"),
        (True, "true"),
        (False, "false"),
        (None, None),
        ([1, "é"], '[1,"\\u00e9"]'),
        ({"a": None}, '{"a":null}'),
    ],
)
def test_text_of_values(given, text):
    assert as_text(given) == text


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ("a", ["a"]),
        (None, []),
        ([], []),
        (["a", None, 1, ["b"]], ["a", "1", '["b"]']),
        ({"a": [1]}, ['{"a":[1]}']),
    ],
)
def test_header_values_of_values(given, texts):
    assert as_texts(given) == texts
