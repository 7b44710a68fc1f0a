"""Secrets are shown once, on the page behind the form that made them: to who made them, for a minute."""

import re
from html import unescape

import pytest
from structlog.testing import capture_logs

from deputize.authority.shown_once import LIFETIME
from support.management import ROOT

NAME = "deputize-console-shown"
FILE = "environment: Imported\nresources:\n  - name: test\n"


@pytest.fixture
async def browser(console):
    administration = console.authority.services.administration
    before = await administration.environments.find(ROOT, console.environment)
    changes = {"dynamic": True, "initial_access_tokens": True}
    settings = {"registration": {**before.entry["registration"], **changes}}
    await administration.environments.change(ROOT, console.environment, settings)
    await console.refresh()
    async with console.signed_on() as signed_on:
        yield signed_on


def place_of(console, kind):
    objects = console.authority.directory.current.environments[console.environment]
    if kind in {"agents", "resources"}:
        return f"{kind}/{next(iter(getattr(objects, kind)))}/secrets"
    return kind


FORMS = {
    "resources/new": {"name": "Another", "audience": "another"},
    "agents/new": {"name": "Another", "grants": ["client_credentials"]},
    "resources": {"overlap": "0"},
    "agents": {"overlap": "0"},
    "administrators/invite": {"username": "berta", "roles": ["auditor"]},
    "registration/invite": {"uses": "2", "lifetime": "1 day"},
    "environments/import": {"file": FILE},
}


async def send(console, browser, kind):
    """Send the form; the answer, which is not followed."""
    path = f"{console.path}/{place_of(console, kind)}"
    page = (await browser.get(path)).text
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
    data = {"csrf": csrf, **FORMS[kind]}
    if kind == "environments/import":  # only what was shown is applied
        page = (await browser.client.post(path, data={**data, "action": "check"})).text
        data |= {"shown": re.search(r'name="shown" value="([^"]+)"', page)[1], "action": "apply"}
    return await browser.client.post(path, data=data)


def secrets_in(page):
    shown = page.partition('class="secret"')[2].partition("</section>")[0]
    return [unescape(each) for each in re.findall(r"<code>([^<]+)</code>", shown)][-1:]


@pytest.mark.parametrize("kind", FORMS)
async def test_a_secret_is_shown_behind_a_redirect_and_by_no_reload(console, browser, kind):
    with capture_logs() as logs:
        sent = await send(console, browser, kind)
        assert sent.status_code == 303
        cookie = browser.client.cookies[NAME]
        shown = await browser.client.get(sent.headers["location"])
    [secret] = secrets_in(shown.text)
    assert len(secret) > 30
    assert secret not in f"{sent.headers} {sent.text} {logs} {shown.url}"
    assert "no-store" in shown.headers["cache-control"]
    assert NAME not in browser.client.cookies
    again = await browser.client.get(sent.headers["location"])
    assert (again.status_code, secrets_in(again.text)) == (200, [])
    assert "It was shown already" in again.text
    assert await look(browser, sent.headers["location"], cookie) == []


async def look(browser, address, cookie):
    """What a browser is shown at the address that has this cookie."""
    cookies = {**browser.client.cookies, NAME: cookie}
    sent = "; ".join(f"{name}={value}" for name, value in cookies.items())
    shown = await browser.client.get(address, headers={"Cookie": sent})
    assert shown.status_code == 200
    return secrets_in(shown.text)


async def test_a_secret_is_shown_to_no_other_session_nor_on_another_page_nor_later(console, browser):
    address = (await send(console, browser, "resources/new")).headers["location"]
    cookie = browser.client.cookies[NAME]
    elsewhere = (await send(console, browser, "agents/new")).headers["location"]
    assert await look(browser, elsewhere, cookie) == []
    async with console.signed_on() as another:
        assert await look(another, address, cookie) == []
    assert await look(browser, address, f"{cookie[:-2]}AA") == []
    console.authority.clock.instant += LIFETIME - 1
    assert await look(browser, address, cookie), "it was shown to nobody so far"
    assert await look(browser, address, cookie) == []
    sent = await send(console, browser, "resources")
    cookie = browser.client.cookies[NAME]
    console.authority.clock.instant += LIFETIME
    assert await look(browser, sent.headers["location"], cookie) == []


async def test_an_import_of_many_secrets_shows_them_in_its_answer(console, browser):
    listed = "".join(f"  - name: resource-{number}\n" for number in range(60))
    await browser.get(f"{console.path}/environments/import")
    await browser.submit(file=f"environment: Many\nresources:\n{listed}", action="check")
    shown = await browser.submit(action="apply")
    assert shown.text.count('class="secret"') == 60
