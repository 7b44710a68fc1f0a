"""Sign-on, agreement, account and sign-off in a real Chromium."""

from urllib.parse import parse_qs

import httpx2
import pytest

from support.agent_delegation import TEXT, VERIFIER
from support.authority import PASSWORD, basic
from support.pages import heading, problems, sign_on
from support.records import replace

pytestmark = pytest.mark.browser
LONG_TEXT = "\n\n".join(
    f"{number}. " + "Digital assistants may act on my behalf within these limits. " * 4
    for number in range(1, 30)
)


def test_the_whole_way_and_the_second_time_nothing_is_asked(page, url, callback):
    sign_on(page, url)
    assert heading(page) == "Let MCP Tutorial act for you?"
    page.get_by_role("button", name="Accept").click()
    page.wait_for_url("**/done")
    assert heading(page) == "Back at the agent"
    page.goto(url)
    assert heading(page) == "Back at the agent"
    codes = [parse_qs(query)["code"][0] for query in callback.queries]
    assert len(set(codes)) == 2
    assert page.violations == []


def accept(page):
    page.get_by_role("button", name="Accept").click()
    page.wait_for_url("**/done")


def test_the_agent_on_the_same_host_never_sees_a_cookie_of_ours(page, url, callback, served_authority):
    sign_on(page, url)
    accept(page)
    page.goto(f"{served_authority.base_url}{served_authority.path}/my")
    assert heading(page) == "Your account", "the session cookie is there"
    page.goto(url)
    page.wait_for_url("**/done")
    assert len(callback.queries) == 2
    assert callback.cookies == []
    names = {
        cookie["name"].partition("-")[2].partition("-")[0]: cookie["path"]
        for cookie in page.context.cookies()
    }
    assert names == dict.fromkeys(("browser", "session", "known"), f"{served_authority.path}/")


def test_prompt_login_asks_even_in_the_instant_of_a_sign_on(page, url, callback):
    sign_on(page, url)
    accept(page)
    page.goto(f"{url}&prompt=login")
    assert heading(page) == "Sign on"
    page.get_by_label("Username").fill("demouser")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign on").click()
    page.wait_for_url("**/done")
    assert len(callback.queries) == 2


def test_going_back_gives_the_agent_the_same_code_and_a_page_once_it_has_its_tokens(
    page, url, callback, served_authority
):
    sign_on(page, url)
    finished = page.url
    accept(page)
    page.goto(finished)
    page.wait_for_url("**/done")
    first, second = (parse_qs(query)["code"][0] for query in callback.queries)
    assert first == second
    form = {
        "grant_type": "authorization_code",
        "code": first,
        "redirect_uri": callback.url,
        "code_verifier": VERIFIER,
    }
    assert httpx2.post(f"{served_authority.issuer}/token", data=form, headers=basic()).status_code == 200
    page.goto(finished)
    assert heading(page) == "You are done here"
    assert len(callback.queries) == 2


def test_an_agent_may_send_its_user_on_to_another_origin(page, url, callback):
    callback.next = callback.url.replace("localhost", "127.0.0.1").replace("/callback", "/done")
    sign_on(page, url)
    page.get_by_role("button", name="Decline").click()
    page.wait_for_url("**/done")
    page.goto(url)
    accept(page)
    assert page.url == callback.next
    assert len(callback.queries) == 2
    assert page.violations == []


def test_a_form_of_ours_leads_nowhere_else(page, url, callback):
    page.goto(url)
    page.evaluate("target => { document.querySelector('form').action = target }", callback.url)
    page.get_by_label("Username").fill("demouser")
    page.get_by_label("Password").fill(PASSWORD)
    with page.expect_console_message(lambda message: "form-action" in message.text):
        page.get_by_role("button", name="Sign on").click(no_wait_after=True)
    assert callback.queries == []


@pytest.mark.parametrize(
    ("path", "shown"), [("", "There is no administrator yet"), ("/nothing", "There is no page here")]
)
def test_people_who_open_a_bare_address_get_a_page(page, served_authority, path, shown):
    page.goto(served_authority.base_url + path)
    assert heading(page) == shown
    assert problems(page) == []


def test_a_shorter_interval_asks_again(page, url, served_authority):
    sign_on(page, url)
    page.get_by_role("button", name="Accept").click()
    page.wait_for_url("**/done")
    served_authority.directory.replace_agreement(reconsent_every=86.4)
    served_authority.clock.instant += 600
    page.goto(url)
    assert heading(page) == "Let MCP Tutorial act for you?"


def test_declining_returns_to_the_agent(page, url, callback):
    sign_on(page, url)
    page.get_by_role("button", name="Decline").click()
    page.wait_for_url("**/done")
    assert parse_qs(callback.queries[-1])["error"] == ["access_denied"]


def test_the_keyboard_is_enough(page, url):
    page.goto(url)
    assert page.evaluate("document.activeElement.id") == "username"
    page.keyboard.type("demouser")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Let MCP Tutorial act for you?")
    names = []
    for _ in range(5):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.innerText"))
    assert [names[0], *names[2:]] == ["Not you?", "Your account", "Accept", "Decline"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/done")


def test_without_script_everything_works(chromium, url):
    context = chromium.new_context(java_script_enabled=False, locale="en-US")
    page = context.new_page()
    sign_on(page, url)
    page.get_by_role("button", name="Accept").click()
    page.wait_for_url("**/done")
    context.close()


def test_a_mistake_is_announced_and_leads_to_the_field(page, url):
    page.goto(url)
    page.get_by_label("Username").fill("demouser")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    alert = page.get_by_role("alert")
    assert "The username or password is not right" in alert.inner_text()
    assert page.get_by_label("Password").input_value() == ""
    assert page.evaluate("document.activeElement.id") == "password"
    alert.get_by_role("link").click()
    assert page.evaluate("document.activeElement.id") == "username"


def test_a_double_click_does_no_harm(page, url):
    sign_on(page, url)
    page.get_by_role("button", name="Accept").dblclick()
    page.wait_for_url("**/done")


def test_the_back_button_leads_forward_again(page, url):
    sign_on(page, url)
    page.wait_for_selector("text=Let MCP Tutorial act for you?")
    page.go_back()
    page.reload()
    assert heading(page) == "Let MCP Tutorial act for you?"


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_and_can_be_read(chromium, url, served_authority, width, scheme):
    served_authority.directory.replace_agreement(texts=(replace(TEXT, text=LONG_TEXT),))
    context = chromium.new_context(
        viewport={"width": width, "height": 640}, color_scheme=scheme, locale="en-US"
    )
    page = context.new_page()
    page.goto(url)
    assert problems(page) == []
    sign_on(page, url)
    assert problems(page) == []
    page.get_by_role("button", name="Accept").click()
    page.wait_for_url("**/done")
    page.goto(f"{served_authority.base_url}{served_authority.path}/my")
    assert heading(page) == "Your account"
    assert problems(page) == []
    context.close()


def test_withdrawing_and_signing_off(page, url, served_authority):
    sign_on(page, url)
    page.get_by_role("button", name="Accept").click()
    page.wait_for_url("**/done")
    page.goto(f"{served_authority.base_url}{served_authority.path}/my")
    page.get_by_role("button", name="Withdraw: MCP Tutorial").click()
    assert "Your consent is withdrawn" in page.get_by_role("status").inner_text()
    page.get_by_role("button", name="Sign off").click()
    assert heading(page) == "You have signed off"
    page.goto(url)
    assert heading(page) == "Sign on"
    assert page.violations == []


def test_a_page_in_a_frame_shows_nothing(page, url, served_authority):
    page.goto(url)
    inside = page.url
    page.goto(served_authority.base_url + "/health/live")
    page.set_content(f"<iframe src='{inside}'></iframe>")
    page.wait_for_timeout(100)
    assert page.frames[1].url == "chrome-error://chromewebdata/"
