"""Invitations: a link makes one administrator, once, whoever tries how often at the same time."""

import asyncio
import hashlib

import pytest

from deputize.authority.administration.administrators import (
    InvitationGone,
    invite,
    invite_first,
    take_invitation,
)
from deputize.authority.breached_passwords import BreachedPasswords
from deputize.authority.environment_file.problems import EnvironmentFileInvalid
from deputize.authority.passwords import Passwords
from deputize.authority.storage import open_store
from support.authority import HASHER, PASSWORD, Browser, TurnableClock
from support.databases import new_database

BASE_URL = "http://authority.test"


@pytest.fixture
async def token(console):
    store, clock = console.authority.store, console.authority.clock
    _, token = await invite(store, console.home, ("auditor",), clock.now())
    return token


async def test_whoever_has_the_link_chooses_a_name_and_is_signed_on(console, token):
    async with console.authority.client() as client:
        browser = Browser(console.authority, client)
        await browser.get(f"/console/welcome/{token}")
        assert browser.heading == "Welcome to Deputize"
        await browser.submit(username="ada", password=PASSWORD)
        assert (browser.response.status_code, browser.heading) == (200, "Overview")
        assert "Auditor" in browser.response.text
        assert (await browser.get(f"/{console.home}/my")).status_code == 200
    user = await console.authority.store.users.find_user(console.home, "ada")
    assert user.roles == "auditor"
    async with console.authority.client() as client:
        assert (await client.get(f"/console/welcome/{token}")).status_code == 410


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
            await browser.submit(username=f"user{number}", password=PASSWORD)
            return browser.heading == "Overview"

    before = len(await console.authority.store.users.users_of(console.home))
    assert sum(await asyncio.gather(*map(take, range(20)))) == 1
    assert len(await console.authority.store.users.users_of(console.home)) == before + 1


async def test_a_mistake_does_not_use_it_up_and_nobodys_password_is_replaced(console, token):
    async with console.authority.client() as client:
        browser = Browser(console.authority, client)
        await browser.get(f"/console/welcome/{token}")
        for typed in (
            {"username": "ada", "password": "short"},
            {"username": "administrator", "password": "another long password"},
            {"username": "", "password": PASSWORD},
        ):
            await browser.submit(**typed)
            assert browser.response.status_code == 422
        await browser.submit(username="ada", password=PASSWORD)
        assert browser.heading == "Overview"
    async with console.signed_on() as browser:
        assert browser.response.status_code == 200


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
