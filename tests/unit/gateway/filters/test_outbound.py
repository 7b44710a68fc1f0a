"""Filters that prepare requests for the next program: origin, transaction id, client credentials."""

import base64

import pytest

from deputize.gateway.config.settings import Settings
from deputize.gateway.filters.client_secret_authentication import (
    ClientSecretBasicAuthenticationFilter,
    ClientSecretPostAuthenticationFilter,
)
from deputize.gateway.filters.http_basic_authentication_client import HttpBasicAuthenticationClientFilter
from deputize.http.plans import Filter
from deputize.kernel.errors import ConfigurationError
from deputize.secrets.secret import GenericSecret
from support.gateway import TYPES, Answering, built, exchange_for, heap_of, registry_for, through


class Stocked:
    """A secret store with one secret in it."""

    class Config(Settings):
        pass

    @classmethod
    def build(cls, config, context):
        return cls()

    def find(self, secret_id):
        return GenericSecret(b"p:s &\xc3\xa9") if secret_id == "known" else None

    def place(self, secret_id):
        return f"the shelf of {secret_id}"


def heap():
    return heap_of(
        {"name": "store", "type": "Stocked"}, registry=registry_for(types={**TYPES, "Stocked": Stocked})
    )


async def sent(members, **exchange):
    made = exchange_for(**exchange)
    await through(built(Filter, members, heap()), made, Answering())
    return made.request


def credential(request):
    scheme, _, text = request.headers.get("authorization").partition(" ")
    assert scheme == "Basic"
    return base64.b64decode(text).decode()


def basic(**config):
    name = HttpBasicAuthenticationClientFilter.__name__
    return {
        "type": name,
        "config": {"username": "me", "passwordSecretId": "known", "secretsProvider": "store", **config},
    }


async def test_basic_credentials_replace_what_was_there():
    request = await sent(basic(), headers=[("Authorization", "Bearer x"), ("authorization", "y")])
    assert request.headers.get_all("authorization") == [request.headers.get("authorization")]
    assert credential(request) == "me:p:s &é"


async def test_basic_credentials_can_be_form_encoded():
    assert credential(await sent(basic(username="m:e", urlEncodeCredentials=True))) == "m%3Ae:p%3As+%26%C3%A9"


@pytest.mark.parametrize(
    ("config", "pointer", "reason"),
    [
        ({"username": "m:e"}, "username", "colon"),
        ({"passwordSecretId": "lost"}, "passwordSecretId", "the shelf of lost does not exist"),
    ],
)
def test_bad_credentials_are_refused_at_load(config, pointer, reason):
    with pytest.raises(ConfigurationError, match=reason) as raised:
        built(Filter, basic(**config), heap())
    assert raised.value.position.pointer == f"/handler/config/{pointer}"


def client(kind):
    return {
        "type": kind.__name__,
        "config": {"clientId": "a b", "clientSecretId": "known", "secretsProvider": "store"},
    }


async def test_client_secret_basic_is_form_encoded():
    assert credential(await sent(client(ClientSecretBasicAuthenticationFilter))) == "a+b:p%3As+%26%C3%A9"


@pytest.mark.parametrize(("form", "expected"), [(b"token=t", b"token=t&"), (b"", b"")])
async def test_client_secret_post_extends_the_form(form, expected):
    request = await sent(
        client(ClientSecretPostAuthenticationFilter),
        method="POST",
        body=form,
        headers=[("Content-Length", "7")],
    )
    assert request.body.buffered == expected + b"client_id=a+b&client_secret=p%3As+%26%C3%A9"
    assert request.headers.get_all("content-length") == [str(len(request.body.buffered))]
    assert request.headers.get("content-type") == "application/x-www-form-urlencoded"


async def test_transaction_ids_count_the_requests_of_one_exchange():
    each = built(Filter, {"type": "TransactionIdOutboundFilter"})
    exchange = exchange_for(headers=[("x-forgerock-transactionid", "forged")])
    seen = []
    for _ in range(2):
        await through(each, exchange, Answering())
        seen += exchange.request.headers.get_all("X-ForgeRock-TransactionId")
    assert seen == ["transaction-1/0", "transaction-1/1"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"scheme": "${request.headers['x-forwarded-proto'][0]}"}, "https://client.example"),
        ({"host": "ig.example.com", "port": "8443"}, "http://ig.example.com:8443"),
        ({"scheme": "https", "host": "::1", "port": "${8443}"}, "https://[::1]:8443"),
        ({"host": "${request.headers['absent'][0]}"}, "http://client.example:81"),
    ],
)
async def test_forwarded_requests_get_their_origin_back(config, expected):
    request = await sent(
        {"type": "ForwardedRequestFilter", "config": config},
        headers=[("X-Forwarded-Proto", "https")],
        origin="http://client.example:81",
    )
    assert str(request.origin) == expected


def test_forwarded_request_needs_something_to_restore():
    with pytest.raises(ConfigurationError, match="is required"):
        built(Filter, {"type": "ForwardedRequestFilter"})
