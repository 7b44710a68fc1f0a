"""A person ends their sessions in other browsers, and nobody else's."""

from support.authority import HASHER, PASSWORD, USER, Browser, PageForm
from support.records import replace


async def test_others_sessions_end_and_those_of_other_users_do_not(authority, browser):
    ada = replace(USER, id="11111111-0000-4000-8000-000000000000", username="ada")
    await authority.store.users.put_user(replace(ada, password_hash=HASHER.hash(PASSWORD)))
    async with authority.client() as second, authority.client() as third:
        elsewhere, adas = Browser(authority, second), Browser(authority, third)
        for each, name in ((browser, "demouser"), (elsewhere, "demouser"), (adas, "ada")):
            await each.get(f"{authority.path}/my")
            await each.sign_on(username=name)
        (foreign,) = await authority.store.sessions.sessions_of_user(
            await authority.store.users.find_user_by_id(ada.environment_id, ada.id), authority.clock.now()
        )
        page = (await browser.get(f"{authority.path}/my/sessions")).text
        assert page.count("This browser") == 1
        assert foreign.id not in page
        fields = PageForm(page, 1).fields
        await browser.client.post(f"{authority.path}/my/sessions", data={**fields, "session": foreign.id})
        await adas.get(f"{authority.path}/my")
        assert adas.heading == "Your account"
        await browser.submit(1)
        assert "The sign-on is ended." in browser.response.text
        await elsewhere.get(f"{authority.path}/my")
        assert elsewhere.heading == "Sign on"
        await browser.client.post(f"{authority.path}/my/sessions", data={**fields, "session": "others"})
        assert (await adas.get(f"{authority.path}/my")).text.count("ada") > 0
        assert adas.heading == "Your account"
