"""The way to another provider, on another site, and back, in a real Chromium."""

import pytest

from support.agent_delegation import ENVIRONMENT_ID
from support.pages import heading, problems
from support.providers import with_provider

pytestmark = pytest.mark.browser


@pytest.fixture
def both(tmp_path, serve):
    with serve(lambda url: with_provider(tmp_path / "data", url)) as both:
        both[1].claims = {"sub": "demouser"}
        yield both


@pytest.mark.parametrize("scripts", [True, False])
def test_its_users_go_there_and_come_back_signed_on(chromium, callback, both, scripts):
    authority, provider = both
    context = chromium.new_context(locale="en-US", ignore_https_errors=True, java_script_enabled=scripts)
    page, errors = context.new_page(), []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(authority.base_url + authority.authorize_url(redirect_uri=callback.url))
    if scripts:
        assert problems(page) == []
    page.get_by_role("button", name="Continue with Partner & Co").click()
    page.wait_for_selector("h1:has-text('act for you?')")
    assert len(provider.tokens_asked) == 1
    left = [each for each in context.cookies() if "trip" in each["name"]]
    assert left == [], "nothing of the trip is kept"
    page.get_by_role("button", name="Accept").click()
    page.wait_for_url("**/done")
    assert heading(page) == "Back at the agent"
    assert "code=" in callback.queries[0]
    assert errors == []
    context.close()


def test_whoever_comes_back_unknown_is_told_so_and_signs_on_in_another_way(chromium, callback, both):
    authority, provider = both
    provider.claims = {"sub": "nobody-here"}
    context = chromium.new_context(locale="en-US", ignore_https_errors=True)
    page = context.new_page()
    page.goto(authority.base_url + authority.authorize_url(redirect_uri=callback.url))
    page.get_by_role("button", name="Continue with Partner & Co").click()
    page.get_by_role("alert").wait_for()
    assert "Nobody here is known by that account." in page.get_by_role("alert").inner_text()
    assert problems(page) == []
    assert f"/{ENVIRONMENT_ID}/signon/" in page.url
    context.close()
