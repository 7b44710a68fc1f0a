"""Invitations: found by their digest while in time, and taken by one alone."""

import asyncio

import pytest

from deputize.authority.storage import DirectoryConflict, Invitation, Put, Remove
from deputize.oauth.records.store import User
from support.store_records import ENVIRONMENT

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
