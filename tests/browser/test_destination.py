"""The page that names where a user of a public client goes on to, in a real Chromium, without JavaScript."""

from urllib.parse import parse_qs

import pytest

from support.agent_delegation import AGENT_ID
from support.authority import PASSWORD
from support.pages import heading, problems, sign_on

pytestmark = pytest.mark.browser
PAGE = "Go on to MCP Tutorial?"


@pytest.fixture
def scriptless(chromium):
    context = chromium.new_context(locale="en-US", java_script_enabled=False)
    yield context.new_page()
    context.close()


def as_public(served_authority):
    agent = served_authority.directory.environment.agents[AGENT_ID]
    grants = agent.grant_types - {"client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"}
    served_authority.directory.replace_agent(client_auth="none", grant_types=grants)


def test_a_second_sign_on_is_one_click_and_never_none(scriptless, served_authority, callback, url):
    as_public(served_authority)
    page = scriptless
    page.goto(url)
    page.get_by_label("Username").fill("demouser")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign on").click()
    assert heading(page) == "Let MCP Tutorial act for you?"
    page.get_by_role("button", name="Accept").click()
    page.wait_for_url("**/done")
    for times in (2, 3):
        page.goto(url)
        assert heading(page) == PAGE
        assert callback.url.split("/")[2] in page.locator("main").inner_text()
        page.get_by_role("button", name="Go on").click()
        page.wait_for_url("**/done")
        assert len(callback.queries) == times
        assert "code" in parse_qs(callback.queries[-1])


def test_cancelling_tells_the_agent_no(page, served_authority, callback, url):
    as_public(served_authority)
    sign_on(page, url)
    page.get_by_role("button", name="Accept").click()
    page.wait_for_url("**/done")
    page.goto(url)
    assert heading(page) == PAGE
    assert problems(page) == []
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_url("**/done")
    assert parse_qs(callback.queries[-1])["error"] == ["access_denied"]
    assert page.violations == []
