import pytest

from deputize.gateway.exchange.contexts import RefusalContext, read_claims
from deputize.http.plans import Filter
from deputize.kernel.errors import ConfigurationError
from support.gateway import Answering, built, exchange_for, through


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
    await through(each, exchange, Answering())
    assert list(exchange.request.headers) == [
        ("X-New", "zero"),
        ("Host", "client.example.internal"),
        ("X-New", "one"),
        ("X-New", "GET"),
    ]


async def test_response_headers():
    each = changing(messageType="RESPONSE", remove="Server", add={"X-Status": "${response.status.code}"})
    response = await through(each, exchange_for(), Answering(201, [("Server", "secret")]))
    assert list(response.headers) == [("X-Status", "201")]


async def test_an_expression_cannot_break_out_of_its_field():
    each = changing(messageType="REQUEST", add={"X-Query": "${request.uri.query}"})
    backend = Answering()
    assert (await through(each, exchange_for("/a?b%0d%0aX-Evil:1"), backend)).status == 400
    assert backend.asked == []


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"messageType": "BOTH"},
        {"messageType": "REQUEST", "add": {"a b": "c"}},
        {"messageType": "REQUEST", "remove": ["a:"]},
    ],
)
def test_bad_configuration_is_refused(config):
    with pytest.raises(ConfigurationError):
        changing(**config)


def with_claims(**info):
    exchange = exchange_for()
    exchange.put(read_claims("t", info, None))
    return exchange


async def test_lists_and_maps_are_never_silently_nothing():
    config = {
        "messageType": "REQUEST",
        "add": {
            "X-Roles": "${contexts.oauth2.accessToken.info.roles}",
            "X-Info": "${contexts.oauth2.accessToken.info.act}",
        },
    }
    backend = Answering()
    await through(
        built(Filter, {"type": "HeaderFilter", "config": config}),
        with_claims(roles=["a", "b"], act={"sub": "Zoë"}),
        backend,
    )
    headers = backend.asked[0].request.headers
    assert headers.get_all("x-roles") == ["a", "b"]
    assert headers.get_all("x-info") == ['{"sub":"Zo\\u00eb"}']


@pytest.mark.parametrize("value", ["a\r\nX-Admin: true", "a\0", "Łukasz", "\u2028"])
@pytest.mark.parametrize(("message_type", "status"), [("REQUEST", 400), ("RESPONSE", 502)])
async def test_a_claim_that_no_header_can_carry_is_refused_with_a_reason(value, message_type, status):
    config = {"messageType": message_type, "add": {"X-Name": "${contexts.oauth2.accessToken.info.name}"}}
    exchange = with_claims(name=value)
    response = await through(built(Filter, {"type": "HeaderFilter", "config": config}), exchange, Answering())
    assert response.status == status
    assert "X-Name" in exchange.find(RefusalContext).reason
