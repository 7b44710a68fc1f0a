import json
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.gateway.oauth_contexts import AccessToken
from deputize.gateway.resolvers.introspection import TokenIntrospectionAccessTokenResolver, introspected
from deputize.gateway.resolvers.resolution import InvalidToken, ResolutionError
from deputize.http.messages import Body, BodyBroken, Headers, Response
from deputize.http.upstream import ConnectFailed, UpstreamTimeout
from deputize.kernel.errors import ConfigurationError
from deputize.kernel.uris import parse_origin, parse_target
from support.gateway import Answering, FixedClock, built, exchange_for
from support.oauth_filters import CLAIMS, oauth_heap

NOW = FixedClock().now()


def resolver_over(handler):
    return TokenIntrospectionAccessTokenResolver(
        parse_origin("https://as.example.com"), parse_target(b"/e/as/introspect"), handler, FixedClock()
    )


def answering(document, status=200):
    return Answering(status, body=document if isinstance(document, bytes) else json.dumps(document).encode())


async def test_the_token_is_posted_as_a_form():
    handler = answering({"active": True, **CLAIMS})
    token = await resolver_over(handler).resolve("a+b/c==", exchange_for())
    request = handler.asked[0].request
    assert (request.method, str(request.origin), str(request.target)) == ("POST", "https://as.example.com", "/e/as/introspect")
    assert dict(parse_qsl(request.body.buffered.decode())) == {"token": "a+b/c==", "token_type_hint": "access_token"}
    assert request.headers.get("content-length") == str(len(request.body.buffered))
    assert isinstance(token, AccessToken)
    assert (token.scopes, token.expires_at, token.subject.act) == ({"test", "other"}, CLAIMS["exp"], ("agent-1",))


async def test_the_inquiry_is_an_exchange_of_its_own():
    handler = answering({"active": False})
    exchange = exchange_for(headers=[("Authorization", "Bearer s3cret"), ("Cookie", "a=b")])
    await resolver_over(handler).resolve("t", exchange)
    assert handler.asked[0].request.headers.get("authorization") is None
    assert handler.asked[0].request.headers.get("cookie") is None
    assert handler.asked[0].transaction_id == exchange.transaction_id


@pytest.mark.parametrize(
    "info",
    [
        {"active": False, **CLAIMS},
        {"active": True, "exp": NOW},
        {"active": True, "exp": NOW - 1},
        {"active": True, "exp": "9999999999"},
        {"active": True, "exp": True},
        {"active": True, "nbf": NOW + 60},
        {"active": True, "token_type": "refresh_token"},
        {"active": True, "token_type": "DPoP"},
    ],
)
def test_tokens_that_are_not_valid(info):
    assert isinstance(introspected("t", info, NOW), InvalidToken)


@pytest.mark.parametrize("info", [{"active": True}, {"active": True, "exp": NOW + 1, "nbf": NOW}, {"active": True, "token_type": "Bearer"}])
def test_tokens_that_are_valid(info):
    assert isinstance(introspected("t", info, NOW), AccessToken)


@pytest.mark.parametrize(
    ("status", "document", "answered", "reason"),
    [
        (401, {"error": "invalid_client"}, 502, "refuses the gateway"),
        (403, b"", 502, "credentials"),
        (400, b"", 502, "credentials"),
        (500, b"", 503, "cannot be asked"),
        (502, b"", 503, "cannot be asked"),
        (302, b"", 503, "302"),
        (200, b"<html>", 502, "no introspection response"),
        (200, b'{"active":true,"active":false}', 502, "stands twice"),
        (200, b"[]", 502, "without saying"),
        (200, {"active": "true"}, 502, "without saying"),
        (200, {"active": 1}, 502, "without saying"),
        (200, {}, 502, "without saying"),
        (200, b'{"active":true,"x":"' + b"x" * 300_000 + b'"}', 502, "larger than"),
    ],
)
async def test_trouble_is_told_from_invalid_tokens(status, document, answered, reason):
    with pytest.raises(ResolutionError, match=reason) as caught:
        await resolver_over(answering(document, status)).resolve("t", exchange_for())
    assert caught.value.status == answered


@given(
    st.dictionaries(
        st.sampled_from(["active", "exp", "nbf", "scope", "act", "sub"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    )
)
def test_only_true_is_active(info):
    verdict = introspected("t", info, NOW)
    if isinstance(verdict, AccessToken):
        assert info["active"] is True
        assert verdict.expires_at is None or verdict.expires_at > NOW


@pytest.mark.parametrize("endpoint", ["/as/introspect", "as.example.com/introspect", "https://as.example.com/a/../introspect"])
def test_the_endpoint_is_an_absolute_url(endpoint):
    config = {"endpoint": endpoint, "providerHandler": {"type": "StaticResponseHandler", "config": {"status": 200}}}
    with pytest.raises(ConfigurationError, match="/handler/config/endpoint"):
        built(object, {"type": "TokenIntrospectionAccessTokenResolver", "config": config}, oauth_heap())


class Failing:
    def __init__(self, error, midway=False):
        self.error, self.midway, self.closed = error, midway, False

    async def handle(self, exchange):
        if not self.midway:
            raise self.error
        return Response(200, Headers(), Body(None, self._chunks(), close=self._close))

    async def _chunks(self):
        yield b'{"active":'
        raise self.error

    async def _close(self):
        self.closed = True


@pytest.mark.parametrize(
    ("error", "midway"), [(ConnectFailed("refused"), False), (UpstreamTimeout("silence"), False), (BodyBroken("cut off"), True)]
)
async def test_an_authority_that_cannot_be_asked(error, midway):
    handler = Failing(error, midway)
    with pytest.raises(ResolutionError, match=r"https://as\.example\.com/e/as/introspect cannot be asked: ") as caught:
        await resolver_over(handler).resolve("t", exchange_for())
    assert (caught.value.status, handler.closed) == (503, midway)
