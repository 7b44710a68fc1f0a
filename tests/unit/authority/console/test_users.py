"""Directory → Users: what ends is said before it does."""

import re

from deputize.oauth.records.store import Factor
from support.authority import Browser
from support.furnished_console import agree


async def find_user(console):
    return await console.authority.store.users.find_user(console.environment, "demouser")


async def sign_on(console):
    """Let the user have a session of their own."""
    async with console.authority.client() as client:
        person = Browser(console.authority, client)
        await person.get(f"/{console.environment}/my")
        await person.sign_on()


async def test_a_user_is_disabled_after_what_ends_was_said(console):
    await sign_on(console)
    user = await find_user(console)
    async with console.signed_on() as browser:
        where = f"{console.path}/users/{user.id}"
        await browser.get(where)
        await browser.submit(enabled=[], given_name="Ada")
        assert (browser.response.url.path, browser.heading) == (f"{where}/disable", "Disable demouser?")
        assert "Sessions that end: 1" in browser.response.text
        found = await find_user(console)
        assert (found.enabled, found.given_name) == (True, "Ada")
        await browser.submit()
        assert "The user demouser is disabled." in browser.response.text
        assert (await find_user(console)).enabled is False
        await browser.submit(given_name="Eva")
        assert browser.response.url.path == where
        assert (await find_user(console)).enabled is False


async def test_lost_factors_are_reset_after_what_ends_was_said_and_that_is_recorded(console):
    await sign_on(console)
    user = await find_user(console)
    factors = console.authority.store.factors
    passkey = Factor("f1", console.environment, user.id, "passkey", "1" * 64, "Phone", "key", 0, 1.0)
    assert await factors.add_factor(passkey, 10)
    async with console.signed_on() as browser:
        where = f"{console.path}/users/{user.id}"
        await browser.get(where)
        assert f"{where}/factors" in browser.response.text
        await browser.get(f"{where}/factors")
        for told in ("that go: 1", "Sessions that end: 1"):
            assert told in browser.response.text
        assert len(await factors.factors_of(console.environment, user.id)) == 1
        await browser.submit()
        assert "demouser has no passkey" in browser.response.text
    assert await factors.factors_of(console.environment, user.id) == ()
    assert (await find_user(console)).term != user.term
    (record,) = [
        each for each in await console.authority.records("ENVIRONMENT-CHANGED") if "factors" in str(each)
    ]
    assert "administrator" in str(record)
    async with console.signed_on("auditor") as browser:
        assert (await browser.get(f"{where}/factors")).status_code == 403


async def test_agents_that_act_for_a_user_are_seen_and_their_consent_withdrawn(console):
    user = await find_user(console)
    async with console.signed_on() as browser:
        where = f"{console.path}/users/{user.id}/agents"
        assert "No agent acts for this user" in (await browser.get(where)).text
        agent_id = await agree(console)
        shown = await browser.get(where)
        assert all(each in shown.text for each in (f"/agents/{agent_id}", "Agent Consent", "In force"))
        await browser.get(f"{where}/{agent_id}/withdraw")
        assert browser.heading == "Withdraw what demouser agreed to for MCP Tutorial?"
        await browser.submit()
        assert "MCP Tutorial no longer acts for demouser." in browser.response.text
        assert ("In force" in browser.response.text, f"{agent_id}/withdraw" in browser.response.text) == (
            False,
        ) * 2
        assert "withdrawn by administrator" in browser.response.text
        await browser.get(f"{where}/{agent_id}/withdraw")
        assert (await browser.submit()).status_code == 404
        await browser.get(f"{console.path}/audit")
        told = "administrator withdrew what demouser had agreed to for MCP Tutorial (Agent Consent)"
        (line,) = (each for each in browser.response.text.split("<tr") if told in each)
        await browser.get(re.search(r'href="([^"]+/audit/[^"]+)"', line)[1])
        (changes,) = re.findall(r'<table class="changes">.*?</table>', browser.response.text, re.DOTALL)
        assert all(each in changes for each in ("demouser", "MCP Tutorial", "Agent Consent"))
        assert agent_id not in changes
    async with console.authority.client() as client:
        person = Browser(console.authority, client)
        await person.get(f"/{console.environment}/my")
        await person.sign_on()
        for section in ("agents", "agreements"):
            shown = await client.get(f"/{console.environment}/my/{section}")
            assert "by administrator administrator" in shown.text
            assert "by you" not in shown.text


async def test_sessions_are_seen_and_ended_one_by_one_or_all(console):
    user = await find_user(console)
    async with console.signed_on() as browser:
        where = f"{console.path}/users/{user.id}/sessions"
        assert "Signed on nowhere" in (await browser.get(where)).text
        for _ in range(3):
            await sign_on(console)
        assert (await browser.get(where)).text.count('name="session"') == 3
        await browser.submit()
        assert browser.response.text.count('name="session"') == 2
        await browser.get(f"{console.path}/users/{user.id}/end-sessions")
        assert "Sessions that end: 2" in browser.response.text
        await browser.submit()
        assert "Signed on nowhere" in browser.response.text


async def test_all_sessions_of_the_last_administrator_may_end(console):
    """Who cannot be disabled can be signed off: what that ends is not what disabling would."""
    user = await console.authority.store.users.find_user(console.home, "administrator")
    async with console.signed_on() as browser:
        shown = await browser.get(f"/console/{console.home}/users/{user.id}/end-sessions")
        assert (shown.status_code, "Sessions that end: 1" in shown.text) == (200, True)


async def test_a_session_of_somebody_else_is_not_ended_by_a_users_page(console):
    user = await find_user(console)
    await sign_on(console)
    await sign_on(console)
    async with console.signed_on() as browser:
        sessions = await console.authority.store.listings.sessions(console.home, None, None, 10)
        await browser.get(f"{console.path}/users/{user.id}/sessions")
        answer = await browser.submit(session=sessions[0].id)
        assert answer.status_code == 404
        assert (await browser.get(console.path)).status_code == 200


async def test_wrong_passwords_are_forgotten(console):
    user = await find_user(console)
    async with console.signed_on() as browser, console.authority.client() as client:
        person = Browser(console.authority, client)
        for _ in range(8):
            await person.get(f"/{console.environment}/my")
            await person.sign_on(password="wrong")
        await person.get(f"/{console.environment}/my")
        await person.sign_on()
        assert person.response.status_code == 429
        await browser.get(f"{console.path}/users/{user.id}/sessions")
        await browser.submit()
        assert "Nobody waits for wrong passwords of demouser any more." in browser.response.text
        await person.get(f"/{console.environment}/my")
        await person.sign_on()
        assert person.response.status_code == 200


async def test_an_owner_is_led_to_their_agents_and_to_the_button_that_stops_them(console):
    async with console.signed_on() as browser:
        page = (await browser.get(f"{console.path}/agents")).text
        agent_id = page.partition("MCP Tutorial</a>")[0].rpartition("/agents/")[2].partition('"')[0]
        await browser.get(f"{console.path}/agents/{agent_id}/configuration")
        await browser.submit(owner="agent_owner")
    async with console.signed_on("agent_owner") as browser:
        where = f"{console.path}/agents/{agent_id}"
        shown = (await browser.get(console.path)).text
        assert all(f'href="{path}"' in shown for path in (where, f"{where}/stop"))
        await browser.get(f"{where}/stop")
        await browser.submit()
        shown = (await browser.get(console.path)).text
        assert f'href="{where}"' in shown
        assert f"{where}/stop" not in shown
