import asyncio
import re

import pytest

from deputize.oauth.records.store import Factor
from support.agent_delegation import ENVIRONMENT_ID, USER_ID
from support.authority import Browser
from support.factors import LOGIN, code_of, demand, enrol, shown_secret, totp

CONSENT = "Let MCP Tutorial act for you?"
ASKED = "Enter your code"
SET_UP = "Set up your authenticator app"


@pytest.fixture
async def enrolled(authority, browser):
    """A browser after the first sign-on, and the secret of the app that the user set up in it."""
    demand(authority, LOGIN, totp())
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    assert browser.heading == SET_UP
    secret = await enrol(browser)
    assert browser.heading == "Your recovery codes"
    await browser.submit(1, action="no-recovery")
    assert browser.heading == CONSENT
    return secret


async def asked(authority, client):
    """Another browser that is asked for a code."""
    browser = Browser(authority, client)
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    assert browser.heading == ASKED
    return browser


async def test_who_has_no_app_sets_one_up_and_sees_its_secret_there_alone(authority, browser, enrolled):
    (app,) = await authority.store.factors.factors_of(ENVIRONMENT_ID, USER_ID)
    assert (app.kind, app.user_id) == ("totp", USER_ID)
    assert enrolled not in repr(app)
    assert enrolled not in browser.response.text


async def test_the_page_draws_the_secret_as_a_picture_without_styles(authority, browser):
    demand(authority, LOGIN, totp())
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    assert "<svg" in browser.response.text
    assert "style=" not in browser.response.text
    assert f"secret={shown_secret(browser.response.text)}&amp;" in browser.response.text


async def test_a_wrong_code_sets_nothing_up_and_keeps_the_secret_on_the_page(authority, browser):
    demand(authority, LOGIN, totp())
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    secret = shown_secret(browser.response.text)
    await browser.submit(1, code="000000", action="enrol")
    assert browser.response.status_code == 400
    assert shown_secret(browser.response.text) == secret
    assert await authority.store.factors.factors_of(ENVIRONMENT_ID, USER_ID) == ()


async def test_another_browser_is_asked_for_a_code_and_no_code_counts_twice(authority, enrolled):
    async with authority.client() as client, authority.client() as other:
        browser = await asked(authority, client)
        used = code_of(enrolled, authority.clock.now())
        await browser.submit(1, code=used, action="code")
        assert browser.heading == ASKED, "it set the app up"
        authority.clock.instant += 30
        code = code_of(enrolled, authority.clock.now())
        await browser.submit(1, code=code, action="code")
        assert browser.heading == CONSENT
        again = await asked(authority, other)
        await again.submit(1, code=code, action="code")
        assert again.heading == ASKED
        await again.submit(1, code=used, action="code")
        assert again.heading == ASKED


@pytest.mark.parametrize(("step", "counts"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
async def test_clocks_may_differ_by_one_step(authority, enrolled, step, counts):
    authority.clock.instant += 300
    async with authority.client() as client:
        browser = await asked(authority, client)
        code = code_of(enrolled, authority.clock.now(), step)
        await browser.submit(1, code=f" {code[:3]} {code[3:]} ", action="code")
        assert (browser.heading == CONSENT) is counts


async def test_of_many_who_use_one_code_at_once_one_gets_in(authority, enrolled):
    authority.clock.instant += 30
    code = code_of(enrolled, authority.clock.now())
    clients = [authority.client() for _ in range(6)]
    browsers = [await asked(authority, client) for client in clients]
    await asyncio.gather(*(each.submit(1, code=code, action="code") for each in browsers))
    assert [each.heading for each in browsers].count(CONSENT) == 1
    for client in clients:
        await client.aclose()


async def test_wrong_codes_are_counted_and_then_the_right_one_waits_too(authority, enrolled):
    authority.clock.instant += 30
    async with authority.client() as client:
        browser = await asked(authority, client)
        for _ in range(6):
            await browser.submit(1, code="000000", action="code")
        await browser.submit(1, code=code_of(enrolled, authority.clock.now()), action="code")
        assert browser.response.status_code == 429
        authority.clock.instant += 61
        await browser.submit(1, code=code_of(enrolled, authority.clock.now()), action="code")
        assert browser.heading == CONSENT


async def test_recovery_codes_are_shown_once_and_each_counts_once(authority, browser):
    demand(authority, LOGIN, totp())
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    await enrol(browser)
    await browser.submit(1, action="recovery")
    codes = re.findall(r"<code>([A-Z2-7-]{19})</code>", browser.response.text)
    assert len(set(codes)) == 10
    assert "%0A".join(codes) in browser.response.text, "to be downloaded"
    kept = await authority.store.factors.factors_of(ENVIRONMENT_ID, USER_ID)
    assert not any(code in repr(kept) or code.replace("-", "") in repr(kept) for code in codes)
    await browser.submit(1, action="no-recovery")
    assert browser.heading == CONSENT
    async with authority.client() as client, authority.client() as other:
        first = await asked(authority, client)
        await first.submit(1, code=codes[0].lower().replace("-", " "), action="code")
        assert first.heading == CONSENT
        second = await asked(authority, other)
        await second.submit(1, code=codes[0], action="code")
        assert second.heading == ASKED
        await second.submit(1, code=codes[1], action="code")
        assert second.heading == CONSENT


async def test_codes_are_drawn_only_right_after_an_app_was_set_up(authority, enrolled):
    async with authority.client() as client:
        browser = await asked(authority, client)
        await browser.submit(1, action="recovery")
        assert browser.heading == ASKED
    kinds = [each.kind for each in await authority.store.factors.factors_of(ENVIRONMENT_ID, USER_ID)]
    assert kinds == ["totp"]


async def test_a_request_that_demands_more_asks_only_for_what_is_missing(authority, browser):
    demand(authority, LOGIN)
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    await browser.accept()
    demand(authority, LOGIN, totp())
    await browser.get(authority.authorize_url())
    assert browser.heading == SET_UP, "the password was typed before"
    await enrol(browser)
    await browser.submit(1, action="no-recovery")
    assert "code=" in browser.response.headers["location"]
    await browser.get(authority.authorize_url(prompt="login"))
    assert browser.heading == "Sign on"
    await browser.sign_on()
    assert browser.heading == ASKED, "who signs on anew proves everything anew"


async def test_nobody_gets_by_with_prompt_none(authority, enrolled):
    async with authority.client() as client:
        browser = await asked(authority, client)
        await browser.get(authority.authorize_url(prompt="none"))
        assert browser.answer["error"] == "interaction_required"


async def test_only_who_has_an_app_is_asked_where_the_policy_says_so(authority, browser):
    demand(authority, LOGIN, totp(required_of="enrolled"))
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    assert browser.heading == CONSENT


async def test_who_has_a_passkey_proves_it_before_an_app_is_set_up(authority, browser):
    """Otherwise whoever stole the password would put an app of their own beside the user's passkey."""
    demand(authority, LOGIN, totp())
    factor = Factor("f", ENVIRONMENT_ID, USER_ID, "passkey", "0" * 64, "", MATERIAL, 0, 1.0)
    assert await authority.store.factors.add_factor(factor, 1)
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    assert browser.heading == "Use your passkey"
    await browser.submit(1, code="123456", action="enrol", sealed="")
    assert browser.heading == "Use your passkey"


MATERIAL = (
    "AAAAAAAAAAAAAAAAAAAAAAAgY3JlZGVudGlhbC1vZi0zMi1ieXRlcy1vci1zby1ub3elAQIDJiABIVggZ3rDQDj1eEVSSDJK8rLbC6dEn"
    "T2fjqzxKNSLJPMjb2wiWCCDSXwRIV2vWMrp6kOhm9LYfuC2v5S0w7bJ9l1cWmYLLw"
)


@pytest.mark.parametrize("ending", ["session", "user", "reset"])
async def test_a_code_is_no_way_around_what_ended(authority, enrolled, ending):
    authority.clock.instant += 30
    async with authority.client() as client:
        browser = await asked(authority, client)
        match ending:
            case "session":
                for session in await authority.store.sessions.sessions_of(ENVIRONMENT_ID):
                    await authority.store.sessions.end_session(session.id, authority.clock.now())
            case "user":
                await authority.set_user_enabled(enabled=False)
            case _:
                await authority.store.factors.reset_factors(ENVIRONMENT_ID, USER_ID)
        await browser.submit(1, code=code_of(enrolled, authority.clock.now()), action="code")
        assert browser.heading == "Sign on"
