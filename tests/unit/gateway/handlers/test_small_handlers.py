"""Chain, dispatch, sequence and static response."""

import pytest

from deputize.gateway.exchange.conditions import Undecidable
from deputize.gateway.exchange.contexts import RefusalContext
from deputize.http.plans import Handler
from deputize.kernel.errors import ConfigurationError
from support.gateway import ask, built, exchange_for


def static(status, **config):
    return {"type": "StaticResponseHandler", "config": {"status": status, **config}}


async def answer(members, **exchange):
    return await ask(built(Handler, members), exchange_for(**exchange))


async def test_static_response_evaluates_its_texts():
    headers = {"X-A": ["1", "${request.method}"], "Content-Type": "text/plain"}
    response = await answer(
        static(207, reason="Many", headers=headers, entity=["one ${request.uri.path}", "two"]), target="/p"
    )
    assert (response.status, response.reason, response.body.buffered) == (207, "Many", b"one /p\ntwo")
    assert list(response.headers) == [("X-A", "1"), ("X-A", "GET"), ("Content-Type", "text/plain")]


async def test_static_response_shows_maps_and_lists():
    entity = {"entity": "${request.queryParams}", "headers": {"X-Q": "${request.queryParams['a']}"}}
    response = await answer(static(200, **entity), target="/?a=1&a=2")
    assert response.body.buffered == b'{"a":["1","2"]}'
    assert response.headers.get_all("x-q") == ["1", "2"]


@pytest.mark.parametrize("status", [99, 100, 600, "x"])
def test_static_response_refuses_what_is_no_final_status(status):
    with pytest.raises(ConfigurationError):
        built(Handler, static(status))


async def test_chain_runs_filters_inwards_and_outwards():
    def adding(name, message_type):
        return {"type": "HeaderFilter", "config": {"messageType": message_type, "add": {"X-Order": name}}}

    filters = [
        adding("a", "REQUEST"),
        adding("b", "REQUEST"),
        adding("c", "RESPONSE"),
        adding("d", "RESPONSE"),
    ]
    echo = static(200, entity="${request.headers['X-Order'][0]}${request.headers['X-Order'][1]}")
    response = await answer({"type": "Chain", "config": {"filters": filters, "handler": echo}})
    assert response.body.buffered == b"ab"
    assert response.headers.get_all("x-order") == ["d", "c"]


async def test_chain_names_the_filter_that_is_none():
    with pytest.raises(ConfigurationError) as raised:
        built(
            Handler,
            {
                "type": "Chain",
                "config": {
                    "filters": [{"type": "HeaderFilter", "config": {"messageType": "REQUEST"}}, static(200)],
                    "handler": static(200),
                },
            },
        )
    assert raised.value.position.pointer == "/handler/config/filters/1"


@pytest.mark.parametrize(("method", "expected"), [("GET", 201), ("PUT", 202)])
async def test_dispatch_takes_the_first_binding_that_holds(method, expected):
    bindings = [
        {"condition": "${request.method == 'GET'}", "handler": static(201)},
        {"condition": "${request.method == 'PUT'}", "handler": static(202)},
        {"condition": "${request.method < 5}", "handler": static(203)},
    ]
    assert (
        await answer({"type": "DispatchHandler", "config": {"bindings": bindings}}, method=method)
    ).status == expected


async def test_dispatch_without_a_binding_that_holds_is_404():
    bindings = {"condition": "${request.method == 'GET'}", "handler": static(201)}
    assert (
        await answer({"type": "DispatchHandler", "config": {"bindings": bindings}}, method="POST")
    ).status == 404


@pytest.mark.parametrize(
    "condition", ["${request.method < 5}", "${contexts.mcp.clientPayload.params.name == 'danger'}"]
)
async def test_dispatch_passes_nothing_on_beyond_a_binding_it_cannot_decide_about(condition):
    bindings = [{"condition": condition, "handler": static(403)}, {"handler": static(200)}]
    with pytest.raises(Undecidable):
        await answer({"type": "DispatchHandler", "config": {"bindings": bindings}})


async def test_sequence_goes_on_only_with_what_it_can_decide():
    bindings = [
        {"handler": static(200), "postcondition": "${response.headers['X-Next'][0] != 'no'}"},
        {"handler": static(203)},
    ]
    assert (await answer({"type": "SequenceHandler", "config": {"bindings": bindings}})).status == 200


async def test_dispatch_sets_the_origin():
    binding = {
        "handler": static(200, entity="${request.uri.host}"),
        "baseURI": "http://${request.headers['x-to'][0]}",
    }
    response = await answer(
        {"type": "DispatchHandler", "config": {"bindings": binding}}, headers=[("X-To", "there")]
    )
    assert response.body.buffered == b"there"


@pytest.mark.parametrize(("first", "expected"), [(200, 203), (401, 401)])
async def test_sequence_goes_on_while_postconditions_hold(first, expected):
    bindings = [
        {"handler": static(first), "postcondition": "${response.status.code == 200}"},
        {"handler": static(202)},
        {"handler": static(203)},
    ]
    assert (await answer({"type": "SequenceHandler", "config": {"bindings": bindings}})).status == expected


async def test_a_static_header_that_cannot_be_sent_is_refused_with_its_reason():
    handler = built(Handler, static(200, headers={"X-Name": ["${urlDecode(request.uri.query)}"]}))
    exchange = exchange_for("/?a%0d%0ab")
    assert (await ask(handler, exchange)).status == 400
    assert "X-Name" in exchange.find(RefusalContext).reason
    response = await ask(handler, exchange_for("/?plain"))
    assert (response.status, response.headers.get("x-name")) == (200, "plain")
