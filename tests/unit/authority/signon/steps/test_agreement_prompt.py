from dataclasses import replace

import pytest

from deputize.authority.signon.steps.agreement_prompt import ReturnsTo, returns_to
from support.agent_delegation import TEXT


@pytest.mark.parametrize(
    ("redirect_uri", "expected"),
    [
        ("http://localhost:3000/callback", ReturnsTo("device", "localhost:3000")),
        ("http://127.0.0.1:51234/callback/x", ReturnsTo("device", "127.0.0.1:51234")),
        ("http://[::1]:3000/", ReturnsTo("device", "[::1]:3000")),
        ("https://agent.example/cb?x=1", ReturnsTo("site", "agent.example")),
        ("com.example.agent:/cb", ReturnsTo("device", "com.example.agent:")),
    ],
)
def test_where_the_user_returns_to(redirect_uri, expected):
    assert returns_to(redirect_uri) == expected


async def shown(authority, browser, **changes):
    await browser.get(authority.authorize_url(**changes))
    await browser.sign_on()
    return browser.response.text


async def test_scopes_are_described(authority, browser):
    page = await shown(authority, browser, scope="openid agent")
    assert "Talk to the agent <code>agent</code>" in page
    assert "know who you are <code>openid</code>" in page


async def test_how_long_it_lasts(authority, browser):
    assert "lasts 180 days" in await shown(authority, browser)


async def test_that_it_lasts(authority, browser):
    authority.directory.replace_agreement(reconsent_every=None)
    assert "until you withdraw it" in await shown(authority, browser)


async def test_the_text_says_its_own_language_and_direction(authority, browser):
    arabic = replace(TEXT, locale="ar", title="موافقة", text="أوافق")
    authority.directory.replace_agreement(texts=(arabic,))
    page = await shown(authority, browser)
    assert '<html lang="en" dir="ltr">' in page
    assert 'lang="ar" dir="rtl"' in page


async def test_html_of_an_agreement_is_sanitised(authority, browser):
    html = replace(TEXT, content_type="text/html", text="<p>I <b>agree</b></p><script>alert(1)</script>")
    authority.directory.replace_agreement(texts=(html,))
    page = await shown(authority, browser)
    assert "<p>I <b>agree</b></p>" in page
    assert "<script" not in page


@pytest.mark.parametrize("value", ["", "0" * 64])
async def test_only_a_page_that_was_shown_can_be_accepted(authority, browser, value):
    await shown(authority, browser)
    await browser.submit(action="accept", shown=value)
    assert browser.response.status_code == 400
    assert browser.heading.startswith("Let ")


async def test_no_answer_is_not_yes(authority, browser):
    await shown(authority, browser)
    await browser.submit()
    assert browser.answer["error"] == "access_denied"
