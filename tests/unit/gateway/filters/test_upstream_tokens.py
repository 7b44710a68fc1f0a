"""Filters that get tokens for the server behind: by exchange, and by client credentials."""

import asyncio
import json
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.gateway.exchange.contexts import RefusalContext, read_claims
from deputize.gateway.filters.client_credentials_oauth2_client import ClientCredentialsOAuth2ClientFilter
from deputize.gateway.filters.oauth2_token_exchange import (
    OAuth2TokenExchangeContext,
    OAuth2TokenExchangeFilter,
)
from deputize.http.exchange import Head
from deputize.http.messages import Body, Headers, Response
from deputize.http.plans import as_handler
from deputize.http.upstream import ConnectFailed
from deputize.secrets.secret import SecretError
from support.examples import examples
from support.gateway import Answering, built, exchange_for, instance_for, through
from support.oauth_filters import CLAIMS, oauth_heap

ACCESS = "urn:ietf:params:oauth:token-type:access_token"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


class Tokens:
    """A token endpoint that issues token after token, or answers what it is told; heap object `tokens`."""

    def __init__(self):
        self.forms, self.answer, self.open = [], None, asyncio.Event()
        self.open.set()
        self.more = {}

    async def handle(self, exchange):
        self.forms.append(dict(parse_qsl(exchange.request.body.buffered.decode())))
        await self.open.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            status, document = self.answer
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            return Response(status, Headers([(b"Content-Type", b"application/json")]), Body(body))
        issued = {"access_token": f"issued-{len(self.forms)}", "token_type": "Bearer", "expires_in": 300}
        return Response(200, Headers(), Body(json.dumps({**issued, **self.more}).encode()))


class AnsweringBy:
    """A handler that is one function."""

    def __init__(self, handle):
        self.handle = handle


class Place:
    def __init__(self, kind=OAuth2TokenExchangeFilter, **config):
        self.tokens, self.upstream = Tokens(), Answering()
        instance = instance_for()
        self.clock = instance.clock
        heap = oauth_heap(instance=instance)
        heap._built["tokens"] = self.tokens
        where = "endpoint" if kind is OAuth2TokenExchangeFilter else "tokenEndpoint"
        endpoint = {where: "https://as.example/token", "endpointHandler": "tokens"}
        self.filter = built(kind, {"type": kind.__name__, "config": {**endpoint, **config}}, heap)

    async def call(self, subject="subject-1", headers=()):
        exchange = exchange_for("/mcp", headers=[("Authorization", "Bearer the-clients"), *headers])
        if subject:
            exchange.put(read_claims(subject, CLAIMS, CLAIMS["exp"]))
        self.exchange = exchange
        return await through(self.filter, exchange, self.upstream)

    async def call_on(self, answer):
        """Call an upstream that is `answer` by another exchange than the one that `call` leaves."""
        exchange = exchange_for("/mcp")
        exchange.put(read_claims("subject-1", CLAIMS, CLAIMS["exp"]))
        return await through(self.filter, exchange, as_handler(AnsweringBy(answer)))

    def sent(self):
        return [asked.request.headers.get_all("authorization") for asked in self.upstream.asked]


async def test_the_clients_token_is_exchanged_and_never_sent():
    place = Place(resource=["https://api.example"], audience="api", scopes=["read write", "read"])
    assert (await place.call(headers=[("DPoP", "proof")])).status == 200
    assert place.tokens.forms == [
        {
            "grant_type": EXCHANGE,
            "subject_token": "subject-1",
            "subject_token_type": ACCESS,
            "resource": "https://api.example",
            "audience": "api",
            "scope": "read write",
        }
    ]
    assert place.sent() == [["Bearer issued-1"]]
    assert place.upstream.asked[0].request.headers.get("dpop") is None


async def test_token_types_have_short_names():
    place = Place(subjectTokenType="URN_ID_TOKEN", requestedTokenType="URN_ACCESS_TOKEN")
    await place.call()
    form = place.tokens.forms[0]
    assert form["subject_token_type"] == "urn:ietf:params:oauth:token-type:id_token"
    assert form["requested_token_type"] == ACCESS


@pytest.mark.parametrize(
    ("expression", "subject", "exchanged"),
    [
        ("${contexts.oauth2.accessToken.token}", "subject-1", "subject-1"),
        ("#{request.headers['X-Token'][0]}", "subject-1", "subject-1"),
        ("${request.headers['Authorization'][0]}", "subject-1", "Bearer the-clients"),
    ],
)
async def test_the_subject_token_is_what_the_expression_yields_or_what_was_found_valid(
    expression, subject, exchanged
):
    place = Place(subjectToken=expression)
    await place.call(subject)
    assert place.tokens.forms[0]["subject_token"] == exchanged


async def test_an_expression_for_a_header_that_is_gone_means_the_token_found_valid():
    # as in files for PingGateway, which passes Authorization on where McpProtectionFilter does not
    place = Place(subjectToken="#{request.headers['Authorization'][0].substring(7)}")
    await place.call()
    exchange = exchange_for("/mcp")
    exchange.put(read_claims("subject-1", CLAIMS, CLAIMS["exp"]))
    await through(place.filter, exchange, place.upstream)
    assert [form["subject_token"] for form in place.tokens.forms] == ["the-clients", "subject-1"]


async def test_without_a_token_there_is_nothing_to_exchange():
    place = Place()
    assert (await place.call(subject=None)).status == 500
    assert (place.tokens.forms, place.sent()) == ([], [])


async def test_the_gateway_proves_to_be_an_actor():
    place = Place(actorScopes=["agent"])
    await place.call()
    await place.call("subject-2")
    own, first, second = place.tokens.forms
    assert own == {"grant_type": "client_credentials", "scope": "agent"}
    assert (first["actor_token"], first["actor_token_type"]) == ("issued-1", ACCESS)
    assert (second["subject_token"], second["actor_token"]) == ("subject-2", "issued-1")
    assert place.sent() == [["Bearer issued-2"], ["Bearer issued-3"]]


async def test_who_asks_the_same_at_the_same_time_shares_the_question():
    place = Place()
    place.tokens.open.clear()
    calls = [asyncio.create_task(place.call()) for _ in range(20)]
    while not place.tokens.forms:
        await asyncio.sleep(0)
    place.tokens.open.set()
    await asyncio.gather(*calls)
    assert len(place.tokens.forms) == 1
    assert place.sent() == [["Bearer issued-1"]] * 20


@pytest.mark.parametrize(
    ("more", "good_for"),
    [({}, 270), ({"expires_in": 10}, 9), ({"expires_in": 86400}, 86370), ({"expires_in": None}, 54)],
    ids=str,
)
async def test_a_token_is_used_until_shortly_before_its_end(more, good_for):
    place = Place()
    place.tokens.more = more
    await place.call()
    place.clock.time += good_for - 0.5
    await place.call()
    assert place.sent() == [["Bearer issued-1"]] * 2
    place.clock.time += 0.5
    await place.call()
    assert place.sent()[2] == ["Bearer issued-2"]


async def test_a_server_that_refuses_a_token_gets_another_next_time_but_not_at_once():
    place = Place()
    place.upstream = Answering(401)
    for seconds, token in ((0, 1), (9, 1), (1, 1), (0, 2), (0, 2)):
        place.clock.time += seconds
        assert (await place.call()).status == 401
        assert place.sent()[-1] == [f"Bearer issued-{token}"]


async def test_answers_to_a_former_token_do_not_end_the_new_one():
    place = Place()
    await place.call()
    place.clock.time += 20
    waiting, refusals = asyncio.Event(), []

    async def refuse(exchange):
        refusals.append(exchange)
        if len(refusals) == 2:
            await waiting.wait()
        return Response(401)

    first, late = (asyncio.create_task(place.call_on(refuse)) for _ in range(2))
    await first
    await place.call()
    waiting.set()
    await late
    await place.call()
    assert [form["subject_token"] for form in place.tokens.forms] == ["subject-1"] * 2


async def test_an_actor_token_that_is_not_believed_any_more_is_replaced():
    place = Place(actorScopes="gateway")
    await place.call()
    place.tokens.answer = (400, {"error": "invalid_grant"})
    for wait, status, grant in ((5, 403, EXCHANGE), (5, 403, EXCHANGE), (0, 502, "client_credentials")):
        place.clock.time += wait
        place.tokens.forms.clear()
        assert (await place.call("subject-2")).status == status
        assert [form["grant_type"] for form in place.tokens.forms] == [grant]
    place.tokens.answer = None
    assert (await place.call("subject-2")).status == 200


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        ((400, {"error": "invalid_grant", "error_description": "revoked"}), 403, "invalid_grant"),
        ((400, {"error": "invalid_request"}), 403, "invalid_request"),
        ((400, {"error": "invalid_scope"}), 403, "invalid_scope"),
        ((400, {"error": "access_denied"}), 403, "access_denied"),
        ((400, {"error": "invalid_target"}), 502, "temporarily_unavailable"),
        ((400, {"error": "unauthorized_client"}), 502, "temporarily_unavailable"),
        ((401, {"error": "invalid_client"}), 502, "temporarily_unavailable"),
        ((403, b""), 502, "temporarily_unavailable"),
        ((500, b""), 503, "temporarily_unavailable"),
        ((429, b""), 503, "temporarily_unavailable"),
        ((302, b""), 503, "temporarily_unavailable"),
        ((200, b"<html>"), 502, "temporarily_unavailable"),
        ((200, []), 502, "temporarily_unavailable"),
        ((200, {"token_type": "Bearer"}), 502, "temporarily_unavailable"),
        ((200, {"access_token": "a b", "token_type": "Bearer"}), 502, "temporarily_unavailable"),
        ((200, {"access_token": "a\r\nX: y", "token_type": "Bearer"}), 502, "temporarily_unavailable"),
        ((200, {"access_token": "t", "token_type": "DPoP"}), 502, "temporarily_unavailable"),
        ((200, {"access_token": "t", "token_type": "N_A"}), 502, "temporarily_unavailable"),
        ((200, {"access_token": "t"}), 502, "temporarily_unavailable"),
        (SecretError("Store", "id", "file x", "does not exist"), 502, "temporarily_unavailable"),
        (ConnectFailed("nobody listens"), 503, "temporarily_unavailable"),
    ],
    ids=str,
)
async def test_without_an_issued_token_the_call_goes_no_further(answer, status, error):
    place = Place()
    place.tokens.answer = answer
    response = await place.call()
    assert (response.status, response.body.buffered, response.headers.raw) == (status, b"", [])
    refusal = place.exchange.find(RefusalContext)
    assert (refusal.error, "as.example/token" in refusal.reason) == (error, True)
    assert place.sent() == []
    place.tokens.answer = None
    assert (await place.call()).status == 200  # a refusal is not remembered


async def test_a_failure_handler_answers_and_reads_why():
    handler = {
        "type": "StaticResponseHandler",
        "config": {"status": 418, "entity": "${contexts.oauth2Failure.error}"},
    }
    place = Place(failureHandler=handler)
    place.tokens.answer = (400, {"error": "invalid_grant"})
    response = await place.call()
    assert (response.status, response.body.buffered) == (418, b"invalid_grant")


async def test_later_filters_find_what_was_issued():
    place = Place()
    place.tokens.more = {"scope": "a b", "issued_token_type": "urn:x"}
    await place.call()
    context = place.upstream.asked[0].find(OAuth2TokenExchangeContext)
    assert context.as_binding() == {
        "issuedToken": "issued-1",
        "issuedTokenType": "urn:x",
        "scopes": ["a", "b"],
    }
    assert "issued-1" not in repr(context)


async def test_a_token_of_its_own():
    kind = ClientCredentialsOAuth2ClientFilter
    place = Place(kind, scopes=["a", "b"], resource="https://api.example", audience="api")
    for _ in range(3):
        assert (await place.call(subject=None)).status == 200
    assert place.tokens.forms == [
        {
            "grant_type": "client_credentials",
            "scope": "a b",
            "resource": "https://api.example",
            "audience": "api",
        }
    ]
    assert place.sent() == [["Bearer issued-1"]] * 3


@pytest.mark.parametrize(
    ("answer", "status"),
    [((400, {"error": "invalid_grant"}), 502), ((401, b""), 502), ((503, b""), 503)],
    ids=str,
)
async def test_without_a_token_of_its_own_nothing_is_sent(answer, status):
    place = Place(ClientCredentialsOAuth2ClientFilter)
    place.tokens.answer = answer
    assert (await place.call()).status == status
    assert place.sent() == []


async def test_a_plan_ends_with_the_token_that_it_sends():
    place = Place()
    exchange = exchange_for("/mcp")
    head = Head.of(exchange.request, exchange.peer).with_context(
        read_claims("subject-1", CLAIMS, CLAIMS["exp"])
    )
    first = place.filter.prepare(head, as_handler(place.upstream).plan)
    assert (head.readings.of_call, first.leases) == (True, ())  # for one call only
    await place.call()
    head = head.with_headers(head.headers)
    head.readings.of_call = False
    (lease,) = place.filter.prepare(head, as_handler(place.upstream).plan).leases
    assert (head.readings.of_call, lease.ends) == (False, place.clock.time + 270)
    place.clock.time += 20
    place.upstream = Answering(401)
    await place.call()
    assert lease.ends < 0


@given(
    calls=st.lists(
        st.tuples(
            st.sampled_from(["subject-1", "subject-2", "subject-3"]),
            st.sampled_from([0, 1, 100, 300]),
            st.sampled_from([200, 401]),
        ),
        max_size=20,
    )
)
@settings(max_examples=examples(100), deadline=None)
def test_nobody_is_sent_what_was_issued_for_another_or_is_over(calls):
    async def check():
        place = Place()
        issued_at = {}
        for subject, seconds, status in calls:
            place.clock.time += seconds
            place.upstream = Answering(status)
            before = len(place.tokens.forms)
            await place.call(subject)
            for number in range(before, len(place.tokens.forms)):
                issued_at[f"Bearer issued-{number + 1}"] = place.clock.time
            (token,) = place.sent()[0]
            form = place.tokens.forms[int(token.rpartition("-")[2]) - 1]
            assert form["subject_token"] == subject
            assert place.clock.time < issued_at[token] + 300

    asyncio.run(check())
