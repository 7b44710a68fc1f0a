"""The console's frame: who gets in, who may do what, and what a page never does."""

import re
from dataclasses import replace

import pytest

from deputize.authority.administration import Operator
from deputize.authority.console.pages import SECTIONS
from deputize.authority.console.requests import MAX_FIELDS
from deputize.authority.console.session import cookie_name
from deputize.authority.console.texts import LOCALES, read_texts
from deputize.authority.storage import Put
from support.authority import PASSWORD, Browser, PageForm
from support.console import ROLES

ROOT = Operator("command", "0", "root", frozenset({"administrator"}))
MARKUP = """"><script>alert(1)</script><img src=x onerror=alert(1)>'{{7*7}}"""


def forms(refused_to: str = "") -> list[str]:
    """Every path of the route table that takes a form, but not of this role, with ids that fit."""
    sections = [each for each in SECTIONS if refused_to not in each.changed_by]
    paths = [page.path for section in sections for page in section.pages if page.submit]
    return [re.sub(r"\{\w+\}", "00000000-0000-4000-8000-000000000000", path) for path in paths]


def user_form(**changes: str) -> dict[str, str]:
    return {"username": "somebody", "enabled": "on", **changes}


async def find_user(console, username: str, environment: str = ""):
    return await console.authority.store.users.find_user(environment or console.home, username)


async def change_user(console, username: str, **changes):
    rows = console.authority.store.directory_rows
    user = replace(await find_user(console, username), **changes)
    await rows.change([Put(user)], await rows.version())


async def test_administrators_sign_on_once_and_come_to_what_they_asked_for(console):
    async with console.signed_on(path=f"{console.path}/users?search=demo") as browser:
        assert (browser.response.status_code, browser.heading) == (200, "Users")
        assert "demouser" in browser.response.text


async def test_signing_on_says_what_it_is_for(console):
    async with console.authority.client() as client:
        browser = Browser(console.authority, client)
        for path, purpose in (
            (console.path, "to administer Deputize"),
            (f"/{console.home}/my", "to administer Deputize"),
            (f"/{console.environment}/my", "to see which agents may act for you"),
        ):
            await browser.get(path)
            assert purpose in browser.response.text, path


@pytest.mark.parametrize("target", ["https://evil.test/", "//evil.test/console", "/console/../x", "/v1"])
async def test_signing_on_leads_to_the_console_alone(console, target):
    async with console.authority.client() as client:
        browser = Browser(console.authority, client)
        await browser.get(f"/{console.home}/console?to={target}")
        await browser.sign_on(username="administrator")
        assert browser.response.url.path.startswith(f"/console/{console.environment}")


async def test_the_way_in_is_offered_in_the_administrators_environment_alone(console):
    async with console.authority.client() as client:
        assert (await client.get(f"/{console.environment}/console")).status_code == 404


async def test_users_of_another_environment_stay_outside(console):
    async with console.authority.client() as client:
        browser = Browser(console.authority, client)
        await browser.get(f"/{console.environment}/my")
        await browser.sign_on(username="demouser")
        await browser.get(console.path)
        assert browser.heading == "Sign on"
        await browser.sign_on(username="demouser")
        assert browser.response.status_code == 400


async def test_who_has_no_role_sees_nothing(console):
    async with console.signed_on("nobody", path=console.path) as browser:
        assert (browser.response.status_code, browser.heading) == (403, "You have no role here")
        for path in ("", "/users", "/users/new"):
            response = await browser.get(console.path + path)
            assert response.status_code == 403
            assert "demouser" not in response.text


@pytest.mark.parametrize(
    "ending", [{"enabled": False}, {"password_hash": "x"}, {"must_change_password": True}]
)
async def test_a_disabled_user_or_a_password_that_is_new_or_has_to_be_ends_the_console_at_once(
    console, ending
):
    async with console.signed_on() as browser:
        await change_user(console, "administrator", **ending)
        assert (await browser.client.get(console.path)).status_code == 303


async def test_a_role_that_is_taken_is_gone_with_the_next_request(console):
    async with console.signed_on() as browser:
        await change_user(console, "administrator", roles="")
        assert (await browser.client.get(f"{console.path}/users")).status_code == 403


async def test_signing_off_ends_the_console(console):
    async with console.signed_on() as browser:
        await browser.get(f"/{console.home}/as/signoff")
        await browser.submit()
        assert cookie_name(console.authority.services) not in browser.client.cookies
        response = await browser.client.get(console.path)
        assert (response.status_code, response.headers["location"].partition("?")[0]) == (
            303,
            f"/{console.home}/console",
        )


async def test_a_cookie_is_good_only_as_it_was_handed_over(console):
    name = cookie_name(console.authority.services)
    async with console.signed_on() as browser:
        cookie = browser.client.cookies[name]
        digest, _, sealed = cookie.partition(".")
        for forged in (digest, f"{digest}.", f"{'0' * 64}.{sealed}", cookie[:-1], f"x{cookie}", ""):
            async with console.authority.client() as other:
                response = await other.get(console.path, headers={"cookie": f"{name}={forged}"})
                assert response.status_code == 303, forged


async def test_the_cookie_of_the_console_signs_nobody_on(console):
    async with console.signed_on() as browser:
        cookie = browser.client.cookies[cookie_name(console.authority.services)]
    async with console.authority.client() as other:
        for value in (cookie, cookie.partition(".")[0]):
            header = {"cookie": f"deputize-session-{console.home}={value}"}
            response = await other.get(f"/{console.home}/console", headers=header)
            assert "/signon/" in response.headers["location"]


async def test_the_cookie_is_kept_from_scripts_and_from_other_paths(console):
    async with console.signed_on() as browser:
        response = await browser.client.get(f"/{console.home}/console")
        cookie = response.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=lax", "Path=/console"} <= set(cookie.split("; "))


@pytest.mark.parametrize("csrf", [None, "", "wrong", "another session's"])
async def test_every_form_has_to_come_from_this_session(console, csrf):
    async with console.signed_on() as other:
        await other.get(f"{console.path}/users/new")
        theirs = re.search(r'name="csrf" value="([^"]+)"', other.response.text)[1]
    async with console.signed_on() as browser:
        form = user_form() | ({} if csrf is None else {"csrf": theirs if "session" in csrf else csrf})
        version = await console.authority.store.directory_rows.version()
        for path in forms():
            response = await browser.client.post(f"{console.path}/{path}", data=form)
            assert response.status_code == 403, path
            assert await console.authority.store.directory_rows.version() == version, path
        assert await find_user(console, "somebody", console.environment) is None


@pytest.mark.parametrize("kind", ["files", "fields"])
async def test_a_form_with_too_many_fields_is_refused_and_breaks_nothing(console, kind):
    fields = [(f"field{number}", "x") for number in range(MAX_FIELDS + 1)]
    sent = (
        {"data": dict(fields)} if kind == "fields" else {"files": [(name, (None, x)) for name, x in fields]}
    )
    async with console.signed_on() as browser:
        response = await browser.client.post(f"{console.path}/token", **sent)
    assert response.status_code == 400


async def test_a_form_of_another_site_is_refused_whatever_it_carries(console):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/users/new")
        browser.headers = {"sec-fetch-site": "cross-site"}
        response = await browser.submit(**user_form())
        assert (response.status_code, browser.heading) == (403, "This form was not sent")


async def own_an_agent(console, environment_id: str = "") -> None:
    entry = {"name": "Owned", "owner": "agent_owner", "redirect_uris": ["https://a.example.com/"]}
    where = environment_id or console.environment
    await console.authority.services.administration.change(ROOT, where, "agent", entry)


async def test_an_owner_sees_own_agents_and_no_environment_without_one(console):
    made = await console.authority.services.administration.environments.create(ROOT, {"environment": "Other"})
    async with console.signed_on("agent_owner", path=console.path) as browser:
        assert (browser.response.status_code, browser.heading) == (403, "No agent here is yours")
        await own_an_agent(console, made.view.id)
        shown = await browser.get("/console")
        assert (shown.status_code, shown.url.path) == (200, f"/console/{made.view.id}")
        assert ("Owned" in shown.text, f"/console/{console.environment}" in shown.text) == (True, False)
        refused = await browser.get(console.path)
        assert refused.status_code == 403
        name = console.authority.directory.current.environments[console.environment].name
        assert (name in refused.text, "MCP Tutorial" in refused.text) == (False, False)
        await own_an_agent(console)
        shown = await browser.get(console.path)
        assert ("Owned" in shown.text, "MCP Tutorial" in shown.text) == (True, False)


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_sees_and_does_what_its_section_says(console, role):
    await own_an_agent(console)
    async with console.signed_on(role) as browser:
        for section in SECTIONS:
            first = section.pages[0]
            response = await browser.get(f"{console.path}/{first.path}".rstrip("/"))
            assert (response.status_code == 200) == (role in section.seen_by), section.name
    if role == "administrator":
        return
    async with console.signed_on(role) as browser:
        shown = await browser.get(f"{console.path}/users")
        assert "/users/new" not in shown.text
    async with console.signed_on() as administrator:
        await administrator.get(f"{console.path}/users/new")
    services = console.authority.services
    from deputize.authority.console.session import csrf_token, find_administrator  # noqa: PLC0415

    async with console.signed_on(role) as browser:
        cookie = browser.client.cookies[cookie_name(services)]
        csrf = await csrf_token(services, await find_administrator(services, cookie))
        for path in forms(role):
            response = await browser.client.post(f"{console.path}/{path}", data=user_form(csrf=csrf))
            allowed = {403, 404} if role == "agent_owner" and path.startswith("agents") else {403}
            assert response.status_code in allowed, path
        assert await find_user(console, "somebody", console.environment) is None


async def test_an_administrator_makes_changes_and_removes_a_user_without_scripts(console):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/users/new")
        await browser.submit(**user_form(password=PASSWORD, email="a@example.com"))
        assert "The user somebody is saved." in browser.response.text
        user = await find_user(console, "somebody", console.environment)
        assert (user.email, user.enabled) == ("a@example.com", True)
        again = await browser.get(browser.response.url.path)
        assert "is saved" not in again.text
        await browser.get(f"{console.path}/users/{user.id}/remove")
        assert browser.heading == "Remove somebody?"
        assert "Sessions that end: 0" in browser.response.text
        await browser.submit()
        assert await find_user(console, "somebody", console.environment) is None


async def test_what_is_wrong_stands_at_its_field_and_what_was_typed_is_kept(console):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/users/new")
        response = await browser.submit(**user_form(password="short", given_name="Ada"))
        assert response.status_code == 422
        assert 'id="f-password-problem"' in response.text
        assert 'value="Ada"' in response.text
        assert "short" not in re.findall(r'value="([^"]*)"', response.text)
        taken = await browser.submit(**user_form(username="demouser"))
        assert (taken.status_code, "demouser" in taken.text) == (422, True)


async def test_no_text_becomes_markup_anywhere(console):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/users/new")
        await browser.submit(
            **user_form(username=MARKUP[:60], given_name=MARKUP, family_name=MARKUP, email=MARKUP)
        )
        pages = [browser.response.text]
        for path in ("/users", f"/users?search={MARKUP}", "/users?cursor=x", f"/users/{MARKUP[:5]}"):
            pages.append((await browser.get(console.path + path)).text)
        for page in pages:
            assert "<script>alert" not in page
            assert "<img src=x" not in page
            assert "49" not in re.findall(r">'?(\d+)<", page)


async def test_pages_may_load_and_send_nothing_elsewhere(console):
    async with console.signed_on(path=console.path) as browser:
        policy = browser.response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert '"allowEval":false' in browser.response.text.replace("&#34;", '"')
        for page in ("", "/users", "/users/new"):
            text = (await browser.get(console.path + page)).text
            assert not re.search(r"\sstyle=|\son\w+=|hx-on|javascript:|<style|<script>", text)


def test_every_text_is_in_every_language():
    for section, locales in read_texts().items():
        assert set(locales) == set(LOCALES), section
        for locale in LOCALES:
            assert locales[locale].keys() == locales["en"].keys(), (section, locale)
            for name, text in locales[locale].items():
                placeholders = set(re.findall(r"\{(\w+)\}", text))
                assert placeholders == set(re.findall(r"\{(\w+)\}", locales["en"][name])), (section, name)


async def test_pages_are_in_the_readers_language(console):
    async with console.authority.client() as client:
        browser = Browser(console.authority, client, headers={"accept-language": "de"})
        await browser.get(f"{console.path}/users")
        await browser.sign_on(username="administrator")
        assert (browser.heading, '<html lang="de"' in browser.response.text) == ("Benutzer", True)


async def test_the_last_administrator_is_not_removed_and_what_would_end_is_counted(console):
    users = f"/console/{console.home}/users"
    async with console.signed_on() as browser, console.signed_on("auditor"):
        for username, sessions in (("auditor", 1), ("nobody", 0)):
            user = await find_user(console, username)
            await browser.get(f"{users}/{user.id}/remove")
            assert f"Sessions that end: {sessions}" in browser.response.text
        me = await find_user(console, "administrator")
        refused = await browser.get(f"{users}/{me.id}/remove")
        assert (refused.status_code, "nobody would be left who administers" in refused.text) == (409, True)


async def test_no_form_undoes_what_somebody_else_did_since_its_page_was_opened(console):
    """Else an administrator who saves a page of an hour ago lets in whom another one has locked out."""
    administration, told = console.authority.services.administration, {"description": "Somebody else's word"}
    mine, text = {}, {"description": "Mine"}
    for kind, name, page, typed, meanwhile in (
        ("user", "demouser", "users/{}", mine, {"enabled": False}),
        ("user", "auditor", "administrators/{}", mine, {"roles": []}),
        ("agent", "MCP Tutorial", "agents/{}/configuration", text, told),
        ("agent", "MCP Tutorial", "agents/{}/resources", mine, {"scopes": {"agent": ["agent"]}}),
        ("agent", "MCP Tutorial", "agents/{}/policies", mine, {"owner": "somebody"}),
        ("resource", "test", "resources/{}", text, told),
        ("resource", "test", "resources/{}/scopes/test", text, {"audience": "https://other.example.com/"}),
        ("agreement", "Agent Consent", "agreements/{}", text, told),
    ):
        where = console.home if name == "auditor" else console.environment
        found = await administration.find_named(ROOT, where, kind, name)
        async with console.signed_on() as browser:
            await browser.get(f"{console.path}/{page.format(found.id)}")
            changed = await administration.change(ROOT, where, kind, meanwhile, object_id=found.id)
            assert changed.differences, page
            shown = await browser.submit(**typed)
            assert "changed this meanwhile" in shown.text or "was changed meanwhile" in shown.text, page
            assert await administration.find(ROOT, where, kind, found.id) == changed.view, page
            await browser.submit(**typed)  # having seen that
            assert "changed this meanwhile" not in browser.response.text, page


async def test_a_form_that_does_not_say_what_it_was_made_for_changes_nothing(console):
    user = await find_user(console, "demouser", console.environment)
    async with console.signed_on() as browser:
        page = await browser.get(f"{console.path}/users/{user.id}")
        form = {name: value for name, value in PageForm(page.text).fields.items() if name != "etag"}
        refused = await browser.client.post(
            f"{console.path}/users/{user.id}", data={**form, "email": "a@b.c"}
        )
        assert refused.status_code == 422
    assert await find_user(console, "demouser", console.environment) == user
