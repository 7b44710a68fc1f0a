import asyncio
import hashlib
import re

import pytest

from deputize.authority.breached_passwords import BreachedPasswords
from deputize.oauth.records.directory import Step
from deputize.oauth.records.settings import EnvironmentSettings, PasswordPolicy
from deputize.oauth.records.store import Factor
from support.agent_delegation import ENVIRONMENT_ID, USER_ID
from support.authority import PASSWORD, Browser, running_authority
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


async def test_other_factors_are_there_only_where_a_policy_uses_them_or_the_user_has_one(authority, browser):
    demand(authority, LOGIN)
    await browser.get(f"{authority.path}/my")
    await browser.sign_on()
    await browser.get(f"{authority.path}/my/security")
    assert "Present password" in browser.response.text
    assert "Passkeys" not in browser.response.text
    kept = Factor("f", ENVIRONMENT_ID, USER_ID, "recovery_code", "1" * 64, "", "", 0, 1.0)
    assert await authority.store.factors.add_factor(kept, 1)
    await browser.get(f"{authority.path}/my/security")
    assert "Passkeys" in browser.response.text


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
    assert not any(each in str(page.response.url) for each in codes)
    await page.get(page.response.url.raw_path.decode())
    assert "The codes were shown already." in page.response.text
    assert codes[0] not in page.response.text
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


async def change(page, current=PASSWORD, new="a new and longer one", repeat=None):
    await page.submit(
        form_with(page, 'name="current"'),
        current=current,
        new=new,
        repeat=new if repeat is None else repeat,
        action="change-password",
    )
    return re.findall(r'<a href="#(current|new|repeat)">', page.response.text)


async def test_whoever_knows_the_password_changes_it_and_stays_signed_on_here_alone(authority, page):
    async with authority.client() as client:
        other = Browser(authority, client)
        await other.get(f"{authority.path}/my")
        await other.sign_on()
        assert await change(page) == []
        assert "The password was changed. Other sessions have ended." in page.response.text
        await page.get(f"{authority.path}/my/sessions")
        assert page.heading == "Your account"
        await other.get(f"{authority.path}/my")
        assert other.heading == "Sign on"
        await other.sign_on()
        assert other.heading == "Sign on", "the password before is no longer good"
        await other.sign_on("a new and longer one")
        assert other.heading == "Your account"
    user = await authority.store.users.find_user_by_id(ENVIRONMENT_ID, USER_ID)
    (record,) = await authority.records("PASSWORD-CHANGED")
    assert record["userId"] == user.id


async def test_what_was_proved_in_this_browser_counts_after_the_change(authority, page):
    secret = shown_secret(page.response.text)
    await page.submit(form_with(page, "sealed"), code=code_of(secret, authority.clock.now()), action="enrol")
    assert await change(page) == []
    await page.get(f"{authority.path}/my/security")
    assert page.heading == "Your account", "no code is asked for again"


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"current": ""}, "current"),
        ({"current": "not the password"}, "current"),
        ({"new": "seven77"}, "new"),
        ({"new": "x" * 65}, "new"),
        ({"new": PASSWORD}, "new"),
        ({"new": "DemoUser"}, "new"),
        ({"repeat": "a new and longer on"}, "repeat"),
    ],
)
async def test_a_change_is_refused_at_the_field_it_is_about(authority, page, typed, field):
    lengths = PasswordPolicy(min_length=8, max_length=64)
    authority.directory.replace(settings=EnvironmentSettings(password_policy=lengths))
    before = await authority.store.users.find_user_by_id(ENVIRONMENT_ID, USER_ID)
    assert await change(page, **typed) == [field]
    assert page.response.status_code == 400
    assert await authority.store.users.find_user_by_id(ENVIRONMENT_ID, USER_ID) == before


async def test_guessing_the_present_password_is_held_up_as_at_sign_on(authority, page):
    for _ in range(6):
        assert await change(page, current="a guess") == ["current"]
    await change(page)
    assert page.response.status_code == 429
    assert "Wait 15 min" in page.response.text
    authority.clock.instant += 900
    await change(page)
    assert "The password was changed." in page.response.text


async def test_of_two_changes_at_once_one_counts(authority, page):
    async with authority.client() as client:
        other = Browser(authority, client)
        await other.get(f"{authority.path}/my/security")
        await other.sign_on()
        await other.get(f"{authority.path}/my/security")
        chosen = ("the first of two", "the second of two")
        await asyncio.gather(
            *(change(each, new=new) for each, new in zip((page, other), chosen, strict=True))
        )
        assert len(await authority.records("PASSWORD-CHANGED")) == 1
        user = await authority.store.users.find_user_by_id(ENVIRONMENT_ID, USER_ID)
        passwords = authority.services.passwords
        good = [each for each in chosen if await passwords.verify(user.password_hash, each)]
    assert len(good) == 1


async def test_a_password_that_became_known_is_refused(authority, page, tmp_path):
    listed = tmp_path / "known"
    known = hashlib.sha1(b"a new and longer one", usedforsecurity=False).hexdigest()
    listed.write_text(f"{known.upper()}:3\n", "ascii")
    object.__setattr__(authority.services, "breached_passwords", BreachedPasswords(listed))
    assert await change(page) == ["new"]
    assert "became known" in page.response.text
    assert await change(page, new="nobody knows this one") == []


async def test_whoever_has_no_password_is_offered_none(authority, page):
    demand(authority, Step("LOGIN", {"or_passkey": True}))
    device = Authenticator(origin=BASE_URL)
    await page.get(f"{authority.path}/my/security")
    made = device.create(shown_options(page.response.text, "create"))
    await page.submit(form_with(page, "data-passkey"), passkey=made)
    user = await authority.store.users.find_user_by_id(ENVIRONMENT_ID, USER_ID)
    await authority.store.users.put_user(replace(user, password_hash=""))
    await page.get(f"{authority.path}/my/security")
    used = device.get(shown_options(page.response.text))
    await page.submit(1, passkey=used, action="passkey")
    await page.get(f"{authority.path}/my/security")
    assert "Passkeys" in page.response.text
    assert "Present password" not in page.response.text
    typed = {"current": "", "new": "a new and longer one", "repeat": "a new and longer one"}
    await page.submit(form_with(page, "data-passkey"), **typed, action="change-password")
    found = await authority.store.users.find_user_by_id(ENVIRONMENT_ID, USER_ID)
    assert found.password_hash == ""
