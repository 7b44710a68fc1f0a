"""Settings → Administrators: roles, invitations that are shown once, and somebody who stays."""

import re

from deputize.authority.console.pages import administrators
from support.authority import PASSWORD, Browser


async def find_user(console, username):
    return await console.authority.store.users.find_user(console.home, username)


async def invite(console, browser, username, *roles):
    await browser.get(f"{console.path}/administrators/invite")
    await browser.submit(username=username, roles=list(roles))
    return browser.response


def link_in(shown):
    return re.search(r"<code>http://authority.test(/[^<]+)</code>", shown.text)[1]


async def test_whoever_is_invited_has_the_roles_that_were_ticked_and_the_link_works_once(console):
    async with console.signed_on() as browser:
        path = link_in(await invite(console, browser, "guest", "auditor", "agent_owner"))
        listed = await browser.get(f"{console.path}/administrators")
        assert ("Withdraw" in listed.text, "guest" in listed.text, path in listed.text) == (True, True, False)
    async with console.authority.client() as client:
        guest = Browser(console.authority, client)
        await guest.get(path)
        assert re.search('name="username"[^>]* value="guest"[^>]* readonly>', guest.response.text)
        await guest.submit(password=PASSWORD)
        assert (await find_user(console, "guest")).roles == "auditor agent_owner"
        assert (await guest.get(path)).status_code == 410


async def test_no_role_is_ticked_beforehand_and_the_link_s_page_says_what_each_may_do(console):
    async with console.signed_on() as browser:
        form = (await browser.get(f"{console.path}/administrators/invite")).text.partition("<main")[2]
        assert "They hold for all environments." in form
        assert ('type="checkbox"' in form, " checked" in form) == (True, False)
        for roles, is_told in ((["agent_owner"], True), (["auditor", "agent_owner"], False)):
            shown = (await invite(console, browser, "olga", *roles)).text
            assert "Agent owner: sees the agents that name them as Owner" in shown
            assert ("enter olga as Owner of each of their agents" in shown) is is_told
            assert ("Auditor: reads everything" in shown.partition("<main")[2]) is not is_told


async def test_a_withdrawn_invitation_lets_nobody_in(console):
    async with console.signed_on() as browser:
        path = link_in(await invite(console, browser, "guest", "auditor"))
        listed = await browser.get(f"{console.path}/administrators")
        await browser.get(re.search(r'href="([^"]+/withdraw)"', listed.text)[1])
        assert browser.heading == "Withdraw this invitation?"
        await browser.submit()
        assert "No link is waiting to be used." in browser.response.text
        assert (await browser.get(path)).status_code == 410


async def test_an_invitation_needs_roles_that_there_are(console):
    async with console.signed_on() as browser:
        for roles in ((), ("root",)):
            shown = await invite(console, browser, "guest", *roles)
            assert (shown.status_code, 'id="f-roles-problem"' in shown.text) == (422, True)
        for name in ("", "auditor", "Auditor", "gu\u0435st"):
            shown = await invite(console, browser, name, "auditor")
            assert (shown.status_code, 'id="f-username-problem"' in shown.text) == (422, True)
        rows = console.authority.store.directory_rows
        assert await rows.invitations_of(console.home, 0.0) == ()


async def test_roles_are_changed_from_any_environments_page_and_one_administrator_stays(console):
    auditor = await find_user(console, "auditor")
    async with console.signed_on() as browser:
        listed = await browser.get(f"{console.path}/administrators")
        assert ("nobody</a>" in listed.text, "auditor</a>" in listed.text) == (False, True)
        await browser.get(f"{console.path}/administrators/{auditor.id}")
        await browser.submit(roles=["auditor", "administrator"], enabled="on")
        assert "The administrator auditor is saved." in browser.response.text
        assert (await find_user(console, "auditor")).roles == "auditor administrator"
        await browser.get(f"{console.path}/administrators/{auditor.id}")
        await browser.submit(roles=["auditor"], enabled="on")
        me = await find_user(console, "administrator")
        await browser.get(f"{console.path}/administrators/{me.id}")
        refused = await browser.submit(roles=["auditor"], enabled="on")
        assert (refused.status_code, 'id="f-roles-problem"' in refused.text) == (422, True)
        assert "nobody would be left who administers" in refused.text
        assert (await find_user(console, "administrator")).roles == "administrator"


async def test_an_administrator_is_disabled_after_what_ends_was_said(console):
    auditor = await find_user(console, "auditor")
    async with console.signed_on("auditor"):
        pass
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/administrators/{auditor.id}")
        await browser.submit(roles=["auditor", "agent_owner"], enabled=[])
        asked = f"/console/{console.home}/users/{auditor.id}/disable"
        assert (browser.response.url.path, browser.heading) == (asked, "Disable auditor?")
        assert "Sessions that end: 1" in browser.response.text
        found = await find_user(console, "auditor")
        assert (found.enabled, found.roles) == (True, "auditor agent_owner")
        await browser.submit()
        assert (await find_user(console, "auditor")).enabled is False
        me = await find_user(console, "administrator")
        await browser.get(f"{console.path}/administrators/{me.id}")
        await browser.submit(roles=["administrator"], enabled=[])
        assert "nobody would be left who administers" in browser.response.text
        assert (await find_user(console, "administrator")).enabled is True


def test_the_page_is_for_those_who_read_everything():
    assert administrators.SECTION.seen_by == {"administrator", "auditor"}
