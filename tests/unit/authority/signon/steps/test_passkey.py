import asyncio

import pytest

from deputize.authority.factors.challenges import LIFETIME
from deputize.kernel.digests import digest
from deputize.oauth.records.directory import Step
from support.agent_delegation import ENVIRONMENT_ID, USER_ID
from support.authority import Browser, running_authority
from support.factors import LOGIN, demand, enrol, passkey, totp
from support.passkeys import UP, Authenticator, shown_options

CONSENT = "Let MCP Tutorial act for you?"
ASKED = "Sign on with a passkey"
BASE_URL = "https://authority.test"


@pytest.fixture
async def authority(tmp_path):
    async with running_authority(tmp_path / "data", BASE_URL) as running:
        yield running


@pytest.fixture
async def device(authority, browser):
    """An authenticator with a passkey of the user, registered at the first sign-on that demands one."""
    demand(authority, LOGIN, passkey())
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    assert browser.heading == "Register a passkey"
    device = Authenticator(origin=BASE_URL)
    answer = device.create(shown_options(browser.response.text, "create"))
    await browser.submit(1, passkey=answer, name="My phone")
    assert browser.heading == CONSENT
    return device


async def shown(authority, client, *steps):
    demand(authority, *steps or (passkey(),))
    browser = Browser(authority, client)
    await browser.get(authority.authorize_url())
    return browser


async def answer(browser, device, form=0):
    await browser.submit(form, passkey=device.get(shown_options(browser.response.text)), action="passkey")
    return browser.heading


async def test_a_passkey_is_kept_with_its_name(authority, device):
    (kept,) = await authority.store.factors.factors_of(ENVIRONMENT_ID, USER_ID)
    assert (kept.kind, kept.name, kept.counter) == ("passkey", "My phone", 0)


async def test_it_signs_on_without_name_or_password(authority, device):
    async with authority.client() as client:
        browser = await shown(authority, client)
        assert browser.heading == ASKED
        options = shown_options(browser.response.text)
        assert (options["rpId"], options["allowCredentials"], options["userVerification"]) == (
            "authority.test", [], "required",
        )  # fmt: skip
        assert await answer(browser, device) == CONSENT
        await browser.accept()
        cookie = client.cookies[f"__Host-deputize-session-{ENVIRONMENT_ID}"]
        session = await authority.store.sessions.find_session(ENVIRONMENT_ID, digest(cookie))
        assert session.factors.keys() == {"passkey"}
    (kept,) = await authority.store.factors.factors_of(ENVIRONMENT_ID, USER_ID)
    assert (kept.counter, kept.last_used_at) == (1, authority.clock.now())


async def test_it_does_in_place_of_the_password_where_the_policy_says_so(authority, device):
    async with authority.client() as client:
        browser = await shown(authority, client, Step("LOGIN", {"or_passkey": True}))
        assert browser.heading == "Sign on"
        assert "script-src 'self'" in browser.response.headers["content-security-policy"]
        assert await answer(browser, device, 1) == CONSENT
    async with authority.client() as client:
        browser = await shown(authority, client, LOGIN)
        assert "script" not in browser.response.headers["content-security-policy"]
        assert "<script" not in browser.response.text


async def test_after_a_password_only_the_users_own_counts(authority, device):
    async with authority.client() as client:
        browser = await shown(authority, client, LOGIN, passkey())
        await browser.sign_on()
        assert browser.heading == ASKED
        assert len(shown_options(browser.response.text)["allowCredentials"]) == 1
        assert await answer(browser, device, 1) == CONSENT


LIES = {
    "another origin": {"origin": "https://authority.test.evil.example"},
    "another port": {"origin": "https://authority.test:444"},
    "another relying party": {"rp_id": "evil.example"},
    "a user who was not verified": {"flags": UP},
    "nobody there": {"flags": 0},
    "another key": {"key": Authenticator().key},
    "another passkey": {"credential_id": b"another"},
    "another user": {"user_handle": b"somebody else"},
    "a counter that stands still": {"step": 0, "counter": 1},
    "a frame of another site": {"extra": {"crossOrigin": True}},
    "a frame that is no yes or no": {"extra": {"crossOrigin": []}},
    "another ceremony": {"extra": {"type": "webauthn.create"}},
    "another challenge": {"extra": {"challenge": "AAAA"}},
}


@pytest.mark.parametrize("lie", LIES)
async def test_what_is_not_true_does_not_count(authority, device, lie):
    async with authority.client() as client:
        browser = await shown(authority, client)
        await answer(browser, device)
        assert browser.heading == CONSENT
    for name, value in LIES[lie].items():
        setattr(device, name, value)
    async with authority.client() as client:
        browser = await shown(authority, client)
        assert await answer(browser, device) == ASKED
        assert browser.response.status_code == 400


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"rawId":"AA","response":{}}', "{" * 400, '{"a":' * 3000])
async def test_what_is_no_answer_is_refused_as_such(authority, device, text):
    async with authority.client() as client:
        browser = await shown(authority, client)
        await browser.submit(passkey=text)
        assert (browser.heading, browser.response.status_code) == (ASKED, 400)


async def test_a_challenge_counts_once_and_on_its_own_page_and_for_a_while(authority, device):
    device.step = 1
    async with authority.client() as client, authority.client() as other:
        browser, elsewhere = await shown(authority, client), await shown(authority, other)
        signed = device.get(shown_options(browser.response.text))
        await elsewhere.submit(passkey=signed)
        assert elsewhere.heading == ASKED, "another flow's"
        flow = str(browser.response.url)
        await browser.submit(passkey=signed)
        assert browser.heading == CONSENT
        client.cookies.delete(f"__Host-deputize-session-{ENVIRONMENT_ID}")
        await browser.get(flow)
        assert browser.heading == ASKED
        await browser.submit(passkey=signed)
        assert browser.heading == ASKED, "used before"
        late = device.get(shown_options(browser.response.text))
        authority.clock.instant += LIFETIME
        await browser.submit(passkey=late)
        assert browser.heading == ASKED, "too late"


async def test_of_many_who_send_one_answer_at_once_one_gets_in(authority, device):
    device.step = 0  # one that does not count
    async with authority.client() as client:
        browser = await shown(authority, client)
        signed, page = device.get(shown_options(browser.response.text)), browser.response
        tries = [Browser(authority, client) for _ in range(5)]
        for each in tries:
            each.response = page
        await asyncio.gather(*(each.submit(passkey=signed) for each in tries))
    assert len(await authority.records("SIGNED-ON")) == 3, "two before, and one of these"


@pytest.mark.parametrize("state", ["disabled", "locked", "reset"])
async def test_it_is_no_way_around_what_ended(authority, device, state):
    if state == "disabled":
        await authority.set_user_enabled(enabled=False)
    elif state == "reset":
        await authority.store.factors.reset_factors(ENVIRONMENT_ID, USER_ID)
    else:
        async with authority.client() as client:
            guesser = await shown(authority, client, LOGIN)
            for _ in range(7):
                await guesser.sign_on("wrong")
    async with authority.client() as client:
        browser = await shown(authority, client)
        assert await answer(browser, device) == ASKED
        assert browser.response.status_code == (429 if state == "locked" else 400)


async def test_who_has_an_app_proves_it_before_a_passkey_is_added(authority, browser):
    demand(authority, LOGIN, totp())
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    await enrol(browser)
    async with authority.client() as client:
        thief = await shown(authority, client, LOGIN, passkey())
        await thief.sign_on()
        assert thief.heading == "Enter your code"
        await thief.submit(1, passkey="{}", action="register")
        assert thief.heading == "Enter your code"


async def test_an_offer_can_be_turned_down(authority, browser):
    demand(authority, LOGIN, passkey(required_of="nobody"))
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    assert browser.heading == "Register a passkey"
    await browser.submit(2, action="later")
    assert browser.heading == CONSENT


async def test_a_demand_cannot_be_turned_down(authority, browser):
    demand(authority, LOGIN, passkey())
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    await browser.submit(1, action="later")
    assert browser.heading == "Register a passkey"


async def test_where_browsers_have_no_passkeys_the_page_says_so(tmp_path):
    async with (
        running_authority(tmp_path / "d", "http://10.1.2.3") as authority,
        authority.client() as client,
    ):
        browser = await shown(authority, client)
        assert browser.heading == "Passkeys cannot be used here"
