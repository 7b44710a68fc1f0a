"""What users read of agents that introduced themselves, in a real Chromium."""

import pytest

from deputize.authority.signon.pages import LOCALES, language
from deputize.oauth.records.directory import AgentOrigin
from support.pages import heading, sign_on

pytestmark = pytest.mark.browser


def says(name, means="open", detail=""):
    return AgentOrigin(means, detail, name, 1000.0, None)


def note(page):
    return page.locator(".stranger").inner_text()


def test_a_name_that_nobody_verified_is_told_as_what_a_program_says(page, url, served_authority):
    served_authority.directory.replace_agent(name="b339a53e-a64f", origin=says("<b>Your Bank</b>"))
    page.goto(url)
    assert note(page) == (
        "This program says it is <b>Your Bank</b>. Nobody has verified that: decide by where it came from."
    )
    sign_on(page, url)
    assert heading(page) == "Let “<b>Your Bank</b>” act for you?"
    assert "says it is" in note(page)
    assert "localhost" in page.locator("main").inner_text(), "and where one goes afterwards"
    page.get_by_role("button", name="Accept").click()
    page.wait_for_url("**/done")
    page.goto(f"{served_authority.base_url}{served_authority.path}/my")
    assert "says it is <b>Your Bank</b>" in note(page)
    assert page.violations == []


def test_of_a_document_the_host_is_told_and_not_the_name(page, url, served_authority):
    origin = says("Your Bank", "document", "app.example.com")
    served_authority.directory.replace_agent(name="https://app.example.com/client", origin=origin)
    sign_on(page, url)
    assert heading(page) == "Let app.example.com act for you?"
    assert note(page) == "This program is published by app.example.com. It says it is Your Bank."


def test_a_program_without_a_name_is_told_by_its_id(page, url, served_authority):
    agent = served_authority.directory.replace_agent(origin=says(""))
    sign_on(page, url)
    assert heading(page) == f"Let “{agent.id[:8]}” act for you?"
    assert note(page).startswith("This program gave no name that can be shown. Nobody has verified that")


def test_an_administrator_s_agent_needs_no_note(page, url):
    sign_on(page, url)
    assert page.locator(".stranger").count() == 0


def test_writing_from_right_to_left_turns_nothing_else_around(page, url, served_authority):
    served_authority.directory.replace_agent(origin=says("שלום 1234"))
    page.goto(url)
    assert page.locator(".stranger bdi").inner_text() == "שלום 1234"


@pytest.mark.parametrize("locale", LOCALES)
def test_every_language_says_that_nobody_verified_it(locale):
    texts = language(locale)
    for name in ("says", "unverified", "unnamed", "host_says"):
        assert texts.text(f"stranger.{name}")
    assert "app.example.com" in texts.text("stranger.host", host="app.example.com")
