import base64
import json
import re
from urllib.parse import parse_qsl, quote_plus, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.gateway.authorities.endpoint import AuthorityEndpoint, AuthorityError
from deputize.gateway.exchange.contexts import OAuth2Context
from deputize.gateway.handlers.chain import Chain
from deputize.gateway.resolvers.introspection import TokenIntrospectionAccessTokenResolver, read_introspection
from deputize.gateway.resolvers.resolution import RejectedToken
from deputize.http.messages import Body, BodyBroken, Headers, Response
from deputize.http.plans import as_handler
from deputize.http.upstream import ConnectFailed, UpstreamTimeout
from deputize.kernel.errors import ConfigurationError
from support.gateway import Answering, FixedClock, built, exchange_for
from support.oauth_filters import CLAIMS, oauth_heap

NOW = FixedClock().now()


def resolver_over(handler):
    endpoint = AuthorityEndpoint("https://as.example.com/e/as/introspect", as_handler(handler))
    return TokenIntrospectionAccessTokenResolver(endpoint, FixedClock())


def answering(document, status=200):
    return Answering(status, body=document if isinstance(document, bytes) else json.dumps(document).encode())


async def test_the_token_is_posted_as_a_form():
    handler = answering({"active": True, **CLAIMS})
    token = await resolver_over(handler).resolve("a+b/c==", exchange_for())
    request = handler.asked[0].request
    assert (request.method, str(request.origin), str(request.target)) == (
        "POST",
        "https://as.example.com",
        "/e/as/introspect",
    )
    assert dict(parse_qsl(request.body.buffered.decode())) == {
        "token": "a+b/c==",
        "token_type_hint": "access_token",
    }
    assert request.headers.get("content-length") == str(len(request.body.buffered))
    assert isinstance(token, OAuth2Context)
    assert (token.scopes, token.expires_at, token.subject.act) == (
        {"test", "other"},
        CLAIMS["exp"],
        ("agent-1",),
    )


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
        {"active": True, "exp": 10**127, "nbf": NOW + 60.001},
        {"active": True, "nbf": NOW + 61},
        {"active": True, "nbf": 10**127},
        {"active": True, "nbf": "0"},
        {"active": True, "iat": NOW + 61},
        {"active": True, "iat": True},
        {"active": True, "aud": [["https://a.example"]]},
        {"active": True, "aud": ["https://a.example", ["https://b.example"]]},
        {"active": True, "aud": {"0": "https://a.example"}},
        {"active": True, "aud": 7},
        {"active": True, "scope": "test\tadmin"},
        {"active": True, "scope": "test\nadmin"},
        {"active": True, "scope": "test\u00a0admin"},
        {"active": True, "scope": 'te"st'},
        {"active": True, "scope": "te\\st"},
        {"active": True, "token_type": "refresh_token"},
        {"active": True, "token_type": "N_A"},
        {"active": True, "token_type": "DPoP"},
        {"active": True, "token_type": "dpop", "cnf": {"x5t#S256": "x"}},
        {"active": True, "token_type": "DPoP", "cnf": "jkt"},
    ],
)
def test_tokens_that_are_not_valid(info):
    assert isinstance(read_introspection("t", info, NOW), RejectedToken)


@pytest.mark.parametrize(
    "info",
    [
        {"active": True},
        {"active": True, "exp": NOW + 1, "nbf": NOW},
        {"active": True, "token_type": "Bearer"},
        *(
            {"active": True, "exp": 10**127, "nbf": NOW + 60, "iat": NOW + 59.9},
            {"active": True, "aud": []},
            {"active": True, "aud": "x", "scope": ""},
            {"active": True, "aud": ["x"], "scope": " a  b "},
        ),
    ],
)
def test_tokens_that_are_valid(info):
    assert isinstance(read_introspection("t", info, NOW), OAuth2Context)


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
    with pytest.raises(AuthorityError, match=reason) as caught:
        await resolver_over(answering(document, status)).resolve("t", exchange_for())
    assert caught.value.status == answered


@given(
    st.dictionaries(
        st.sampled_from(["active", "exp", "nbf", "scope", "act", "sub"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    )
)
def test_only_true_is_active(info):
    verdict = read_introspection("t", info, NOW)
    if isinstance(verdict, OAuth2Context):
        assert info["active"] is True
        assert verdict.expires_at is None or verdict.expires_at > NOW
        assert info.get("nbf") is None or info["nbf"] <= NOW + 60


@given(st.text(st.characters(max_codepoint=0x3000), max_size=20))
def test_scopes_are_parted_by_blanks_alone(text):
    verdict = read_introspection("t", {"active": True, "scope": text}, NOW)
    if isinstance(verdict, OAuth2Context):
        assert verdict.scopes == set(text.split(" ")) - {""}
        assert all(re.fullmatch(r"[!#-\[\]-~]+", scope) for scope in verdict.scopes)
    else:
        assert not re.fullmatch(r"[ !#-\[\]-~]*", text)


class Echoing:
    """An authorization server that repeats in its error whatever it was sent, in clear."""

    async def handle(self, exchange):
        request = exchange.request
        sent = [
            *request.headers.get_all("authorization"),
            request.body.buffered.decode(),
            unquote_plus(request.body.buffered.decode()),
        ]
        decoded = [
            base64.b64decode(each.split(" ")[1]).decode() for each in request.headers.get_all("authorization")
        ]
        document = {
            "error": "invalid_request",
            "error_description": " | ".join([*sent, *decoded, *map(unquote_plus, decoded)]),
        }
        return Response(400, Headers(), Body(json.dumps(document).encode()))


SECRET = "s3cr3t/+ =&%ä"


@pytest.mark.parametrize(
    "authentication",
    [
        {
            "type": "HttpBasicAuthenticationClientFilter",
            "config": {"username": "r1", "passwordSecretId": "s"},
        },
        {
            "type": "HttpBasicAuthenticationClientFilter",
            "config": {"username": "r1", "passwordSecretId": "s", "urlEncodeCredentials": True},
        },
        {
            "type": "ClientSecretBasicAuthenticationFilter",
            "config": {"clientId": "r1", "clientSecretId": "s"},
        },
        {"type": "ClientSecretPostAuthenticationFilter", "config": {"clientId": "r1", "clientSecretId": "s"}},
    ],
)
async def test_the_servers_own_error_is_told_and_secrets_are_not(authentication):
    store = {
        "type": "Base64EncodedSecretStore",
        "config": {"secrets": {"s": base64.b64encode(SECRET.encode()).decode()}},
    }
    authentication["config"]["secretsProvider"] = store
    some_filter = built(object, authentication, oauth_heap())
    with pytest.raises(AuthorityError) as caught:
        await resolver_over(Chain([some_filter], Echoing())).resolve("t0ken+/==", exchange_for())
    reason = caught.value.reason
    assert "refuses the gateway (400, invalid_request: " in reason
    for secret in (
        SECRET,
        quote_plus(SECRET),
        "t0ken+/==",
        quote_plus("t0ken+/=="),
        base64.b64encode(f"r1:{SECRET}".encode()).decode(),
    ):
        assert secret not in reason


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            b'{"error":"invalid_request","error_description":"token missing"}',
            "(400, invalid_request: token missing)",
        ),
        (b'{"error":"invalid_request","error_description":7}', "(400, invalid_request)"),
        (b'{"error":"a\\nINFO forged\\u2028\\u001b[31m"}', r"(400, a\nINFO forged\u2028\x1b[31m)"),
        (b'{"error":"' + b"x" * 5000 + b'"}', "(400, " + "x" * 512 + ")"),
        (b"<html>", "(400)"),
        (b"[]", "(400)"),
        (b'{"error":"x","y":"' + b"x" * 300_000 + b'"}', "(400)"),
    ],
)
async def test_an_error_is_told_in_one_bounded_line(body, words):
    with pytest.raises(AuthorityError) as caught:
        await resolver_over(answering(body, 400)).resolve("t", exchange_for())
    assert f"refuses the gateway {words}: check" in caught.value.reason


@pytest.mark.parametrize(
    "endpoint", ["/as/introspect", "as.example.com/introspect", "https://as.example.com/a/../introspect"]
)
def test_the_endpoint_is_an_absolute_url(endpoint):
    config = {
        "endpoint": endpoint,
        "providerHandler": {"type": "StaticResponseHandler", "config": {"status": 200}},
    }
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
    ("error", "midway"),
    [(ConnectFailed("refused"), False), (UpstreamTimeout("silence"), False), (BodyBroken("cut off"), True)],
)
async def test_an_authority_that_cannot_be_asked(error, midway):
    handler = Failing(error, midway)
    with pytest.raises(
        AuthorityError, match=r"https://as\.example\.com/e/as/introspect cannot be asked: "
    ) as caught:
        await resolver_over(handler).resolve("t", exchange_for())
    assert (caught.value.status, handler.closed) == (503, midway)


def refusing(status=401, body=b"", headers=()):
    return Answering(status, headers, body)


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        (401, [("WWW-Authenticate", 'Basic realm="as"')], b"", "(401)"),
        (
            401,
            [("WWW-Authenticate", 'Bearer realm="as", error="invalid_token", error_description="gone"')],
            b"",
            "(401, invalid_token: gone)",
        ),
        (403, [("Content-Type", "text/plain; charset=utf-8")], b"no such\nclient", r"(403, no such\nclient)"),
        (403, [("Content-Type", "text/html")], b"<p>no such client", "(403)"),
        (429, [], b'{"error":"slow_down"}', "answer 429 instead of 200, slow_down"),
        (
            500,
            [("Content-Type", "text/plain")],
            b"Bearer abcdefgh",
            "answer 500 instead of 200, Bearer *****",
        ),
    ],
    ids=str,
)
async def test_the_servers_words_are_told_wherever_they_stand(status, headers, body, words):
    with pytest.raises(AuthorityError) as caught:
        await resolver_over(refusing(status, body, headers)).resolve("t", exchange_for())
    assert words in caught.value.reason


@pytest.mark.parametrize(
    ("authentication", "name", "secret", "hint"),
    [
        ({}, "r1", "plain-Secret_1.~", None),
        ({}, "r1", "s3cr3t/+=", "set urlEncodeCredentials to true"),
        ({}, "https://agent.example", "s", None),
        ({"urlEncodeCredentials": True}, "https://agent.example", "s", "without urlEncodeCredentials"),
        ({"urlEncodeCredentials": True}, "r1", "s3cr3t/+=", "without urlEncodeCredentials"),
        ({"urlEncodeCredentials": True}, "r1", "plain", None),
    ],
    ids=str,
)
async def test_special_characters_are_named_where_they_may_be_the_cause(authentication, name, secret, hint):
    store = {
        "type": "Base64EncodedSecretStore",
        "config": {"secrets": {"s": base64.b64encode(secret.encode()).decode()}},
    }
    config = {"username": name, "passwordSecretId": "s", "secretsProvider": store, **authentication}
    members = {"type": "HttpBasicAuthenticationClientFilter", "config": config}
    if ":" in name and not authentication:
        with pytest.raises(ConfigurationError, match="urlEncodeCredentials"):
            built(object, members, oauth_heap())
        return
    handler = Chain([built(object, members, oauth_heap())], as_handler(refusing()))
    with pytest.raises(AuthorityError) as caught:
        await resolver_over(handler).resolve("t", exchange_for())
    reason = caught.value.reason
    assert "check the credentials of the providerHandler" in reason
    assert ("its id or secret has characters" in reason) == (hint is not None)
    assert (hint or "") in reason
    assert secret == "s" or secret not in reason


async def test_a_token_that_the_server_does_not_introspect_is_the_clients_fault():
    error = {"error": "unsupported_token_type", "error_description": "JWTs cannot be introspected"}
    found = await resolver_over(answering(error, 400)).resolve("eyJ.a.b", exchange_for())
    assert isinstance(found, RejectedToken)
    assert "JWTs cannot be introspected" in found.reason
    assert "StatelessAccessTokenResolver" in found.reason
