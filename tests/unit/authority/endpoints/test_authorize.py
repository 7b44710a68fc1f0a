from html import unescape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.agent_delegation import REDIRECT_URI
from support.authority import authorization_parameters
from support.examples import examples


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"client_id": None}, "The parameter client_id is missing"),
        ({"client_id": "nobody"}, "The client is unknown"),
        ({"redirect_uri": None}, "The parameter redirect_uri is missing"),
        ({"redirect_uri": "https://evil.example/cb"}, "The redirect_uri is not registered for this client"),
    ],
)
async def test_what_must_not_be_sent_anywhere_is_shown(authority, browser, changes, said):
    response = await browser.get(authority.authorize_url(**changes))
    assert response.status_code == 400
    assert said in unescape(response.text)
    assert 'role="alert"' in response.text
    assert "Correlation ID <code>" in response.text
    assert "The program that sent you here did not ask in a way that this site accepts." in response.text
    assert "Go back to the program you came from and start again." in response.text


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "unknown"}, "invalid_scope"),
        ({"resource": "https://unknown.example"}, "invalid_target"),
        ({"request": "x.y.z"}, "request_not_supported"),
    ],
)
async def test_other_errors_go_to_the_agent_with_issuer_and_state(authority, browser, changes, error):
    await browser.get(authority.authorize_url(**changes))
    assert browser.response.status_code == 303
    assert browser.answer["error"] == error
    assert browser.answer["iss"] == authority.issuer
    assert browser.answer["state"] == "the-state"
    assert "Correlation ID: " in browser.answer["error_description"]


async def test_a_post_is_turned_into_a_get_that_brings_cookies(authority, browser):
    response = await browser.client.post(f"{authority.path}/as/authorize", data=authorization_parameters())
    assert response.status_code == 303
    await browser.get(response.headers["location"])
    assert browser.heading == "Sign on"


async def test_a_repeated_parameter_is_refused(authority, browser):
    response = await browser.get(authority.authorize_url() + "&scope=openid")
    assert response.status_code == 400
    assert "repeated" in response.text


async def test_the_default_scope_is_what_the_agent_was_granted_for_its_users(authority, browser):
    await browser.get(authority.authorize_url(scope=None))
    await browser.sign_on()
    assert "Talk to the agent" in browser.response.text


@settings(
    max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    redirect_uri=st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1, max_size=60
    ).map("http://localhost:3000/".__add__)
)
async def test_no_unregistered_address_is_ever_redirected_to(authority, browser, redirect_uri):
    if redirect_uri == REDIRECT_URI:
        return
    response = await browser.get(authority.authorize_url(redirect_uri=redirect_uri))
    assert response.status_code == 400
    assert "location" not in response.headers
