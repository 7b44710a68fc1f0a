import asyncio
from dataclasses import replace

import pytest

from deputize.oauth.ports import IssuedToken
from support.store_records import CODE, ENVIRONMENT, TOKEN, USER_ID, next_generation


def issued(number: int) -> IssuedToken:
    return IssuedToken(f"token-{number}", 4600)


async def revoked(store, *numbers: int) -> set[str]:
    standing = await store.standings.standing(ENVIRONMENT, USER_ID, None, (), [f"token-{number}" for number in numbers])
    return set(standing.revoked)


async def test_a_code_comes_back_as_it_was_added(store):
    await store.codes.add_code(CODE)
    assert await store.codes.find_code(CODE.digest) == CODE
    assert await store.codes.find_code("1" * 64) is None


async def test_a_code_is_redeemed_once(store):
    await store.codes.add_code(CODE)
    assert await store.codes.redeem_code(CODE.digest, 1001.0, issued(1), None)
    assert not await store.codes.redeem_code(CODE.digest, 1001.0, issued(2), None)
    assert await store.codes.find_code(CODE.digest) == replace(CODE, redeemed_at=1001.0)


async def test_a_code_is_added_once(store):
    assert await store.codes.add_code(CODE)
    assert not await store.codes.add_code(replace(CODE, family_id="other"))
    assert await store.codes.find_code(CODE.digest) == CODE


async def test_an_expired_or_unknown_code_is_not_redeemed(store):
    await store.codes.add_code(CODE)
    assert not await store.codes.redeem_code(CODE.digest, CODE.expires_at, issued(1), None)
    assert not await store.codes.redeem_code("1" * 64, 1001.0, issued(1), None)


async def test_of_many_redemptions_at_once_one_wins(store):
    await store.codes.add_code(CODE)
    tries = (store.codes.redeem_code(CODE.digest, 1001.0, issued(number), None) for number in range(20))
    assert sum(await asyncio.gather(*tries)) == 1


async def test_a_redemption_that_fails_leaves_the_code_as_it_was(store):
    await store.codes.add_code(CODE)
    await store.codes.add_code(replace(CODE, digest="1" * 64, family_id="other"))
    assert await store.codes.redeem_code(CODE.digest, 1001.0, issued(1), TOKEN)
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.codes.redeem_code("1" * 64, 1001.0, issued(1), None)
    assert await store.codes.redeem_code("1" * 64, 1001.0, issued(2), None)


async def test_redeeming_starts_the_family(store):
    await store.codes.add_code(CODE)
    await store.codes.redeem_code(CODE.digest, 1001.0, issued(1), TOKEN)
    assert await store.refresh_tokens.find_refresh_token("g1") == TOKEN


async def test_a_lost_redemption_starts_nothing(store):
    await store.codes.add_code(CODE)
    await store.codes.redeem_code(CODE.digest, 1001.0, issued(1), None)
    await store.codes.redeem_code(CODE.digest, 1001.0, issued(2), TOKEN)
    assert await store.refresh_tokens.find_refresh_token("g1") is None


@pytest.fixture
async def family(store):
    await store.codes.add_code(CODE)
    await store.codes.redeem_code(CODE.digest, 1001.0, issued(1), TOKEN)
    return store.refresh_tokens


async def test_rotation_keeps_the_previous_generation_findable(family):
    second = next_generation(TOKEN, "g2")
    assert await family.rotate_refresh_token(second, issued(2))
    assert await family.find_refresh_token("g2") == await family.find_refresh_token("g1") == second
    assert await family.find_replayed_family("g1") is None


async def test_older_generations_tell_their_family(family):
    second = next_generation(TOKEN, "g2")
    third = next_generation(second, "g3")
    fourth = next_generation(third, "g4")
    for number, token in enumerate((second, third, fourth), start=2):
        assert await family.rotate_refresh_token(token, issued(number))
    assert await family.find_refresh_token("g1") is None
    assert [await family.find_replayed_family(digest) for digest in ("g1", "g2", "g3", "g4")] == [
        TOKEN.family_id,
        TOKEN.family_id,
        None,
        None,
    ]


async def test_of_many_rotations_at_once_one_wins(family):
    second = next_generation(TOKEN, "g2")
    tries = (family.rotate_refresh_token(second, issued(number)) for number in range(2, 12))
    assert sum(await asyncio.gather(*tries)) == 1


async def test_a_generation_cannot_be_skipped(family):
    third = next_generation(next_generation(TOKEN, "g2"), "g3")
    assert not await family.rotate_refresh_token(third, issued(2))


async def test_a_revoked_family_neither_rotates_nor_gets_tokens(store, family):
    await family.revoke_family(TOKEN.family_id, 1002.0)
    assert not await family.rotate_refresh_token(next_generation(TOKEN, "g2"), issued(2))
    assert not await family.record_issued(TOKEN.family_id, issued(3))
    token = await family.find_refresh_token("g1")
    assert token.revoked_at == 1002.0


async def test_revoking_a_family_revokes_all_its_access_tokens(store, family):
    await family.rotate_refresh_token(next_generation(TOKEN, "g2"), issued(2))
    assert await family.record_issued(TOKEN.family_id, issued(3))
    assert await revoked(store, 1, 2, 3) == set()
    await family.revoke_family(TOKEN.family_id, 1002.0)
    assert await revoked(store, 1, 2, 3, 4) == {"token-1", "token-2", "token-3"}


async def test_a_second_revocation_changes_nothing(family):
    await family.revoke_family(TOKEN.family_id, 1002.0)
    await family.revoke_family(TOKEN.family_id, 1003.0)
    assert (await family.find_refresh_token("g1")).revoked_at == 1002.0


async def test_revocation_and_rotation_at_once_leave_no_live_token(store, family):
    """Whichever comes first, after the revocation nothing of the family is alive."""
    second = next_generation(TOKEN, "g2")
    rotated, _ = await asyncio.gather(family.rotate_refresh_token(second, issued(2)), family.revoke_family(TOKEN.family_id, 1002.0))
    token = await family.find_refresh_token("g2" if rotated else "g1")
    assert token.revoked_at is not None
    assert await revoked(store, 1, 2) == ({"token-1", "token-2"} if rotated else {"token-1"})


async def test_a_single_token_is_revoked(store):
    await store.revocations.revoke_token(issued(7))
    await store.revocations.revoke_token(issued(7))
    assert await revoked(store, 7, 8) == {"token-7"}


async def test_a_token_of_a_family_can_be_revoked_alone(store, family):
    await store.revocations.revoke_token(issued(1))
    assert await revoked(store, 1) == {"token-1"}
    assert (await family.find_refresh_token("g1")).revoked_at is None
