import pytest

from deputize.expressions import ExpressionError
from deputize.gateway.decorators.base_uri import NoBaseUri
from deputize.http.plans import Filter, Handler
from deputize.kernel.errors import ConfigurationError
from support.gateway import Answering, ask, built, exchange_for, heap_of, through

ECHO = {
    "type": "StaticResponseHandler",
    "config": {
        "status": 200,
        "entity": "${request.uri.scheme}://${request.uri.authority}${request.uri.path}",
    },
}


async def echoed(members, heap=None, **exchange):
    response = await ask(built(Handler, members, heap), exchange_for("/path", **exchange))
    return response.body.buffered.decode()


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("http://localhost:8000", "http://localhost:8000/path"),
        ("https://backend", "https://backend/path"),
        ("http://${request.headers['x-to'][0]}:99", "http://there:99/path"),
    ],
)
async def test_base_uri_replaces_the_origin_only(base, expected):
    assert await echoed({**ECHO, "baseURI": base}, headers=[("X-To", "there")]) == expected


@pytest.mark.parametrize("base", ["localhost:8000", "ftp://a", "http://", "http://a_b", 5, "${find(}"])
def test_bad_base_uri_is_refused_at_load(base):
    with pytest.raises(ConfigurationError) as raised:
        built(Handler, {**ECHO, "baseURI": base})
    assert raised.value.position.pointer == "/handler/baseURI"


async def test_base_uri_that_yields_nothing_fails_the_exchange():
    with pytest.raises(NoBaseUri):
        await echoed({**ECHO, "baseURI": "${request.headers['x-to'][0]}"})
    with pytest.raises(ExpressionError):
        await echoed({**ECHO, "baseURI": "${request.method < 5}"})


async def test_base_uri_on_a_filter():
    heap = heap_of()
    each = built(Filter, {"type": "TransactionIdOutboundFilter", "baseURI": "http://there"}, heap)
    exchange = exchange_for()
    await through(each, exchange, Answering())
    assert str(exchange.request.origin) == "http://there"


async def test_own_base_uri_is_innermost():
    heap = heap_of(decorators=({"baseURI": "http://global"},))
    assert await echoed(ECHO, heap) == "http://global/path"
    assert await echoed({**ECHO, "baseURI": "http://own"}, heap) == "http://own/path"


def test_what_has_no_effect_is_warned_about():
    heap = heap_of()
    built(Handler, {**ECHO, "baseURI": "http://a/path?x"}, heap)
    assert ["not used" in each.reason for each in heap.deployment.warnings] == [True]
