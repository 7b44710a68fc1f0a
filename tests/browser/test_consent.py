"""Consent for each agent, scope and resource, and the account page that takes it back, in a real Chromium."""

from urllib.parse import parse_qs

import pytest

from deputize.oauth.records.directory import Scope
from support.agent_delegation import (
    AGENT,
    AGENT_RESOURCE,
    AGENT_RESOURCE_ID,
    OTHER_ID,
    TEST,
    TEST_ID,
    attribute,
)
from support.authority import PASSWORD
from support.pages import heading, problems, sign_on
from support.records import replace

pytestmark = pytest.mark.browser


@pytest.fixture
def asking(served_authority, callback):
    """The address of a request with these parameters."""

    def address(**changes):
        return served_authority.base_url + served_authority.authorize_url(
            redirect_uri=callback.url, **changes
        )

    return address


@pytest.fixture
def agreed(page, asking):
    """demouser has signed on and agreed for MCP Tutorial."""
    sign_on(page, asking())
    accept(page)
    return page


def accept(page):
    page.get_by_role("button", name="Accept").click()
    page.wait_for_url("**/done")


def answer(callback):
    """What came back to the agent last: `code` or the error."""
    query = parse_qs(callback.queries[-1])
    return query.get("error", ["code"])[0]


def listed(page, heading_text):
    """The lines of the section with that heading."""
    return (
        page.locator("section", has=page.get_by_role("heading", name=heading_text))
        .locator(".scopes li")
        .all_inner_texts()
    )


def test_one_yes_is_for_one_agent(agreed, asking, callback):
    agreed.goto(asking(client_id=OTHER_ID, prompt="none"))
    assert answer(callback) == "consent_required"
    agreed.goto(asking(client_id=OTHER_ID))
    assert heading(agreed) == "Let Other Agent act for you?"
    accept(agreed)
    agreed.goto(asking(client_id=OTHER_ID, prompt="none"))
    assert answer(callback) == "code"
    assert agreed.violations == []


def test_a_second_sign_on_asks_nothing(agreed, asking, callback):
    agreed.goto(asking())
    assert heading(agreed) == "Back at the agent"
    agreed.goto(asking(prompt="none"))
    assert answer(callback) == "code"


def test_a_new_scope_is_asked_for_beside_what_was_agreed_to(agreed, asking, callback):
    agreed.goto(asking(scope="agent email", prompt="none"))
    assert answer(callback) == "consent_required"
    agreed.goto(asking(scope="agent email"))
    assert listed(agreed, "What MCP Tutorial asks for") == ["see your email address email"]
    assert listed(agreed, "You agreed to this before") == ["Talk to the agent agent", "Use the tools test"]
    accept(agreed)
    agreed.goto(asking(scope="agent email", prompt="none"))
    assert answer(callback) == "code"


def test_a_new_resource_is_asked_for(agreed, asking, callback, served_authority):
    bank = replace(
        TEST,
        id="bank",
        name="banking",
        audience="https://bank.example",
        scopes={"balance": Scope("See your balance")},
    )
    environment = served_authority.directory.environment
    served_authority.directory.replace(resources={**environment.resources, bank.id: bank})
    served_authority.directory.replace_agent(scopes={**AGENT.scopes, bank.id: frozenset({"balance"})})
    agreed.goto(asking(prompt="none"))
    assert answer(callback) == "consent_required"
    agreed.goto(asking())
    assert listed(agreed, "What MCP Tutorial may then obtain besides") == ["See your balance balance"]


def test_what_is_asked_for_on_use(agreed, asking, callback, served_authority):
    paying = replace(TEST, scopes={**TEST.scopes, "pay": Scope("Pay bills", "on_use")})
    served_authority.directory.replace(resources={AGENT_RESOURCE_ID: AGENT_RESOURCE, TEST_ID: paying})
    served_authority.directory.replace_agent(scopes={**AGENT.scopes, TEST_ID: frozenset({"test", "pay"})})
    agreed.goto(asking(prompt="none"))
    assert answer(callback) == "code"
    agreed.goto(asking(scope="agent pay"))
    assert listed(agreed, "What MCP Tutorial asks for") == ["Pay bills pay"]
    accept(agreed)
    agreed.goto(asking(scope="agent pay", prompt="none"))
    assert answer(callback) == "code"


def test_prompt_consent_asks_once_each_time(agreed, asking):
    for _ in range(2):
        agreed.goto(asking(prompt="consent"))
        assert heading(agreed) == "Let MCP Tutorial act for you?"
        accept(agreed)


def test_prompt_none_without_anybody_signed_on(page, asking, callback):
    page.goto(asking(prompt="none"))
    assert answer(callback) == "login_required"


def test_not_you(agreed, asking):
    agreed.goto(asking(client_id=OTHER_ID))
    agreed.get_by_role("button", name="Not you?").click()
    agreed.wait_for_selector("h1:has-text('Sign on')")
    assert "Other Agent" in agreed.locator(".lead").inner_text()


def test_the_account_page_lists_agents_and_withdraws_for_one(agreed, asking, callback, served_authority):
    agreed.goto(asking(client_id=OTHER_ID))
    accept(agreed)
    agreed.goto(f"{served_authority.base_url}{served_authority.path}/my")
    assert sorted(agreed.locator(".agents h3").all_inner_texts()) == ["MCP Tutorial", "Other Agent"]
    card = agreed.locator(".agents > li", has=agreed.get_by_role("heading", name="MCP Tutorial"))
    assert card.locator(".scopes li").all_inner_texts() == ["Talk to the agent agent", "Use the tools test"]
    assert "Since 2026-03-20" in card.inner_text()
    assert "Last used 2026-03-20" in card.inner_text()
    agreed.get_by_role("button", name="Withdraw: MCP Tutorial").click()
    assert "The agent can no longer act for you" in agreed.get_by_role("status").inner_text()
    ended = agreed.locator("section", has=agreed.get_by_role("heading", name="MCP Tutorial is stopped"))
    assert ended.locator(".scopes li").all_inner_texts() == ["Talk to the agent agent", "Use the tools test"]
    agreed.get_by_role("link", name="Back to all agents").click()
    assert agreed.locator(".agents h3").all_inner_texts() == ["Other Agent"]
    assert agreed.locator(".former li").all_inner_texts() == ["MCP Tutorial withdrawn 2026-03-20 by you"]
    agreed.goto(asking(prompt="none"))
    assert answer(callback) == "consent_required"
    agreed.goto(asking(client_id=OTHER_ID, prompt="none"))
    assert answer(callback) == "code"
    assert agreed.violations == []


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "ja"])
def test_full_pages_fit_and_can_be_read(chromium, asking, served_authority, width, scheme, language):
    """A page with everything on it: new and agreed before, and an agent it may pass to."""
    passing = replace(
        AGENT_RESOURCE,
        description="Digital assistants",
        attributes=(attribute("may_act", f'{{"sub": "{OTHER_ID}"}}'),),
    )
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, locale=language
    )
    page = context.new_page()
    page.goto(asking())
    page.locator("#username").fill("demouser")
    page.locator("#password").fill(PASSWORD)
    page.locator("button[value=sign-on]").click()
    page.locator("button[value=accept]").click()
    page.wait_for_url("**/done")
    served_authority.directory.replace(resources={AGENT_RESOURCE_ID: passing, TEST_ID: TEST})
    page.goto(asking(scope="openid agent profile email offline_access"))
    assert (
        page.locator("#before").count()
        == page.locator("#other-1").count()
        == page.locator("#asked").count()
        == 1
    )
    assert problems(page) == []
    page.locator("button[value=accept]").click()
    page.wait_for_url("**/done")
    page.goto(f"{served_authority.base_url}{served_authority.path}/my")
    assert page.locator(".agents h3").all_inner_texts() == ["MCP Tutorial", "Other Agent"]
    assert problems(page) == []
    context.close()
