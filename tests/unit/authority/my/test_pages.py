"""The frame of a person's own pages: who gets there, what the menu says, and what is not there."""

from support.authority import PageForm


async def test_the_former_address_leads_to_the_pages(authority, browser):
    response = await browser.client.get(f"{authority.path}/account")
    assert (response.status_code, response.headers["location"]) == (303, f"{authority.path}/my")


async def test_everybody_signs_on_first(authority, browser):
    for path in ("/my", "/my/agents"):
        await browser.get(f"{authority.path}{path}")
        assert browser.heading == "Sign on"


async def test_there_are_no_other_sections(authority, browser):
    await browser.get(f"{authority.path}/my")
    await browser.sign_on()
    assert (await browser.get(f"{authority.path}/my/nothing")).status_code == 404


async def test_the_menu_says_where_one_is(authority, browser):
    await browser.get(f"{authority.path}/my")
    await browser.sign_on()
    assert f'<a href="{authority.path}/my/agents" aria-current="page">Agents</a>' in browser.response.text
    assert browser.response.text.count("aria-current") == 1


async def test_forms_of_others_are_refused(authority, browser):
    await browser.get(f"{authority.path}/my")
    await browser.sign_on()
    shown = PageForm(browser.response.text).fields
    assert shown["csrf"]
    for form in ({"csrf": ""}, {"csrf": "x" * 43}):
        answer = await browser.client.post(f"{authority.path}/my/agents", data=form)
        assert answer.status_code == 403
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    answer = await browser.client.post(f"{authority.path}/my/agents", data=shown, headers=elsewhere)
    assert answer.status_code == 403


async def test_what_was_done_is_said_in_own_words_only(authority, browser):
    await browser.get(f"{authority.path}/my")
    await browser.sign_on()
    page = await browser.get(f"{authority.path}/my/agents?done=%3Cb%3Esent")
    assert 'role="status"' not in page.text
