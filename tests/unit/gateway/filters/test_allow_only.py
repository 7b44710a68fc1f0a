import pytest

from deputize.http.plans import Filter
from support.gateway import Answering, built, exchange_for, through

REFUSING = {"type": "StaticResponseHandler", "config": {"status": 418}}


async def status(*rules, failure=None, **exchange):
    config = {"rules": list(rules), **({"failureHandler": failure} if failure else {})}
    members = {"type": "AllowOnlyFilter", "config": config}
    return (await through(built(Filter, members), exchange_for(**exchange), Answering())).status


def coming_from(*addresses, **more):
    return {"from": {"ip": {"list": [*addresses], **more}}}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", 200),
        ("192.0.2.8", 401),
        ("192.0.2.0/24", 200),
        ("192.0.2.9/24", 200),
        ("192.0.2.1 - 192.0.2.7", 200),
        ("192.0.2.8-192.0.2.9", 401),
        ("::/0", 401),
        ("0.0.0.0/0", 200),
    ],
)
async def test_the_address_of_the_connection_is_compared(address, expected):
    """192.0.2.7 is that of the client."""
    assert await status(coming_from(address)) == expected
    assert await status(coming_from("203.0.113.1", address)) == expected


@pytest.mark.parametrize(
    ("forwarded", "expected"), [("192.0.2.7", 401), ("6.6.6.6, 198.51.100.1, 10.0.0.1", 200)]
)
async def test_what_a_trusted_proxy_says_of_the_client_counts(forwarded, expected):
    """The gateway itself writes the last hop; what stands before it is the proxy's."""
    headers = [("X-Forwarded-For", forwarded)]
    assert await status(coming_from("198.51.100.1"), headers=headers) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [("10.0.0.1", 200), ("::ffff:10.0.0.1", 200), ("nonsense", 401), (None, 401)]
)
async def test_a_resolver_yields_the_address(value, expected):
    rule = coming_from("10.0.0.0/8", resolver="${request.headers['X-Client'][0]}")
    assert await status(rule, headers=[("X-Client", value)] if value else []) == expected


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        ({}, 200),
        ({"hosts": "client[.]example"}, 200),
        ({"hosts": "client"}, 401),
        ({"ports": ["1:79", "80"]}, 200),
        ({"ports": "81:90"}, 401),
        ({"methods": ["GET", "HEAD"]}, 200),
        ({"methods": "POST"}, 401),
        ({"paths": "/a b/.*"}, 200),
        ({"paths": "/a"}, 401),
        ({"paths": "/a b/.*", "methods": "POST"}, 401),
        ([{"methods": "POST"}, {"paths": ".*"}], 200),
    ],
)
async def test_destinations(destination, expected):
    assert await status({"destination": destination}, target="/a%20b/c") == expected


async def test_all_parts_of_one_rule_have_to_hold():
    no = {"when": "${request.method == 'POST'}"}
    assert await status({**coming_from("192.0.2.7"), **no}) == 401
    assert await status({**coming_from("10.0.0.1"), "when": "${true}"}) == 401
    assert await status(no, coming_from("192.0.2.7")) == 200
    assert await status({"when": "${contexts.oauth2.accessToken.info.sub != 'eve'}"}) == 401


async def test_the_failure_handler_answers():
    assert await status(coming_from("10.0.0.1"), failure=REFUSING) == 418
