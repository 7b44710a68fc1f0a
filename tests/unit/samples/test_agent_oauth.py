import base64
import json
from collections.abc import Callable
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import oauth
from agent.discovery import AuthorizationServer
from agent.errors import SignOnFailed, TokenRefused
from agent.oauth import AuthorizationRequest, Credentials, Token, TokenEndpoint

ISSUER = "https://auth.example.com/env/as"
CALLBACK = "http://localhost:3000/callback"


def server(
    *, promises_iss: bool = True, methods: tuple[str, ...] = ("client_secret_basic",)
) -> AuthorizationServer:
    return AuthorizationServer(ISSUER, f"{ISSUER}/authorize", f"{ISSUER}/token", methods, promises_iss)


def request(*, promises_iss: bool = True) -> AuthorizationRequest:
    return oauth.authorization_request(
        server(promises_iss=promises_iss), "agent-1", CALLBACK, "agent", "agent"
    )


def endpoint(
    respond: Callable[[httpx2.Request], httpx2.Response],
    credentials: Credentials = Credentials("agent-1", "s"),  # noqa: B008
    methods: tuple[str, ...] = ("client_secret_basic",),
) -> TokenEndpoint:
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(respond))
    return TokenEndpoint(client, server(methods=methods), credentials, lambda: 100.0)


def form(sent: httpx2.Request) -> dict[str, str]:
    return dict(parse_qsl(sent.content.decode()))


def issuing(seen: list[httpx2.Request], **members: object) -> Callable[[httpx2.Request], httpx2.Response]:
    def respond(sent: httpx2.Request) -> httpx2.Response:
        seen.append(sent)
        return httpx2.Response(
            200,
            json={"access_token": "t", "token_type": "Bearer", "expires_in": 60, "scope": "test", **members},
        )

    return respond


def test_code_challenge_is_the_one_of_rfc_7636_appendix_b():
    assert (
        oauth.code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


def test_authorize_url_reads_as_the_use_case_writes_it():
    sent = request()
    query = (
        "response_type=code&client_id=agent-1&redirect_uri=http%3A%2F%2Flocalhost%3A3000%2Fcallback&state="
    )
    start = f"{ISSUER}/authorize?{query}"
    assert sent.url.startswith(start)
    query = {name: values[0] for name, values in parse_qs(urlsplit(sent.url).query).items()}
    assert query["state"] == sent.state
    assert query["code_challenge"] == oauth.code_challenge(sent.code_verifier)
    assert (query["code_challenge_method"], query["scope"]) == ("S256", "agent")
    assert "resource" not in query
    assert 43 <= len(sent.code_verifier) <= 128


def test_every_request_has_its_own_state_and_verifier():
    first, second = request(), request()
    assert first.state != second.state
    assert first.code_verifier != second.code_verifier


def test_takes_the_code_of_an_answer_in_order():
    sent = request()
    assert sent.code_in({"state": sent.state, "iss": ISSUER, "code": "c"}) == "c"


def test_an_issuer_that_does_not_promise_iss_may_leave_it_out():
    sent = request(promises_iss=False)
    assert sent.code_in({"state": sent.state, "code": "c"}) == "c"


@pytest.mark.parametrize("promises_iss", [True, False])
@pytest.mark.parametrize("iss", ["https://evil.example", f"{ISSUER}/", ISSUER.upper(), ""])
def test_another_issuer_is_never_accepted_and_its_texts_not_shown(promises_iss: bool, iss: str):
    sent = request(promises_iss=promises_iss)
    with pytest.raises(SignOnFailed) as refusal:
        sent.code_in({"state": sent.state, "iss": iss, "error": "SURPRISE", "error_description": "SURPRISE"})
    assert "SURPRISE" not in str(refusal.value)


def test_a_promised_iss_must_be_there():
    sent = request()
    with pytest.raises(SignOnFailed):
        sent.code_in({"state": sent.state, "code": "c"})


@given(st.text())
def test_no_other_state_is_accepted(state: str):
    with pytest.raises(SignOnFailed):
        request().code_in({"state": state, "iss": ISSUER, "code": "c"})


def test_an_error_is_shown_once_its_origin_is_certain():
    sent = request()
    with pytest.raises(SignOnFailed, match="access_denied The user declined"):
        sent.code_in(
            {
                "state": sent.state,
                "iss": ISSUER,
                "error": "access_denied",
                "error_description": "The user declined",
            }
        )


def test_an_answer_without_code_is_refused():
    sent = request()
    with pytest.raises(SignOnFailed, match="no authorization code"):
        sent.code_in({"state": sent.state, "iss": ISSUER})


async def test_redeeming_sends_verifier_and_redirect_uri():
    seen = list[httpx2.Request]()
    sent = request()
    token = await endpoint(issuing(seen, refresh_token="r")).redeem(sent, "c", "agent")
    assert form(seen[0]) == {
        "grant_type": "authorization_code",
        "code": "c",
        "redirect_uri": CALLBACK,
        "code_verifier": sent.code_verifier,
    }
    assert token == Token("t", 160.0, ("test",), "r")


@pytest.mark.parametrize(
    ("resource", "sent"),
    [
        ("https://ig.example.com:8443/mcp", True),
        ("urn:example:agents", True),
        ("agent", False),
        ("ig.example.com/mcp", False),
        ("//ig.example.com/mcp", False),
        ("https://ig.example.com/mcp#part", False),
        ("", False),
    ],
)
async def test_a_resource_is_named_only_where_it_is_an_absolute_uri(resource: str, sent: bool):
    seen = list[httpx2.Request]()
    authorize = oauth.authorization_request(server(), "agent-1", CALLBACK, "agent", resource)
    requests = [dict(parse_qsl(urlsplit(authorize.url).query))]
    tokens = endpoint(issuing(seen))
    held = await tokens.redeem(authorize, "c", resource)
    await tokens.refresh(held, resource)
    await tokens.own("agent", resource)
    await tokens.exchange(held, held, ("test",), resource)
    for request in (*requests, *map(form, seen)):
        assert request.get("resource") == (resource if sent else None)


async def test_exchange_sends_both_tokens_scope_and_resource():
    seen = list[httpx2.Request]()
    subject, actor = Token("subject", 0, ()), Token("actor", 0, ())
    await endpoint(issuing(seen)).exchange(subject, actor, ("a", "b"), "https://ig.example.com/mcp")
    assert form(seen[0]) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": "subject",
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "actor_token": "actor",
        "actor_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "scope": "a b",
        "resource": "https://ig.example.com/mcp",
    }


async def test_a_refresh_keeps_the_refresh_token_unless_it_gets_a_new_one():
    old = Token("t", 0, (), "old")
    assert (await endpoint(issuing([])).refresh(old, "agent")).refresh_token == "old"
    assert (await endpoint(issuing([], refresh_token="new")).refresh(old, "agent")).refresh_token == "new"


async def test_scopes_that_are_not_named_are_the_ones_asked_for():
    token = await endpoint(
        lambda _: httpx2.Response(200, json={"access_token": "t", "token_type": "bearer"})
    ).own("agent", "agent")
    assert (token.scopes, token.expires_at) == (("agent",), 100.0 + oauth.DEFAULT_LIFETIME_SECONDS)


async def test_authenticates_by_basic_with_both_parts_encoded():
    seen = list[httpx2.Request]()
    await endpoint(issuing(seen), Credentials("a:b", "ü %")).own("agent", "agent")
    assert base64.b64decode(seen[0].headers["authorization"].removeprefix("Basic ")) == b"a%3Ab:%C3%BC%20%25"
    assert "client_secret" not in form(seen[0])


async def test_authenticates_by_post_where_basic_is_not_offered():
    seen = list[httpx2.Request]()
    await endpoint(issuing(seen), methods=("client_secret_post",)).own("agent", "agent")
    assert "authorization" not in seen[0].headers
    assert (form(seen[0])["client_id"], form(seen[0])["client_secret"]) == ("agent-1", "s")


async def test_names_what_was_refused_and_why():
    refusing = endpoint(
        lambda _: httpx2.Response(400, json={"error": "invalid_grant", "error_description": "no act"})
    )
    with pytest.raises(TokenRefused, match=r"the agent's own token: invalid_grant \(no act\)") as refusal:
        await refusing.own("agent", "agent")
    assert refusal.value.error == "invalid_grant"


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(502, text="<html>"),
        httpx2.Response(200, json=[]),
        httpx2.Response(200, json={"token_type": "Bearer"}),
        httpx2.Response(200, json={"access_token": "t", "token_type": "DPoP"}),
        httpx2.Response(200, json={"access_token": 1, "token_type": "Bearer"}),
    ],
)
async def test_what_is_no_bearer_token_is_refused(answer: httpx2.Response):
    with pytest.raises(TokenRefused):
        await endpoint(lambda _: answer).own("agent", "agent")


def test_claims_are_shown_without_signature():
    payload = base64.urlsafe_b64encode(json.dumps({"sub": "demouser"}).encode()).decode().rstrip("=")
    assert Token(f"e30.{payload}.signature", 0, ()).claims() == {"sub": "demouser"}


@given(st.text())
def test_an_opaque_token_has_no_claims_to_show(value: str):
    assert isinstance(Token(value, 0, ()).claims(), dict)
