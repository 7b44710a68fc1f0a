import json

import pytest
from structlog.testing import capture_logs

from deputize.gateway.exchange.contexts import read_claims
from deputize.gateway.filters.oauth2_resource_server import OAuth2ResourceServerFilter
from deputize.http.messages import Body, Headers, Response
from deputize.http.plans import Filter, Handler
from support.gateway import Answering, ask, built, exchange_for, heap_of, through

ANSWER = {
    "type": "StaticResponseHandler",
    "config": {"status": 201, "headers": {"Set-Cookie": "s=1"}, "entity": "made"},
}
ADD = {"type": "HeaderFilter", "config": {"messageType": "REQUEST", "add": {"X-Added": "yes"}}}
JSON = [("Content-Type", "application/json")]


def capturing(**config):
    return heap_of({"name": "capture", "type": "CaptureDecorator", "config": config})


async def captured(members, heap=None, backend=None, **exchange):
    """What was written, in order."""
    with capture_logs() as lines:
        if backend is None:
            response = await ask(built(Handler, members, heap), exchange_for(**exchange))
        else:
            response = await through(built(Filter, members, heap), exchange_for(**exchange), backend)
        await response.body.read(100_000)
    return [line for line in lines if line["event"] == "captured"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("all", ["request", "response"]),
        ("REQUEST", ["request"]),
        (["response", "request"], ["request", "response"]),
        (["request", "none"], []),
        ("none", []),
        ([], []),
        ("filtered_request", []),
    ],
)
async def test_points_of_a_handler(written, expected):
    assert [line["point"] for line in await captured({**ANSWER, "capture": written})] == expected


async def test_points_of_a_filter_in_the_order_in_which_messages_pass():
    lines = await captured({**ADD, "name": "add", "capture": "all"}, backend=Answering(203))
    assert [line["point"] for line in lines] == [
        "request",
        "filtered_request",
        "response",
        "filtered_response",
    ]
    assert ["X-Added" in line["headers"] for line in lines] == [False, True, False, False]
    assert {line["object"] for line in lines} == {"add"}
    assert {line["transaction"] for line in lines} == {"transaction-1"}


async def test_a_request_and_its_answer_are_written_without_credentials():
    headers = [
        ("Authorization", "Bearer abc"),
        ("cookie", "session=abc"),
        ("X-Api-Key", "abc"),
        ("Mcp-Session-Id", "abc"),
        ("X-Auth-Token", "abc"),
        ("X-Other", "Basic abc"),
        ("Accept", "text/plain"),
    ]
    request, response = await captured(
        {**ANSWER, "capture": "all"}, target="/a?code=abc&state=xyz", headers=headers
    )
    assert request["uri"] == "http://client.example/a?code=*****&state=xyz"
    assert (request["method"], request["version"]) == ("GET", "HTTP/1.1")
    assert {name: value for name, [value] in request["headers"].items()} == {
        **{name: "*****" for name, _ in headers[:5]},
        "X-Other": "Basic *****",
        "Accept": "text/plain",
    }
    assert (response["status"], response["headers"]) == (201, {"Set-Cookie": ["*****"]})
    assert "abc" not in json.dumps([request, response])


async def test_masks_hide_more():
    heap = capturing(captureEntity=True, masks={"headers": ["x-acc.*"], "attributes": "iban"})
    [request, entity] = await captured(
        {**ANSWER, "capture": "request"},
        heap,
        target="/?iban=DE1",
        headers=[*JSON, ("X-Account", "DE1")],
        body=b'{"IBAN": "DE1", "to": {"iban": 5, "name": "Ann"}}',
    )
    assert request["uri"].endswith("?iban=*****")
    assert request["headers"]["X-Account"] == ["*****"]
    assert json.loads(entity["entity"]) == {"IBAN": "*****", "to": {"iban": "*****", "name": "Ann"}}


@pytest.mark.parametrize(
    ("content_type", "body", "written"),
    [
        ("application/json", b'{"access_token": "a\\"b", "n": 1}', '{"access_token": "*****", "n": 1}'),
        ("application/json", b'{"code": -32602, "password": "ab', '{"code": -32602, "password": "*****"'),
        ("application/x-www-form-urlencoded", b"token=abc&scope=x", "token=*****&scope=x"),
        ("text/plain; charset=utf-8", b"Bearer abc", "Bearer *****"),
        ("image/png", b"abc", "not written: it is not text"),
    ],
)
async def test_entities_are_written_without_credentials(content_type, body, written):
    lines = await captured(
        {**ANSWER, "capture": "request"},
        capturing(captureEntity=True),
        headers=[("Content-Type", content_type)],
        body=body,
    )
    assert [line["entity"] for line in lines[1:]] == [written]


@pytest.mark.parametrize("headers", [[], [("Content-Type", "text/plain"), ("Content-Encoding", "gzip")]])
async def test_what_is_no_text_is_not_written(headers):
    lines = await captured(
        {**ANSWER, "capture": "request"}, capturing(captureEntity=True), headers=headers, body=b"abc"
    )
    assert "abc" not in json.dumps(lines)


async def test_without_capture_entity_none_is_written():
    lines = await captured({**ANSWER, "capture": "all"}, headers=JSON, body=b'"abc"')
    assert not any("entity" in line for line in lines)


async def test_a_long_entity_is_cut():
    lines = await captured(
        {**ANSWER, "capture": "request"},
        capturing(captureEntity=True, maxEntityLength=3),
        headers=[("Content-Type", "text/plain")],
        body=b"abcdefgh",
    )
    assert (lines[1]["entity"], lines[1]["bytes_left_out"]) == ("abc", 5)


class Streaming:
    """A server whose answer comes in pieces, and that reads the request's body."""

    def __init__(self):
        self.read = b""
        self.closed = 0

    async def handle(self, exchange):
        self.read = b"".join([piece async for piece in exchange.request.body])

        async def pieces():
            yield b"one, "
            yield b"two"

        async def close():
            self.closed += 1

        return Response(200, Headers([(b"Content-Type", b"text/plain")]), Body(None, pieces(), 8, close))


async def test_entities_are_written_when_they_have_passed():
    async def sent():
        yield b"three, "
        yield b"four"

    backend = Streaming()
    decorated = built(Filter, {**ADD, "capture": ["request", "response"]}, capturing(captureEntity=True))
    exchange = exchange_for(method="POST", headers=[("Content-Type", "text/plain")])
    exchange.request.body = exchange.body = Body(None, sent(), 11)
    with capture_logs() as lines:
        response = await through(decorated, exchange, backend)
        entities = [line["entity"] for line in lines if "entity" in line]
        assert (entities, response.body.length, response.body.buffered) == (["three, four"], 8, None)
        assert [piece async for piece in response.body] == [b"one, ", b"two"]
    assert backend.read == b"three, four"
    assert [line["entity"] for line in lines if "entity" in line][1:] == ["one, two"]


async def test_what_has_passed_of_an_entity_that_is_given_up_is_written():
    backend = Streaming()
    decorated = built(Filter, {**ADD, "capture": "response"}, capturing(captureEntity=True))
    with capture_logs() as lines:
        response = await through(decorated, exchange_for(), backend)
        assert await anext(aiter(response.body)) == b"one, "
        await response.body.aclose()
    assert [line["entity"] for line in lines if "entity" in line] == ["one, "]
    assert backend.closed == 1


async def test_contexts_are_written_without_the_token():
    exchange = exchange_for()
    exchange.put(read_claims("abc", {"sub": "ann", "scope": "a"}, None))
    decorated = built(Handler, {**ANSWER, "capture": "request"}, capturing(captureContext=True))
    with capture_logs() as lines:
        await ask(decorated, exchange)
    [line] = [line for line in lines if line["event"] == "captured"]
    found = line["contexts"]["oauth2"]["accessToken"]
    assert (found["token"], found["info"]) == ("*****", {"sub": "ann", "scope": "a"})


async def test_a_decorator_of_another_name_and_of_an_enclosing_file():
    outer = heap_of({"name": "my.capture", "type": "CaptureDecorator"})
    lines = await captured({**ANSWER, "my.capture": "request"}, heap_of(parent=outer))
    assert [line["point"] for line in lines] == ["request"]


async def test_global_decorations_are_for_handlers_and_filters():
    heap = heap_of(decorators=({"capture": "request", "baseURI": "http://b"},))
    lines = await captured(ADD, heap, backend=Answering())
    assert [line["uri"] for line in lines] == ["http://client.example/"]
    assert [line["uri"] for line in await captured(ANSWER, heap)] == ["http://b/"]


def test_who_needs_an_object_of_its_class_gets_it_undecorated():
    members = {
        "name": "rs",
        "type": "OAuth2ResourceServerFilter",
        "config": {"scopes": ["a"], "accessTokenResolver": "resolver"},
        "capture": "all",
    }

    class Resolver:
        async def resolve(self, token, exchange):
            raise NotImplementedError

    heap = heap_of(members)
    heap._built["resolver"] = Resolver()
    heap._declared["resolver"] = None
    assert isinstance(built(OAuth2ResourceServerFilter, "rs", heap), OAuth2ResourceServerFilter)
