"""User Experience → Agreements: written, previewed, changed and compared by the pages alone."""

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.authority.administration import Operator
from deputize.authority.console.wording_changes import compare_wordings

OPERATOR = Operator("command", "0", "", frozenset({"administrator"}))
MARKUP = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
TEXT = "I consent to allow digital assistants created by MyCompany to act on my behalf"


async def find(console, name: str):
    administration = console.authority.services.administration
    return await administration.find_named(OPERATOR, console.environment, "agreement", name)


def words(page: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", page.partition("<main")[2]))


@given(st.text("ab \n", max_size=30), st.text("ab \n", max_size=30))
def test_the_parts_of_a_comparison_are_both_wordings(before, after):
    parts = compare_wordings(before, after)
    assert "".join(each.text for each in parts if each.kind != "added") == before
    assert "".join(each.text for each in parts if each.kind != "removed") == after


async def test_an_agreement_is_written_by_the_pages_alone(console):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/agreements/new")
        await browser.submit(name="Terms", description="A note", reconsent_every="180 days")
        assert browser.heading == "New language"
        shown = await browser.submit(locale="en", title="Terms", text=TEXT)
        assert "Now tick Enabled and save" in shown.text
        made = await find(console, "Terms")
        await browser.get(f"{console.path}/agreements/{made.id}")
        assert "No policy has a step that asks for it" in browser.response.text
        await browser.submit(enabled="on")
    assert (await find(console, "Terms")).entry == {
        "name": "Terms",
        "description": "A note",
        "reconsent_every": "180 days",
        "languages": [{"locale": "en", "title": "Terms", "text": TEXT}],
    }


async def test_an_agreement_can_be_enabled_once_it_can_be_shown(console):
    box = 'name="enabled"'
    async with console.signed_on() as browser:
        assert box not in (await browser.get(f"{console.path}/agreements/new")).text
        await browser.submit(name="Terms", enabled="on")  # as only a form made up would say
        made = await find(console, "Terms")
        assert made.entry["enabled"] is False
        shown = await browser.get(f"{console.path}/agreements/{made.id}")
        assert (box in shown.text, "without one it cannot be enabled" in shown.text) == (False, True)
        await browser.submit(description="A note")
        assert (await find(console, "Terms")).entry["description"] == "A note"
        await browser.get(f"{console.path}/agreements/{made.id}/add-language")
        shown = await browser.submit(locale="en", title="Terms", text=TEXT)
        assert (box in shown.text, "without one it cannot be enabled" in shown.text) == (True, False)


async def test_a_changed_text_is_shown_as_people_will_see_it_and_what_it_ends(console):
    agreement = await find(console, "Agent Consent")
    async with console.signed_on() as browser:
        where = f"{console.path}/agreements/{agreement.id}/languages/en"
        await browser.get(where)
        text = agreement.entry["languages"][0]["text"].replace("my behalf", "your behalf")
        shown = await browser.submit(text=text, preview="on")
        assert "<del>my</del>" in shown.text
        assert "<ins>your</ins>" in shown.text
        assert "Saving this makes a new version" in shown.text
        assert (await find(console, "Agent Consent")).facts["version"] == 1
        await browser.get(where)
        await browser.submit(text=text)
        assert "It is version 2 now" in words(browser.response.text)
        await browser.get(f"{console.path}/agreements/{agreement.id}/versions")
        assert "Version 1 (en)" in browser.response.text
        assert "<ins>your</ins>" in browser.response.text


async def test_html_is_previewed_as_harmless_as_the_page_of_sign_on_shows_it(console):
    agreement = await find(console, "Agent Consent")
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/agreements/{agreement.id}/add-language")
        text = f"<p><b>Bold</b> {MARKUP} <a href='javascript:x'>link</a></p>"
        shown = await browser.submit(
            locale="fr", title=MARKUP, content_type="text/html", text=text, preview="on"
        )
        assert "<b>Bold</b>" in shown.text
        for bad in ("<script>alert", "<img src=x", "javascript:x'"):
            assert bad not in shown.text


@pytest.mark.parametrize("typed", [{"locale": "en"}, {"locale": "not a tag"}, {"text": ""}, {"title": ""}])
async def test_a_wrong_language_is_marked_and_nothing_is_lost(console, typed):
    agreement = await find(console, "Agent Consent")
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/agreements/{agreement.id}/add-language")
        form = {"locale": "fr", "title": "Titre", "text": "Bonjour"} | typed
        shown = await browser.submit(**form)
        (name,) = typed
        assert (shown.status_code, f'id="f-{name}-problem"' in shown.text) == (422, True)
        assert ("Bonjour" in shown.text) == ("text" not in typed)
    assert (await find(console, "Agent Consent")).entry == agreement.entry


async def test_removal_says_what_ends_and_is_refused_while_a_policy_asks_for_it(console):
    agreement = await find(console, "Agent Consent")
    async with console.signed_on() as browser:
        shown = await browser.get(f"{console.path}/agreements/{agreement.id}/remove")
        assert shown.status_code == 409
        assert "Agent-Consent-Login" in shown.text
        await browser.get(f"{console.path}/agreements/new")
        await browser.submit(name="Other", enabled=[])
        other = await find(console, "Other")
        await browser.get(f"{console.path}/agreements/{other.id}/remove")
        assert "end: 0" in words(browser.response.text)
        await browser.submit()
        assert await find(console, "Other") is None


async def test_an_agreement_of_another_environment_is_not_there(console):
    agreement = await find(console, "Agent Consent")
    async with console.signed_on() as browser:
        for path in ("", "/languages", "/languages/en", "/versions", "/remove"):
            response = await browser.get(f"/console/{console.home}/agreements/{agreement.id}{path}")
            assert response.status_code == 404
