"""Invitations: a link makes one administrator, once, whoever tries how often at the same time."""

import asyncio
import hashlib
from dataclasses import replace

import pytest

from deputize.authority.administration.administrators import (
    InvitationGone,
    invite_first,
    take_invitation,
)
from deputize.authority.administration.operators import NotPermitted, Operator
from deputize.authority.breached_passwords import BreachedPasswords
from deputize.authority.console.session import cookie_name
from deputize.authority.environment_file.problems import EnvironmentFileInvalid
from deputize.authority.passwords import Passwords
from deputize.authority.storage import Put, open_store
from deputize.oauth.records.store import User
from support.authority import HASHER, PASSWORD, Browser, TurnableClock
from support.databases import new_database
from support.factors import enrol
from support.management import PROGRAM, ROOT

BASE_URL = "http://authority.test"


@pytest.fixture
async def token(console):
    return token_of(
        await console.authority.services.administration.administrators.create(ROOT, "ada", ["auditor"])
    )


def token_of(changed):
    return changed.secrets[0].text.rpartition("/")[2]


async def test_whoever_has_the_link_chooses_a_password_and_is_signed_on(console, token):
    async with console.authority.client() as client:
        browser = Browser(console.authority, client)
        await browser.get(f"/console/welcome/{token}")
        assert browser.heading == "Welcome to Deputize"
        await browser.submit(password=PASSWORD)
        assert (browser.response.status_code, browser.heading) == (200, "Overview")
        assert "Auditor" in browser.response.text
        assert (await browser.get(f"/{console.home}/my")).status_code == 200
    user = await console.authority.store.users.find_user(console.home, "ada")
    assert user.roles == "auditor"
    async with console.authority.client() as client:
        assert (await client.get(f"/console/welcome/{token}")).status_code == 410


async def test_it_opens_the_console_to_nobody_without_the_second_factor_that_the_policy_demands(
    console, token
):
    administration, home = console.authority.services.administration, console.home
    steps = [{"login": {}}, {"totp": {"required_of": "everybody"}}]
    await administration.change(ROOT, home, "policy", {"name": "Two factors", "steps": steps})
    await administration.environments.change(ROOT, home, {"default_policy": "Two factors"})
    async with console.authority.client() as client:
        browser = Browser(console.authority, client)
        await browser.get(f"/console/welcome/{token}")
        await browser.submit(password=PASSWORD)
        page = browser.response
        assert (page.status_code, page.url.path.startswith(f"/{home}/signon/")) == (200, True)
        assert cookie_name(console.authority.services) not in client.cookies
        assert (await client.get("/console", follow_redirects=False)).status_code == 303
        await browser.get(str(page.url))
        await enrol(browser)
        await browser.submit(1, action="no-recovery")
        assert browser.heading == "Overview"


async def test_nobody_becomes_an_administrator_with_a_password_that_became_known(console, token, tmp_path):
    listed = tmp_path / "known"
    listed.write_text(hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).hexdigest(), "ascii")
    object.__setattr__(console.authority.services, "breached_passwords", BreachedPasswords(listed))
    async with console.authority.client() as client:
        browser = Browser(console.authority, client)
        await browser.get(f"/console/welcome/{token}")
        await browser.submit(username="ada", password=PASSWORD)
        assert browser.response.status_code == 422
        assert "became known" in browser.response.text
        await browser.submit(username="ada", password="nobody knows this one")
        assert browser.heading == "Overview"


async def test_of_twenty_who_use_it_at_once_one_succeeds(console, token):
    async def take(number: int) -> bool:
        async with console.authority.client() as client:
            browser = Browser(console.authority, client)
            await browser.get(f"/console/welcome/{token}")
            if "Welcome" not in browser.heading:
                return False
            await browser.submit(password=f"{PASSWORD} {number}")
            return browser.heading == "Overview"

    before = len(await console.authority.store.users.users_of(console.home))
    assert sum(await asyncio.gather(*map(take, range(20)))) == 1
    assert len(await console.authority.store.users.users_of(console.home)) == before + 1


async def test_a_mistake_does_not_use_it_up_and_nobodys_password_is_replaced(console, token):
    async with console.authority.client() as client:
        browser = Browser(console.authority, client)
        await browser.get(f"/console/welcome/{token}")
        for password in ("short", ""):
            await browser.submit(password=password)
            assert browser.response.status_code == 422
        await browser.submit(password=PASSWORD)
        assert browser.heading == "Overview"


async def test_the_name_is_no_password(console):
    invitations = console.authority.services.administration.administrators
    token = token_of(await invitations.create(ROOT, "ada lovelace", ["auditor"]))
    async with console.authority.client() as client:
        browser = Browser(console.authority, client)
        await browser.get(f"/console/welcome/{token}")
        await browser.submit(password="Ada Lovelace")
        assert (browser.response.status_code, "password is the name" in browser.response.text) == (422, True)


async def test_while_too_many_passwords_are_checked_it_is_kept_and_said(console, token, monkeypatch):
    async with console.authority.client() as client, console.signed_on() as administrator:
        browser = Browser(console.authority, client)
        await browser.get(f"/console/welcome/{token}")
        form = await administrator.get(f"{console.path}/users/new")
        assert form.status_code == 200
        with monkeypatch.context() as full:
            full.setattr(console.authority.services.passwords, "_room", 0)
            for each, typed in (
                (browser, {"password": PASSWORD}),
                (administrator, {"username": "somebody", "password": PASSWORD}),
            ):
                await each.submit(**typed)
                assert (each.response.status_code, each.heading) == (503, "The server has too much to do")
        await browser.get(f"/console/welcome/{token}")
        await browser.submit(password=PASSWORD)
        assert browser.heading == "Overview"


async def test_whoever_gets_hold_of_it_cannot_take_it_for_another_name(console, token):
    """Above all not for that of an agents' owner, or of somebody who is there already."""
    async with console.authority.client() as client:
        browser = Browser(console.authority, client)
        await browser.get(f"/console/welcome/{token}")
        await browser.submit(username="administrator", password="another long password")
        assert browser.heading == "Overview"
    users = console.authority.store.users
    assert (await users.find_user(console.home, "ada")).roles == "auditor"
    async with console.signed_on(path=console.path) as browser:
        assert browser.heading == "Overview"


async def test_it_ends_when_the_name_is_taken_another_way(console, token):
    user = User("12121212-1212-4121-8121-121212121212", console.home, "ada", "")
    rows = console.authority.store.directory_rows
    await rows.change([Put(user)], await rows.version())
    async with console.authority.client() as client:
        browser = Browser(console.authority, client)
        await browser.get(f"/console/welcome/{token}")
        await browser.submit(password=PASSWORD)
        assert browser.response.status_code == 410
    assert await console.authority.store.users.find_user_by_id(console.home, user.id) == replace(
        user, term=(await console.authority.store.users.find_user(console.home, "ada")).term
    )


async def test_another_one_for_the_same_name_takes_its_place(console, token):
    invitations = console.authority.services.administration.administrators
    latest = token_of(await invitations.create(ROOT, "ada", ["agent_owner"]))
    await invitations.create(ROOT, "bob", ["agent_owner"])
    assert {each.name for each in (await invitations.list(ROOT)).items} == {"ada", "bob"}
    async with console.authority.client() as client:
        assert (await client.get(f"/console/welcome/{token}")).status_code == 410
        assert (await client.get(f"/console/welcome/{latest}")).status_code == 200


@pytest.mark.parametrize(
    "end",
    [
        {"enabled": False},
        {"password": "another long password"},
        {"roles": ["auditor"]},
        None,
    ],
)
async def test_it_ends_for_good_with_what_let_its_maker_make_it(console, end):
    administration, home = console.authority.services.administration, console.home
    maker = await administration.find_named(ROOT, home, "user", "administrator")
    await administration.change(
        ROOT,
        home,
        "user",
        {"roles": ["administrator"]},
        object_id=(await administration.find_named(ROOT, home, "user", "auditor")).id,
    )
    operator = Operator("user", maker.id, maker.name, frozenset({"administrator"}))
    token = token_of(await administration.administrators.create(operator, "ada", ["administrator"]))
    async with console.authority.client() as client:
        assert (await client.get(f"/console/welcome/{token}")).status_code == 200
        if end is None:
            await administration.remove(ROOT, home, "user", maker.id)
        else:
            await administration.change(ROOT, home, "user", end, object_id=maker.id)
            back = {"enabled": True, "roles": ["administrator"], "password": PASSWORD}
            await administration.change(ROOT, home, "user", back, object_id=maker.id)
        assert (await client.get(f"/console/welcome/{token}")).status_code == 410
        assert (await administration.administrators.list(ROOT)).items == ()


async def test_an_agents_invitations_end_with_it(console):
    administration, home = console.authority.services.administration, console.home
    agent = (await administration.change(ROOT, home, "agent", PROGRAM)).view
    operator = Operator("agent", agent.id, agent.name, frozenset({"administrator"}))
    token = token_of(await administration.administrators.create(operator, "ada", ["administrator"]))
    async with console.authority.client() as client:
        assert (await client.get(f"/console/welcome/{token}")).status_code == 200
        await administration.change(ROOT, home, "agent", {"enabled": False}, object_id=agent.id)
        await administration.change(ROOT, home, "agent", {"enabled": True}, object_id=agent.id)
        assert (await client.get(f"/console/welcome/{token}")).status_code == 410


async def test_whoever_was_removed_meanwhile_invites_nobody(console):
    administration = console.authority.services.administration
    gone = Operator("user", "0", "gone", frozenset({"administrator"}))
    with pytest.raises(NotPermitted):
        await administration.administrators.create(gone, "ada", ["administrator"])
    assert (await administration.administrators.list(ROOT)).items == ()


async def test_another_site_cannot_make_a_browser_take_it(console, token):
    async with console.authority.client() as client:
        form = {"username": "ada", "password": PASSWORD, "csrf": "x"}
        assert (await client.post(f"/console/welcome/{token}", data=form)).status_code == 403
        assert await console.authority.store.users.find_user(console.home, "ada") is None


async def test_it_ends_after_a_day_and_is_in_no_log(console, token, capsys):
    async with console.authority.client() as client:
        await client.get(f"/console/welcome/{token}")
        console.authority.clock.instant += 24 * 3600 + 1
        assert (await client.get(f"/console/welcome/{token}")).status_code == 410
    assert token not in "".join(capsys.readouterr())
    assert token not in console.authority.audit_file.read_text()


async def test_the_user_and_the_end_of_the_invitation_are_one_transaction(tmp_path):
    """What a crash leaves is one of two states: both, or neither."""
    url, clock, passwords = new_database(tmp_path), TurnableClock(), Passwords(HASHER)
    async with open_store(url) as store:
        link = await invite_first(store, passwords, clock, BASE_URL)
        token = link.rpartition("/")[2]
        version = await store.directory_rows.version()
        with pytest.raises(EnvironmentFileInvalid):
            await take_invitation(token, "ada", "short", store, passwords, clock)
        await take_invitation(token, "ada", PASSWORD, store, passwords, clock)
        assert await store.directory_rows.version() == version + 1
        with pytest.raises(InvitationGone):
            await take_invitation(token, "bob", PASSWORD, store, passwords, clock)
    passwords.close()


async def test_only_a_database_without_an_administrator_gets_a_first_link_and_the_latest_works(tmp_path):
    url, clock, passwords = new_database(tmp_path), TurnableClock(), Passwords(HASHER)
    async with open_store(url) as store:
        first, second = [await invite_first(store, passwords, clock, BASE_URL) for _ in range(2)]
        with pytest.raises(InvitationGone):
            await take_invitation(first.rpartition("/")[2], "ada", PASSWORD, store, passwords, clock)
        user = await take_invitation(second.rpartition("/")[2], "ada", PASSWORD, store, passwords, clock)
        assert user.roles == "administrator"
        assert await invite_first(store, passwords, clock, BASE_URL) is None
    passwords.close()


async def test_a_database_that_files_set_up_gets_no_link(console):
    services = console.authority.services
    assert await invite_first(services.store, services.passwords, services.clock, BASE_URL) is None
