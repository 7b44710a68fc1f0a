"""Whoever signs on with a temporary password chooses another before anything else."""

import pytest

from deputize.authority.signon import flow
from deputize.oauth.records.directory import Policy, Step
from support.agent_delegation import ENVIRONMENT_ID, USER_ID
from support.authority import PASSWORD
from support.factors import AGREEMENT, LOGIN, code_of, demand, shown_secret, totp
from support.records import replace

CHOSEN = "one that only I know"


@pytest.fixture(autouse=True)
async def temporary(authority):
    user = await authority.store.users.find_user_by_id(ENVIRONMENT_ID, USER_ID)
    await authority.store.users.put_user(replace(user, must_change_password=True))


async def choose(browser, current=PASSWORD, new=CHOSEN):
    await browser.submit(1, current=current, new=new, repeat=new, action="change-password")


async def test_it_comes_before_the_agreement_and_the_agent_gets_its_code_after_it(authority, browser):
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    assert browser.heading == "Choose your password"
    await choose(browser, current="wrong")
    assert browser.heading == "Choose your password"
    await choose(browser)
    assert browser.heading == "Let MCP Tutorial act for you?"
    await browser.accept()
    assert "code" in browser.answer
    user = await authority.store.users.find_user_by_id(ENVIRONMENT_ID, USER_ID)
    assert not user.must_change_password


async def test_it_comes_after_what_the_policy_has_the_user_prove(authority, browser):
    demand(authority, LOGIN, totp())
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    secret = shown_secret(browser.response.text)
    await browser.submit(1, code=code_of(secret, authority.clock.now()), action="enrol")
    await browser.submit(1, action="no-recovery")
    assert browser.heading == "Choose your password"
    await choose(browser)
    assert browser.heading == "Let MCP Tutorial act for you?"


async def test_it_comes_before_their_own_pages_too(authority, browser):
    await browser.get(f"{authority.path}/my/security")
    await browser.sign_on()
    assert browser.heading == "Choose your password"
    await browser.get(f"{authority.path}/my/security")
    assert browser.heading == "Choose your password"
    await choose(browser)
    assert browser.heading == "Your account"


async def test_an_agent_that_wants_no_page_is_told_that_one_is_needed(authority, browser):
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    await browser.get(authority.authorize_url(prompt="none"))
    assert browser.answer["error"] == "interaction_required"


async def test_it_is_not_due_where_no_password_was_used(authority, browser):
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    (session,) = await authority.store.sessions.sessions_of(ENVIRONMENT_ID)
    await authority.store.sessions.renew_session(replace(session, factors={"passkey": 1}))
    demand(authority, Step("PASSKEY", {}))
    await browser.get(authority.authorize_url())
    assert browser.heading == "Let MCP Tutorial act for you?"


async def test_somebody_else_signs_on_instead(authority, browser):
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    await browser.submit(0, action="switch")
    assert browser.heading == "Sign on"


@pytest.mark.parametrize(
    ("steps", "order"),
    [
        ((), ["LOGIN", "NEW_PASSWORD", "DESTINATION"]),
        ((AGREEMENT,), ["LOGIN", "NEW_PASSWORD", "AGREEMENT", "DESTINATION"]),
        ((LOGIN, AGREEMENT, totp()), ["LOGIN", "AGREEMENT", "TOTP", "NEW_PASSWORD", "DESTINATION"]),
        ((totp(), AGREEMENT), ["LOGIN", "TOTP", "NEW_PASSWORD", "AGREEMENT", "DESTINATION"]),
    ],
)
def test_every_policy_has_it_once_after_what_proves_something(steps, order):
    assert [step.type for _, step in flow.steps_of(Policy("p", "p", steps))] == order
