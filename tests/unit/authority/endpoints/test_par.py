"""Pushed authorization requests: judged when pushed, bound to their client, good for one code."""

from html import unescape
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deputize.authority.signon.pushed_requests import MAX_LENGTH, PREFIX
from support.agent_delegation import AGENT_ID, AGENT_SECRET, OTHER_ID, REDIRECT_URI, VERIFIER
from support.authority import Browser, authorization_parameters, basic
from support.examples import examples

PRINTABLE = "".join(map(chr, range(33, 127)))


@pytest.fixture
async def http(authority):
    async with authority.client() as client:
        yield client


async def push(authority, http, headers=None, **changes):
    return await http.post(
        f"{authority.path}/as/par", data=authorization_parameters(**changes), headers=headers or basic()
    )


async def pushed_url(authority, http, client_id=AGENT_ID, *, beside=None, **changes):
    uri = (await push(authority, http, **changes)).json()["request_uri"]
    query = {"client_id": client_id, "request_uri": uri, **(beside or {})}
    return f"{authority.path}/as/authorize?{urlencode(query)}"


async def redeem(authority, http, code):
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
    }
    return await http.post(f"{authority.path}/as/token", data=form, headers=basic())


async def test_what_was_pushed_is_what_the_user_signs_on_for(authority, browser, http):
    response = await push(authority, http, scope="openid agent", nonce="n-1")
    assert (response.status_code, response.json()["expires_in"]) == (201, 60)
    assert response.headers["cache-control"] == "no-store"
    uri = response.json()["request_uri"]
    assert uri.startswith(PREFIX)
    assert not {"the-state", "agent", "n-1"} & set(uri.split("."))
    query = urlencode({"client_id": AGENT_ID, "request_uri": uri})
    await browser.get(f"{authority.path}/as/authorize?{query}")
    await browser.sign_on()
    await browser.accept()
    assert (browser.answer["state"], browser.answer["iss"]) == ("the-state", authority.issuer)
    token = await redeem(authority, http, browser.answer["code"])
    assert token.json()["scope"] == "openid agent"
    [record] = await authority.records("AUTHORIZATION-REQUEST-PUSHED")
    assert (record["clientId"], record["scopes"]) == (AGENT_ID, ["openid", "agent"])


async def test_what_stands_beside_the_request_uri_counts_nothing(authority, browser, http):
    beside = {"redirect_uri": "https://evil.example/cb", "scope": "test", "state": "other", "prompt": "none"}
    await browser.get(await pushed_url(authority, http, beside=beside))
    assert browser.heading == "Sign on"
    await browser.sign_on()
    await browser.accept()
    assert browser.response.headers["location"].startswith(REDIRECT_URI)
    assert browser.answer["state"] == "the-state"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": "https://evil.example/cb"}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "unknown"}, "invalid_scope"),
        ({"resource": "https://unknown.example"}, "invalid_target"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"request": "x.y.z"}, "request_not_supported"),
        ({"request_uri": PREFIX + "x"}, "invalid_request"),
        ({"client_id": OTHER_ID}, "invalid_request"),
        ({"state": "x" * 2048, "login_hint": "x" * 2048, "ui_locales": "x" * 2048}, "invalid_request"),
    ],
)
async def test_what_is_wrong_is_told_to_the_client_before_a_browser_goes_anywhere(
    authority, http, changes, error
):
    response = await push(authority, http, **changes)
    assert (response.status_code, response.json()["error"]) == (400, error)
    assert "location" not in response.headers


async def test_the_client_authenticates_as_at_the_token_endpoint(authority, http):
    wrong = await push(authority, http, basic(AGENT_ID, "wrong"))
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    alone = await http.post(f"{authority.path}/as/par", data=authorization_parameters())
    assert alone.json()["error"] == "invalid_client"
    by_post = await http.post(
        f"{authority.path}/as/par", data={**authorization_parameters(), "client_secret": AGENT_SECRET}
    )
    assert by_post.status_code == 201
    assert AGENT_SECRET not in by_post.text
    authority.directory.replace_agent(client_auth="none", secret_digests=())
    public = await http.post(f"{authority.path}/as/par", data=authorization_parameters())
    assert public.status_code == 201


async def test_another_clients_request_uri_is_refused(authority, browser, http):
    response = await browser.get(await pushed_url(authority, http, OTHER_ID))
    assert response.status_code == 400
    assert "was given to another client" in unescape(response.text)


async def test_a_request_uri_is_good_for_a_minute_and_its_flow_as_long_as_any(authority, browser, http):
    url = await pushed_url(authority, http)
    authority.clock.instant += 59
    await browser.get(url)
    assert browser.heading == "Sign on"
    authority.clock.instant += 1
    async with authority.client() as late:
        response = await late.get(url)
    assert response.status_code == 400
    assert "invalid or expired" in unescape(response.text)
    authority.clock.instant += 600
    await browser.sign_on()
    await browser.accept()
    assert "code" in browser.answer


async def test_of_however_many_tries_one_yields_a_code(authority, browser, http):
    url = await pushed_url(authority, http)
    await browser.get(url)
    await browser.get(url)  # clients probe the address before they open it
    await browser.sign_on()
    await browser.accept()
    first = browser.answer["code"]
    await browser.get(url)
    assert browser.answer["code"] == first  # the answer may have got lost
    assert (await redeem(authority, http, first)).status_code == 200
    await browser.get(url)
    assert browser.heading == "You are done here"
    assert "location" not in browser.response.headers


async def test_a_second_browser_never_gets_the_code_of_the_first(authority, browser, http):
    url = await pushed_url(authority, http)
    async with authority.client() as client:
        thief = Browser(authority, client)
        await thief.get(url)
        await browser.get(url)
        await browser.sign_on()
        await browser.accept()
        assert "code" in browser.answer
        await thief.sign_on()
        assert thief.heading == "You are done here"
        await thief.get(url)
        assert thief.heading == "You are done here"
    assert (await redeem(authority, http, browser.answer["code"])).status_code == 200


async def test_somebody_else_can_take_over_within_the_same_request(authority, browser, http):
    await browser.get(await pushed_url(authority, http))
    await browser.sign_on()
    await browser.submit(action="switch")
    assert browser.heading == "Sign on"
    await browser.sign_on()
    await browser.accept()
    assert "code" in browser.answer


async def test_pushing_can_be_required(authority, browser, http):
    authority.directory.replace_agent(require_pushed_authorization_requests=True)
    await browser.get(authority.authorize_url())
    assert (browser.answer["error"], browser.answer["state"]) == ("invalid_request", "the-state")
    assert "push" in browser.answer["error_description"]
    await browser.get(await pushed_url(authority, http))
    await browser.sign_on()
    await browser.accept()
    assert "code" in browser.answer


async def test_a_request_uri_of_somebody_else_is_not_fetched(authority, browser):
    await browser.get(authority.authorize_url(request_uri="https://evil.example/request"))
    assert browser.answer["error"] == "request_uri_not_supported"


@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 2**16), st.sampled_from(PRINTABLE), st.integers(0, 3))
async def test_nothing_but_what_was_pushed_opens(authority, http, place, other, change):
    # The value is random, and what is drawn must not depend on it: an example comes out the same twice.
    uri = (await push(authority, http)).json()["request_uri"]
    at = len(PREFIX) + place % (len(uri) - len(PREFIX))
    put = other if other != uri[at] else PRINTABLE[PRINTABLE.index(other) - 1]
    changed = [uri[:at], uri[:at] + put + uri[at + 1 :], uri + other, uri + "A" * MAX_LENGTH][change]
    response = await http.get(
        f"{authority.path}/as/authorize?{urlencode({'client_id': AGENT_ID, 'request_uri': changed})}"
    )
    assert response.status_code in {400, 414}
    assert "location" not in response.headers
