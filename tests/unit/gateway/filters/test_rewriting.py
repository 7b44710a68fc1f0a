"""Filters that put another request or redirect in place of the one there is, and filters made of filters."""

import pytest
from structlog.testing import capture_logs

from deputize.audit.records import RouteIdentity
from deputize.gateway.exchange.contexts import RouterContext
from deputize.http.plans import Filter, Handler
from deputize.kernel.uris import parse_origin, parse_target
from support.gateway import Answering, ask, built, exchange_for, heap_of, through


async def redirected(location, config=None, received="https://gateway.example"):
    """Where the client is sent by a server at http://server:8000 that answers with `location`."""
    members = {"type": "LocationHeaderFilter", "config": config or {}}
    exchange = exchange_for(origin="http://server:8000")
    exchange.put(RouterContext(RouteIdentity("r", "r"), parse_origin(received), parse_target(b"/")))
    answering = Answering(302, [("Location", location)])
    return (await through(built(Filter, members), exchange, answering)).headers.get("location")


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("http://server:8000/a?b#c", "https://gateway.example/a?b#c"),
        ("//server:8000/a", "https://gateway.example/a"),
        ("http://server:8000", "https://gateway.example/"),
        ("http://server:8000//evil.example", "https://gateway.example/.//evil.example"),
        ("http://server:9000/a", "http://server:9000/a"),
        ("https://login.example/a", "https://login.example/a"),
        ("/a", "/a"),
        ("b", "b"),
    ],
)
async def test_redirects_to_the_server_lead_to_the_gateway(location, expected):
    assert await redirected(location) == expected
    assert await redirected(location.replace("/a", "/a/"), {"baseURI": "http://${'other'}:99/ignored"}) == (
        expected.replace("/a", "/a/").replace("https://gateway.example", "http://other:99")
    )


async def test_an_answer_without_location_is_left_alone():
    members = {"type": "LocationHeaderFilter"}
    response = await through(built(Filter, members), exchange_for(), Answering(200, [("X", "y")]))
    assert [*response.headers] == [("X", "y")]


async def replaced(config, backend=None, **exchange):
    """What goes on in place of a request."""
    members = {"type": "StaticRequestFilter", "config": {"method": "GET", "uri": "http://s/", **config}}
    backend = backend or Answering()
    response = await through(built(Filter, members), exchange_for(**exchange), backend)
    return response if not backend.asked else backend.asked[0].request


async def test_nothing_of_the_request_is_kept():
    request = await replaced(
        {
            "uri": "https://s:8443/x%20y?${request.headers['X-A'][0]}",
            "headers": {"X-B": ["${request.method}", "c"]},
        },
        method="POST",
        headers=[("X-A", "b"), ("Cookie", "d"), ("Content-Type", "text/plain"), ("Content-Length", "3")],
        body=b"abc",
    )
    assert (request.method, str(request.origin), str(request.target)) == ("GET", "https://s:8443", "/x%20y?b")
    assert [*request.headers] == [("X-B", "POST"), ("X-B", "c")]
    assert (request.body.buffered, request.body.length) == (b"", 0)


@pytest.mark.parametrize(
    ("config", "target", "body"),
    [
        ({"form": {"a b": ["1", "&"]}}, "/?a+b=1&a+b=%26", b""),
        ({"uri": "http://s/?x=y", "form": {"a": "1"}}, "/?x=y&a=1", b""),
        ({"method": "POST", "form": {"a": "${request.uri.path}"}}, "/", b"a=%2F"),
        ({"method": "PUT", "entity": ["${request.method}", "b"]}, "/", b"GET\nb"),
        ({"entity": "${request.headers['X'][0]}"}, "/", b""),
    ],
)
async def test_forms_and_entities(config, target, body):
    request = await replaced(config)
    assert (str(request.target), request.body.buffered) == (target, body)
    is_form = request.headers.get("content-type") == "application/x-www-form-urlencoded"
    assert is_form == (config.get("method") == "POST")


@pytest.mark.parametrize(
    "config",
    [
        {"headers": {"X": "${request.queryParams['a'][0]}"}},
        {"uri": "http://s/../a"},
        {"uri": "${request.queryParams['a'][0]}"},
        {"uri": "${request.queryParams['b'][0]}"},
    ],
)
async def test_what_cannot_be_sent_is_refused(config):
    backend = Answering()
    assert (await replaced(config, backend, target="/?a=x%0Ay")).status == 400
    assert backend.asked == []


def adding(name):
    return {"type": "HeaderFilter", "config": {"messageType": "REQUEST", "add": {"X-Added": name}}}


async def test_a_chain_of_filters_is_a_filter():
    enforcing = {"type": "ConditionEnforcementFilter", "config": {"condition": "${request.method == 'GET'}"}}
    chain = {"type": "ChainOfFilters", "config": {"filters": [adding("a"), enforcing, adding("b")]}}
    decorated = built(Filter, chain)
    backend = Answering()
    assert (await through(decorated, exchange_for(), backend)).status == 200
    assert backend.asked[0].request.headers.get_all("x-added") == ["a", "b"]
    assert (await through(decorated, exchange_for(method="POST"), backend)).status == 403
    assert len(backend.asked) == 1


async def test_a_delegate_is_decorated_and_its_object_is_not():
    heap = heap_of(
        {"name": "it", "type": "StaticResponseHandler", "config": {"status": 204}},
        {"name": "timed", "type": "Delegate", "config": {"delegate": "it"}, "timer": True},
        {"name": "filtering", "type": "Delegate", "config": {"delegate": adding("a")}},
    )
    with capture_logs() as lines:
        assert (await ask(built(Handler, "it", heap), exchange_for())).status == 204
        assert lines == []
        assert (await ask(built(Handler, "timed", heap), exchange_for())).status == 204
    assert [line["object"] for line in lines] == ["timed"]
    backend = Answering()
    await through(built(Filter, "filtering", heap), exchange_for(), backend)
    assert backend.asked[0].request.headers.get("x-added") == "a"
