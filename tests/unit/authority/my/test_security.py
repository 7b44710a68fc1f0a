import re

import pytest

from deputize.oauth.records.store import Factor
from support.agent_delegation import ENVIRONMENT_ID, USER_ID
from support.authority import Browser, running_authority
from support.factors import LOGIN, code_of, demand, shown_secret, totp
from support.passkeys import Authenticator, shown_options
from support.records import replace

BASE_URL = "https://authority.test"


@pytest.fixture
async def authority(tmp_path):
    async with running_authority(tmp_path / "data", BASE_URL) as running:
        yield running


@pytest.fixture
async def page(authority, browser):
    """The section, for a user with a password alone."""
    demand(authority, LOGIN, totp(required_of="enrolled"))
    await browser.get(f"{authority.path}/my/security")
    await browser.sign_on()
    await browser.get(f"{authority.path}/my/security")
    return browser


async def of(authority):
    return await authority.store.factors.factors_of(ENVIRONMENT_ID, USER_ID)


def form_with(page, text):
    """The number of the form that holds a text."""
    forms = re.findall(r"<form[^>]*>.*?</form>", page.response.text, re.DOTALL)
    return next(number for number, form in enumerate(forms) if text in form)


async def test_it_is_there_only_where_a_policy_uses_it(authority, browser):
    demand(authority, LOGIN)
    await browser.get(f"{authority.path}/my")
    await browser.sign_on()
    assert (await browser.get(f"{authority.path}/my/security")).status_code == 404


async def test_a_passkey_is_added_and_removed(authority, page):
    device = Authenticator(origin=BASE_URL)
    made = device.create(shown_options(page.response.text, "create"))
    await page.submit(form_with(page, "data-passkey"), passkey=made, name="My phone")
    assert "The passkey was added." in page.response.text
    assert "My phone" in page.response.text
    await page.submit(form_with(page, "data-passkey"), passkey=made)
    assert page.response.status_code == 400, "a challenge counts once"
    (kept,) = await of(authority)
    await page.get(f"{authority.path}/my/security")
    await page.submit(form_with(page, kept.id), action="remove")
    assert "It was removed." in page.response.text
    assert await of(authority) == ()


async def test_an_app_is_set_up_and_recovery_codes_are_shown_once(authority, page):
    secret = shown_secret(page.response.text)
    await page.submit(form_with(page, "sealed"), code="000000", action="enrol")
    assert shown_secret(page.response.text) == secret
    await page.submit(form_with(page, "sealed"), code=code_of(secret, authority.clock.now()), action="enrol")
    assert "Your authenticator app is set up." in page.response.text
    assert secret not in page.response.text
    await page.submit(form_with(page, "recovery"), action="recovery")
    codes = re.findall(r"<code>([A-Z2-7-]{19})</code>", page.response.text)
    assert len(codes) == 10
    await page.get(f"{authority.path}/my/security")
    assert "Codes left: 10" in page.response.text
    assert codes[0] not in page.response.text
    (app,) = (each for each in await of(authority) if each.kind == "totp")
    await page.submit(form_with(page, app.id), action="remove")
    assert await of(authority) == ()


async def test_whoever_has_more_than_a_password_proves_it_first(authority, page):
    secret = shown_secret(page.response.text)
    await page.submit(form_with(page, "sealed"), code=code_of(secret, authority.clock.now()), action="enrol")
    (app,) = await of(authority)
    async with authority.client() as client:
        thief = Browser(authority, client)
        await thief.get(f"{authority.path}/my/security")
        await thief.sign_on()
        assert thief.heading == "Enter your code"
        for path in ("/my", "/my/security", "/my/agents"):
            await thief.get(f"{authority.path}{path}")
            assert thief.heading == "Enter your code"
        csrf = {"csrf": "x", "action": "remove", "factor": app.id}
        await thief.client.post(f"{authority.path}/my/security", data=csrf)
        assert await of(authority) == (app,)
        authority.clock.instant += 30
        await thief.submit(1, code=code_of(secret, authority.clock.now()), action="code")
        assert thief.heading == "Your account"


async def test_what_is_somebody_elses_cannot_be_removed(authority, page):
    other = Factor("f", ENVIRONMENT_ID, "eve", "passkey", "1" * 64, "Eve's", "", 0, 1.0)
    eve = await authority.store.users.find_user_by_id(ENVIRONMENT_ID, USER_ID)
    await authority.store.users.put_user(replace(eve, id="eve", username="eve"))
    assert await authority.store.factors.add_factor(other, 1)
    shown = form_with(page, "sealed")
    await page.submit(shown, action="remove", factor="f")
    assert await authority.store.factors.factors_of(ENVIRONMENT_ID, "eve") == (other,)
