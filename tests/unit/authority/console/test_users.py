"""Directory → Users: what ends is said before it does."""

from deputize.oauth.records.store import Factor
from support.authority import Browser


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
        assert "demouser is disabled." in browser.response.text
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
