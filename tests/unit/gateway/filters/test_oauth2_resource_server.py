import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from deputize.gateway.authorities.endpoint import AuthorityError
from deputize.gateway.exchange.contexts import OAuth2Context, RefusalContext
from deputize.gateway.filters.oauth2_resource_server import OAuth2ResourceServerFilter
from deputize.gateway.handlers.chain import Chain
from deputize.http.exchange import Head
from deputize.http.messages import Body, Headers, KnownHead, Response
from deputize.http.plans import Plan, answer
from deputize.kernel.errors import ConfigurationError
from support.gateway import Answering, ask, built, exchange_for
from support.oauth_filters import CLAIMS, bearing, oauth_heap, resource_server, through_to


def filter_of(tokens=None, **config):
    return built(OAuth2ResourceServerFilter, resource_server(**config), oauth_heap(tokens=tokens))


async def test_a_good_token_passes_and_leaves_its_context():
    response, seen = await through_to(filter_of(), bearing("good"))
    assert response.status == 200
    binding = seen.find(OAuth2Context).as_binding()["accessToken"]
    assert (binding["token"], binding["scopes"], binding["expiresAt"], binding["info"]) == (
        "good",
        ["other", "test"],
        CLAIMS["exp"],
        CLAIMS,
    )


@pytest.mark.parametrize(
    "headers",
    [[], [("Authorization", "Basic YTpi")], [("Authorization", "")], [("X-Authorization", "Bearer good")]],
)
async def test_no_token(headers):
    response, seen = await through_to(
        filter_of(realm="weather"), exchange_for("/mcp?access_token=good", headers=headers)
    )
    assert (response.status, response.headers.get("www-authenticate"), response.body.buffered) == (
        401,
        'Bearer realm="weather"',
        b"",
    )
    assert seen is None


async def test_the_bare_challenge():
    response, _ = await through_to(filter_of(), exchange_for("/mcp"))
    assert response.headers.get("www-authenticate") == "Bearer"


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", "Bearer good"), ("authorization", "Bearer good")],
        [("Authorization", "Basic YTpi"), ("Authorization", "Bearer good")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer good, Bearer bad")],
        [("Authorization", "Bearer go od")],
        [("Authorization", "Bearer gööd")],
        [("Authorization", "Bearer " + "x" * 20_000)],
    ],
)
async def test_malformed_credentials(headers):
    exchange = exchange_for("/mcp")
    exchange.request.headers.raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    response, seen = await through_to(filter_of(), exchange)
    assert (response.status, response.headers.get("www-authenticate")) == (
        400,
        'Bearer error="invalid_request"',
    )
    assert seen is None


async def test_the_scheme_compares_without_case():
    response, _ = await through_to(
        filter_of(), exchange_for("/mcp", headers=[("Authorization", "bEARER good")])
    )
    assert response.status == 200


async def test_an_invalid_token_gets_the_one_answer_and_its_reason_goes_to_the_log():
    exchange = bearing("bad-s3cret")
    with structlog.testing.capture_logs() as logs:
        response, seen = await through_to(filter_of(), exchange)
    assert response.status == 401
    assert 'error="invalid_token"' in response.headers.get("www-authenticate")
    assert (seen, exchange.find(RefusalContext).reason, logs[0]["reason"]) == (None, "unknown", "unknown")
    assert "s3cret" not in repr(logs)


async def test_a_missing_scope():
    response, seen = await through_to(filter_of(scopes=["test", "admin banking:read"]), bearing("good"))
    assert (response.status, seen) == (403, None)
    assert (
        response.headers.get("www-authenticate")
        == 'Bearer error="insufficient_scope", scope="test admin banking:read"'
    )


async def test_scopes_may_be_expressions():
    some_filter = filter_of(scopes=["${request.method == 'GET' ? 'test' : 'admin'}"])
    assert (await through_to(some_filter, bearing("good")))[0].status == 200
    response, _ = await through_to(some_filter, bearing("good", method="POST"))
    assert (response.status, "admin" in response.headers.get("www-authenticate")) == (403, True)


@pytest.mark.parametrize("scope", ["${request.headers['X-None'][0]}", "${attributes.nothing}"])
async def test_a_scope_that_cannot_be_computed_lets_nobody_through(scope):
    response, seen = await through_to(filter_of(scopes=[scope]), bearing("good"))
    assert (response.status, seen) == (500, None)


async def test_trouble_at_the_authorization_server_is_not_an_invalid_token():
    with structlog.testing.capture_logs() as logs:
        response, seen = await through_to(
            filter_of({"good": AuthorityError(502, "refuses the gateway")}), bearing("good")
        )
    assert (response.status, response.headers.get("www-authenticate"), seen) == (502, None, None)
    assert (logs[0]["log_level"], logs[0]["reason"]) == ("error", "refuses the gateway")


async def test_clear_requests_are_refused_by_default():
    some_filter = built(
        OAuth2ResourceServerFilter,
        {**resource_server(), "config": {"scopes": "test", "accessTokenResolver": {"type": "Tokens"}}},
        oauth_heap(),
    )
    response, _ = await through_to(some_filter, bearing("good"))
    assert (response.status, response.headers.get("www-authenticate")) == (403, None)
    response, _ = await through_to(some_filter, bearing("good", secure=True))
    assert response.status == 200


async def test_a_configured_cache_spares_the_resolver():
    heap = oauth_heap({"name": "tokens", "type": "Tokens"})
    some_filter = built(
        OAuth2ResourceServerFilter,
        resource_server(accessTokenResolver="tokens", cache={"enabled": True}),
        heap,
    )
    for _ in range(3):
        assert (await through_to(some_filter, bearing("good")))[0].status == 200
    assert heap.resolve("tokens", object, None).asked == ["good"]


def test_what_is_no_resolver_is_refused():
    with pytest.raises(ConfigurationError, match="accessTokenResolver"):
        filter_of(accessTokenResolver={"type": "StaticResponseHandler", "config": {"status": 200}})


@given(st.text(st.characters(max_codepoint=255), max_size=40))
async def test_only_the_very_token_gets_through(credentials):
    exchange = exchange_for("/mcp")
    exchange.request.headers.raw = [(b"Authorization", credentials.encode("latin-1"))]
    response, _ = await through_to(filter_of(), exchange)
    assert response.status in {400, 401} or credentials.split() == [credentials.split()[0], "good"]


async def test_a_stream_is_watched_though_an_answer_with_the_same_head_was_complete_at_once():
    known = KnownHead(200, [(b"Content-Type", b"text/event-stream"), (b"Content-Length", b"3")], 1, None)
    bodies = [Body(b":\n\n"), Body(None, aiter(Body(b":\n\n")), 3)]

    class Backend:
        def plan(self, head):
            return Plan.answering(
                head, lambda _: Response(200, Headers.of_known(known, b"3", None), bodies.pop(0))
            )

    exchange = bearing("good")
    chain = Chain([filter_of(cache={"enabled": True})], Backend())
    bodies.insert(0, Body())
    await ask(chain, exchange)  # so that the token is remembered
    plan = chain.plan(Head.of(exchange.request, exchange.peer))
    assert plan.leases
    for watched in (0, 1):
        exchange = bearing("good")
        await answer(plan, exchange)
        assert len(exchange.endings) == watched


async def test_why_a_scope_cannot_be_computed_is_logged_for_each_call_of_a_remembered_plan():
    subject = filter_of(scopes=["${request.method < 5}"], cache={"enabled": True})
    chain, exchange = Chain([subject], Answering()), bearing("good")
    await ask(chain, exchange)
    plan = chain.plan(Head.of(exchange.request, exchange.peer))
    assert plan.leases
    with structlog.testing.capture_logs() as logged:
        for _ in range(2):
            assert (await answer(plan, bearing("good"))).status == 500
    assert [line["error"] for line in logged] == ["server_error", "server_error"]
    assert all(line["cause"] for line in logged)
