import pytest

from deputize.http.exchange import Filter
from deputize.http.messages import HeaderError
from deputize.kernel.errors import ConfigurationError
from support.gateway import Answering, built, exchange_for


def changing(**config):
    return built(Filter, {"type": "HeaderFilter", "config": config})


async def test_request_headers_are_removed_replaced_and_added():
    each = changing(
        messageType="request",
        remove=["X-Gone"],
        replace={"Host": ["${request.uri.host}.internal"]},
        add={"X-New": ["one", "${request.method}"], "X-Absent": "${request.headers['nobody'][0]}"},
    )
    exchange = exchange_for("/", headers=[("Host", "a"), ("host", "b"), ("x-gone", "1"), ("X-New", "zero")])
    await each.filter(exchange, Answering().handle)
    assert list(exchange.request.headers) == [("X-New", "zero"), ("Host", "client.example.internal"), ("X-New", "one"), ("X-New", "GET")]


async def test_response_headers():
    each = changing(messageType="RESPONSE", remove="Server", add={"X-Status": "${response.status.code}"})
    response = await each.filter(exchange_for(), Answering(201, [("Server", "secret")]).handle)
    assert list(response.headers) == [("X-Status", "201")]


async def test_an_expression_cannot_break_out_of_its_field():
    each = changing(messageType="REQUEST", add={"X-Query": "${request.uri.query}"})
    with pytest.raises(HeaderError):
        await each.filter(exchange_for("/a?b%0d%0aX-Evil:1"), Answering().handle)


@pytest.mark.parametrize(
    "config", [{}, {"messageType": "BOTH"}, {"messageType": "REQUEST", "add": {"a b": "c"}}, {"messageType": "REQUEST", "remove": ["a:"]}]
)
def test_bad_configuration_is_refused(config):
    with pytest.raises(ConfigurationError):
        changing(**config)
