"""What few real programs do: answers that a check has to name all the same."""

import pytest

from deputize.diagnosis import causes
from deputize.diagnosis.browser import Browser, Form, PageSeen
from deputize.diagnosis.case import Case, KnownSecret, Options
from deputize.diagnosis.checks import CHECKS, mcp, metadata, reach, sign_on
from deputize.diagnosis.checks.check import RequestRefusal, explain_refusal
from deputize.diagnosis.findings import Found
from deputize.diagnosis.web import ReadAnswer, Web
from deputize.http.messages import Body, Headers, Response
from deputize.kernel.clock import SystemClock
from support.wire import Server


def case_of(url="http://localhost:1"):
    web = Web(None, f"{url}/mcp")
    options = Options(f"{url}/env/as", f"{url}/mcp", KnownSecret("an-agent", "s"), KnownSecret("a-user", "p"))
    return Case(options, web, SystemClock(), print, Browser(web, url))


async def test_an_authority_whose_database_is_away_is_not_ready():
    async with Server(lambda request: Response(503)) as server:
        case = case_of(server.url)
        with pytest.raises(Found) as found:
            await reach.reach_authority(case)
        await case.web.aclose()
    assert found.value.cause is causes.AUTHORITY_NOT_READY


@pytest.mark.parametrize(
    "body", [b"{}", b'{"keys": []}', b"<html>", b'{"keys": [{"kty": "oct", "k": "AAAA"}]}']
)
async def test_an_authority_without_usable_keys(body):
    async with Server(lambda request: Response(200, Headers(), Body(body))) as server:
        case = case_of(server.url)
        case.endpoints = {"jwks_uri": f"{server.url}/env/as/jwks"}
        with pytest.raises(Found) as found:
            await metadata.read_keys(case)
        await case.web.aclose()
    assert found.value.cause is causes.KEYS_MISSING


async def test_a_step_that_only_a_person_can_do():
    page = PageSeen(
        "http://localhost:1/", ReadAnswer(200, Headers(), b""), forms=[Form(fields={"step": "TOTP"})]
    )
    with pytest.raises(Found) as found:
        await sign_on.go_through(case_of(), page)
    assert (found.value.cause, found.value.values) == (causes.STEP_FOR_PEOPLE, {"step": "TOTP"})


def test_an_opaque_token_tells_nothing():
    answer = ReadAnswer(200, Headers(), b'{"access_token": "opaque"}')
    case = case_of()
    with pytest.raises(Found) as found:
        case.take(answer)
    assert found.value.cause is causes.TOKEN_NOT_VERIFIED
    assert case.obtained == ["opaque"]  # and is given back


@pytest.mark.parametrize(
    ("status", "challenge", "cause"),
    [
        (401, 'Bearer error="invalid_token"', causes.TOKEN_REFUSED),
        (403, "Bearer", causes.ACTOR_REQUIRED),
        (403, 'Bearer error="insufficient_scope", scope="more"', causes.TOKEN_SCOPE_MISSING),
        (404, None, causes.ROUTING_ERROR),
        (504, None, causes.TOKENS_CANNOT_BE_CHECKED),
        (418, None, causes.NO_MCP_ANSWER),
    ],
)
def test_what_a_call_is_refused_for(status, challenge, cause):
    fields = [(b"WWW-Authenticate", challenge.encode())] if challenge else []
    found = mcp.explain_call(case_of(), ReadAnswer(status, Headers(fields), b""))
    assert found.cause is cause


def test_a_proxys_own_page_says_nothing_about_introspection():
    found = mcp.explain_call(case_of(), ReadAnswer(502, Headers(), b"<h1>502 Bad Gateway</h1>"))
    assert found.cause is causes.SERVER_UNREACHABLE


@pytest.mark.parametrize(
    ("error", "said", "cause"),
    [
        ("", "400 The redirect_uri is on the authority's own host, where", causes.REDIRECT_ON_AUTHORITY),
        ("", "500 The authority is not configured to answer this request", causes.POLICY_MISSING),
        ("", "400 The client is unknown", causes.CLIENT_UNKNOWN),
        ("unauthorized_client", "unauthorized_client: …", causes.GRANT_NOT_GRANTED),
        ("invalid_target", "invalid_target: …", causes.AUDIENCE_UNKNOWN),
        ("server_error", "server_error: …", causes.REQUEST_REFUSED),
    ],
)
def test_what_an_authorization_request_is_refused_for(error, said, cause):
    found = explain_refusal(case_of(), RequestRefusal(error, said), scope="test", audience="a")
    assert found.cause is cause


def test_checks_need_checks_that_there_are():
    assert len({each.name for each in CHECKS}) == len(CHECKS)
    known = {each.name for each in CHECKS}
    assert [each.name for each in CHECKS if not known.issuperset(each.needs)] == []
