"""The page that names where a user of a public client goes on to."""

import pytest

from support.agent_delegation import POLICY, POLICY_NAME, Step
from support.records import replace

LOOPBACK = "http://127.0.0.1:51234/callback"
PRIVATE = "com.example.agent:/callback"
CLAIMED = "https://agent.example/callback"
LOCAL_HTTPS = "https://localhost:8443/callback"
URIS = ("http://127.0.0.1/callback", "http://[::1]/callback", PRIVATE, CLAIMED, LOCAL_HTTPS)
GRANTS = frozenset({"authorization_code", "refresh_token"})
PAGE = "Go on to MCP Tutorial?"


@pytest.fixture
def public(authority):
    return authority.directory.replace_agent(client_auth="none", grant_types=GRANTS, redirect_uris=URIS)


async def agree(authority, browser, **changes):
    """Sign on and agree, as a user does the first time."""
    await browser.get(authority.authorize_url(**changes))
    await browser.sign_on()
    await browser.accept()


@pytest.mark.parametrize("uri", [LOOPBACK, "http://[::1]:7/callback", PRIVATE, LOCAL_HTTPS])
async def test_who_agreed_before_is_shown_where_they_go_each_time(authority, browser, public, uri):
    await agree(authority, browser, redirect_uri=uri)
    assert "code" in browser.answer
    for _ in range(3):
        await browser.get(authority.authorize_url(redirect_uri=uri))
        assert browser.heading == PAGE
        shown = "com.example.agent:" if uri == PRIVATE else uri.split("/")[2]
        assert f"<b>{shown}</b>" in browser.response.text
        assert "Nobody can check that" in browser.response.text
        assert "demouser" in browser.response.text
        await browser.submit(action="go-on")
        assert browser.response.headers["location"].startswith(uri)
        assert "code" in browser.answer


async def test_the_agreement_s_page_names_it_too_and_is_enough(authority, browser, public):
    await browser.get(authority.authorize_url(redirect_uri=LOOPBACK))
    await browser.sign_on()
    assert browser.heading.startswith("Let ")
    assert "<b>127.0.0.1:51234</b>" in browser.response.text
    assert "Nobody can check that" in browser.response.text
    await browser.accept()
    assert "code" in browser.answer


@pytest.mark.parametrize("uri", [LOOPBACK, PRIVATE])
async def test_without_a_page_there_is_no_answer(authority, browser, public, uri):
    await agree(authority, browser, redirect_uri=uri)
    await browser.get(authority.authorize_url(redirect_uri=uri, prompt="none"))
    assert browser.answer["error"] == "interaction_required"
    assert "code" not in browser.answer


async def test_what_is_missing_else_is_said_first(authority, browser, public):
    await browser.get(authority.authorize_url(redirect_uri=LOOPBACK, prompt="none"))
    assert browser.answer["error"] == "login_required"
    await browser.get(authority.authorize_url(redirect_uri=LOOPBACK))
    await browser.sign_on()
    await browser.get(authority.authorize_url(redirect_uri=LOOPBACK, prompt="none"))
    assert browser.answer["error"] == "consent_required"


async def test_a_policy_that_asks_for_nothing_shows_it_all_the_same(authority, browser, public):
    silent = replace(POLICY, steps=(Step("LOGIN", {}),))
    authority.directory.replace(policies={POLICY_NAME: silent})
    await browser.get(authority.authorize_url(redirect_uri=LOOPBACK))
    await browser.sign_on()
    assert browser.heading == PAGE
    await browser.submit(action="go-on")
    assert "code" in browser.answer


@pytest.mark.parametrize("action", ["cancel", "", "accept"])
async def test_whoever_does_not_go_on_says_no(authority, browser, public, action):
    await agree(authority, browser, redirect_uri=LOOPBACK)
    await browser.get(authority.authorize_url(redirect_uri=LOOPBACK))
    await browser.submit(action=action)
    assert browser.answer["error"] == "access_denied"


async def test_who_is_somebody_else_begins_anew(authority, browser, public):
    await agree(authority, browser, redirect_uri=LOOPBACK)
    await browser.get(authority.authorize_url(redirect_uri=LOOPBACK))
    await browser.submit(action="switch")
    assert browser.heading == "Sign on"
    await browser.sign_on()
    assert browser.heading == PAGE


async def test_going_on_counts_for_one_request(authority, browser, public):
    await agree(authority, browser, redirect_uri=LOOPBACK)
    await browser.get(authority.authorize_url(redirect_uri=LOOPBACK))
    flow = str(browser.response.url)
    await browser.submit(action="go-on")
    again = await browser.client.get(flow)
    assert "code=" in again.headers["location"], "the same code, for the answer may have got lost"
    await browser.get(authority.authorize_url(redirect_uri=LOOPBACK, state="another"))
    assert browser.heading == PAGE


@pytest.mark.parametrize(
    ("registered", "uri"),
    [
        ("none", CLAIMED),
        (None, LOOPBACK),
        ("client_secret_basic", LOOPBACK),
        ("private_key_jwt", LOOPBACK),
        ("private_key_jwt", PRIVATE),
    ],
)
async def test_a_client_that_proves_itself_asks_nothing_the_second_time(authority, browser, registered, uri):
    authority.directory.replace_agent(client_auth=registered, redirect_uris=URIS)
    await agree(authority, browser, redirect_uri=uri)
    for prompt in (None, "none"):
        await browser.get(authority.authorize_url(redirect_uri=uri, prompt=prompt))
        assert "code" in browser.answer


@pytest.mark.parametrize(
    ("language", "heading"),
    [("de", "Weiter zu"), ("fr", "Continuer vers"), ("es", "¿Continuar a"), ("ja", "に進みますか")],
)
async def test_it_speaks_the_reader_s_language(authority, browser, public, language, heading):
    await agree(authority, browser, redirect_uri=LOOPBACK)
    browser.headers["Accept-Language"] = language
    await browser.get(authority.authorize_url(redirect_uri=LOOPBACK))
    assert heading in browser.heading
