"""Invitations: found by their digest while in time, and taken by one alone."""

import asyncio
from dataclasses import replace

import pytest

from deputize.authority.storage import DirectoryConflict, Invitation, Put, Remove
from deputize.oauth.records.store import User
from support.store_records import ENVIRONMENT

USER = User("22222222-2222-4222-8222-222222222222", ENVIRONMENT, "demouser", "$argon2id$...")

INVITATION = Invitation(
    "66666666-6666-4666-8666-666666666666", ENVIRONMENT, "7" * 64, "administrator", 900.0, 2000.0
)


async def change(store, *changes):
    await store.directory_rows.change(changes, await store.directory_rows.version())


async def test_an_invitation_is_found_while_it_is_in_time_and_was_not_taken(store):
    rows = store.directory_rows
    await change(store, Put(INVITATION))
    assert await rows.find_invitation(INVITATION.digest, 1999.0) == INVITATION
    assert await rows.invitations_of(ENVIRONMENT, 1999.0) == (INVITATION,)
    assert await rows.find_invitation(INVITATION.digest, 2000.0) is None
    assert await rows.invitations_of(ENVIRONMENT, 2000.0) == ()
    assert await rows.find_invitation("8" * 64, 1999.0) is None
    assert await rows.invitations_of("another", 1999.0) == ()
    await change(store, Remove(INVITATION))
    assert await rows.find_invitation(INVITATION.digest, 1999.0) is None


async def test_one_that_names_nobody_counts_while_nobody_administers(store):
    named = replace(INVITATION, id=INVITATION.id.replace("6", "5"), digest="5" * 64, username="ada")
    rows = store.directory_rows
    await change(store, Put(INVITATION), Put(named))
    assert len(await rows.invitations_of(ENVIRONMENT, 1999.0)) == 2
    await change(store, Put(replace(USER, roles="auditor")))
    assert await rows.invitations_of(ENVIRONMENT, 1999.0) == (named,)
    assert await rows.find_invitation(INVITATION.digest, 1999.0) is None


async def test_it_ends_with_the_term_of_the_user_that_made_it(store):
    rows, users = store.directory_rows, store.users
    await change(store, Put(replace(USER, roles="administrator")))

    async def invite() -> None:
        user = await users.find_user_by_id(ENVIRONMENT, USER.id)
        await change(store, Put(replace(named, invited_by_term=user.term)))
        assert await rows.find_invitation(named.digest, 1999.0) is not None

    named = replace(INVITATION, username="ada", invited_by=USER.id)
    await change(store, Put(named))
    assert await rows.find_invitation(named.digest, 1999.0) is None
    await invite()
    user = await users.find_user_by_id(ENVIRONMENT, USER.id)
    await users.change_password(user, "$argon2id$another")
    assert await rows.find_invitation(named.digest, 1999.0) is None
    user = await users.find_user_by_id(ENVIRONMENT, USER.id)
    await invite()
    for roles in ("administrator auditor", "administrator"):
        await change(store, Put(replace(user, roles=roles)))
        assert await rows.find_invitation(named.digest, 1999.0) is not None
    await change(store, Put(replace(user, roles="auditor")), Put(replace(user, roles="administrator")))
    assert await rows.find_invitation(named.digest, 1999.0) is None
    await invite()
    await change(store, Remove(user))
    assert await rows.find_invitation(named.digest, 1999.0) is None


async def test_one_of_many_who_take_it_at_once_succeeds(store):
    await change(store, Put(INVITATION))
    rows = store.directory_rows

    async def take(number: int) -> bool:
        version = await rows.version()
        found = await rows.find_invitation(INVITATION.digest, 1000.0)
        if found is None:
            return False
        user = User(f"{number:08}-7777-4777-8777-777777777777", ENVIRONMENT, f"user{number}", "")
        try:
            await rows.change([Put(user), Remove(found)], version)
        except DirectoryConflict:
            return False
        return True

    assert sum(await asyncio.gather(*map(take, range(20)))) == 1
    assert len(await store.users.users_of(ENVIRONMENT)) == 2


async def test_what_expired_is_purged(store):
    await change(store, Put(INVITATION))
    await store.purge(1999.0)
    assert await store.directory_rows.find_invitation(INVITATION.digest, 1000.0) is not None
    await store.purge(2001.0)
    assert await store.directory_rows.find_invitation(INVITATION.digest, 1000.0) is None
    with pytest.raises(DirectoryConflict):
        await store.directory_rows.change([Put(INVITATION)], 0)
