import pytest
from structlog.testing import capture_logs

from support.agent_delegation import AGENT_ID, AGREEMENT, TEXT
from support.records import replace


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


def change_version(authority):
    authority.directory.replace_agreement(version=2)


def let_expire(authority):
    authority.clock.instant += 181 * 86400


@pytest.mark.parametrize(
    ("change", "asked", "reason"),
    [
        (change_version, {}, "the consent is to version 1, the agreement has version 2"),
        (let_expire, {}, "the consent expired"),
        (lambda _: None, {"scope": "openid agent"}, "the consent does not cover everything"),
        (lambda _: None, {"prompt": "consent"}, "prompt=consent"),
    ],
)
async def test_why_it_is_shown_is_logged(authority, browser, change, asked, reason):
    with capture_logs() as logs:
        await shown(authority, browser)
        await browser.accept()
        change(authority)
        await browser.get(authority.authorize_url(**asked))
        if browser.heading == "Sign on":
            await browser.sign_on()
    first, second = [line for line in logs if line["event"] == "agreement shown"]
    assert first["reason"] == "it was never accepted"
    assert second["reason"].startswith(reason)
    assert second["log_level"] == "info"
    assert second["agreement"] == AGREEMENT.name
    assert second["client_id"] == AGENT_ID
    assert second["correlation_id"]
