"""Passkeys in a real Chromium with an authenticator of its own, codes in one without JavaScript."""

import re

import pytest

from deputize.oauth.records.directory import Step
from support.authority import PASSWORD
from support.factors import LOGIN, code_of, demand, passkey, totp
from support.pages import heading, problems

pytestmark = pytest.mark.browser
OR_PASSKEY = Step("LOGIN", {"or_passkey": True})
VERIFYING = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class Device:
    """The authenticator of a browser."""

    def __init__(self, page, **changes):
        self._chromium = page.context.new_cdp_session(page)
        self._chromium.send("WebAuthn.enable")
        added = self._chromium.send("WebAuthn.addVirtualAuthenticator", {"options": {**VERIFYING, **changes}})
        self._id = added["authenticatorId"]

    def passkeys(self):
        return self._chromium.send("WebAuthn.getCredentials", {"authenticatorId": self._id})["credentials"]

    def refuse_users(self):
        """Fail to recognise whoever is there."""
        self._chromium.send(
            "WebAuthn.setUserVerified", {"authenticatorId": self._id, "isUserVerified": False}
        )


def fill_in(page, url, password=PASSWORD):
    page.goto(url)
    page.get_by_label("Username").fill("demouser")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign on").click()


@pytest.fixture
def security(served_authority):
    demand(served_authority, OR_PASSKEY)
    return f"{served_authority.base_url}{served_authority.path}/my/security"


@pytest.fixture
def device(page, security):
    """An authenticator with a passkey of the user, registered on their own page, where they are signed on."""
    device = Device(page)
    fill_in(page, security)
    page.goto(security)
    page.get_by_label("Name of the passkey").fill("My phone")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("status").wait_for()
    return device


def test_a_passkey_is_registered_on_the_users_own_page(page, device, served_authority):
    assert page.get_by_role("status").inner_text() == "The passkey was added."
    assert page.get_by_role("heading", name="My phone").is_visible()
    assert problems(page) == []
    assert not page.get_by_text("Passkeys need JavaScript").is_visible()
    (made,) = device.passkeys()
    assert made["rpId"] == "localhost"
    assert made["isResidentCredential"]
    page.get_by_label("Name of the passkey").fill("Once more")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_text("The passkey was not used.").wait_for()
    assert len(device.passkeys()) == 1, "a device that has one is not asked for another"
    assert page.violations == []


def test_the_user_signs_on_with_it_and_types_nothing(page, device, url, callback, served_authority):
    page.context.clear_cookies()
    page.goto(url)
    assert heading(page) == "Sign on"
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_selector("h1:has-text('act for you?')")
    page.get_by_role("button", name="Accept").click()
    page.wait_for_url("**/done")
    assert "code=" in callback.queries[0]
    assert page.violations == []


def test_whoever_the_device_does_not_recognise_does_not_sign_on(page, device, url):
    page.context.clear_cookies()
    device.refuse_users()
    page.goto(url)
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_text("The passkey was not used.").wait_for()
    assert heading(page) == "Sign on"
    assert page.get_by_role("button", name="Use a passkey").is_enabled(), "it can be tried again"


def test_a_policy_has_it_registered_at_the_first_sign_on_and_asks_for_it_at_the_next(
    page, url, served_authority
):
    Device(page)
    demand(served_authority, LOGIN, passkey())
    fill_in(page, url)
    assert heading(page) == "Register a passkey"
    assert problems(page) == []
    page.get_by_role("button", name="Register").click()
    page.wait_for_selector("h1:has-text('act for you?')")
    page.context.clear_cookies()
    fill_in(page, url)
    page.get_by_role("button", name="Use").click()
    page.wait_for_selector("h1:has-text('act for you?')")
    assert page.violations == []


@pytest.fixture
def plain_page(chromium):
    """A page of a browser without JavaScript."""
    context = chromium.new_context(java_script_enabled=False, locale="en-US")
    yield context.new_page()
    context.close()


def test_app_and_recovery_codes_need_no_javascript(plain_page, url, served_authority):
    page = plain_page
    demand(served_authority, LOGIN, totp())
    fill_in(page, url)
    assert page.get_by_role("img", name="QR code").is_visible()
    secret = page.locator("code", has_text=re.compile("^[A-Z2-7 ]{39}$")).inner_text().replace(" ", "")
    page.get_by_role("textbox", name="Code").fill(code_of(secret, served_authority.clock.now()))
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Show").click()
    codes = page.locator("ul.codes code").all_inner_texts()
    assert len(codes) == 10
    page.get_by_role("button", name="Continue").click()
    assert heading(page) == "Let MCP Tutorial act for you?"
    for code in (codes[0], codes[1]):
        page.context.clear_cookies()
        fill_in(page, url)
        if code == codes[1]:
            page.get_by_role("textbox", name="Code").fill(codes[0])
            page.get_by_role("button", name="Continue").click()
            assert "was used before" in page.get_by_role("alert").inner_text()
        page.get_by_role("textbox", name="Code").fill(code.lower().replace("-", " "))
        page.get_by_role("button", name="Continue").click()
        assert heading(page) == "Let MCP Tutorial act for you?"


def test_without_javascript_a_page_says_why_there_are_no_passkeys(plain_page, security):
    fill_in(plain_page, security)
    plain_page.goto(security)
    assert plain_page.get_by_text("Passkeys need JavaScript").is_visible()
    assert not plain_page.get_by_role("button", name="Add a passkey").is_visible()


def test_a_password_is_changed_without_javascript(plain_page, security, served_authority):
    page = plain_page
    fill_in(page, security)
    page.goto(security)
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill("short")
    page.get_by_role("button", name="Change the password").click()
    page.get_by_role("alert").get_by_role("link", name="8 to 1024 characters").click()
    assert page.url.endswith("#new")
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill("a new and longer one")
    page.get_by_label("New password once more").fill("a new and longer one")
    page.get_by_role("button", name="Change the password").click()
    assert "Other sessions have ended" in page.get_by_role("status").inner_text()
    page.context.clear_cookies()
    fill_in(page, security, "a new and longer one")
    assert heading(page) == "Your account"


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "light")])
def test_the_security_page_can_be_read_everywhere(chromium, security, width, scheme):
    context = chromium.new_context(
        locale="en-US", color_scheme=scheme, viewport={"width": width, "height": 844}
    )
    page = context.new_page()
    fill_in(page, security)
    page.goto(security)
    assert problems(page) == []
    context.close()
