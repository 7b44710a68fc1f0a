import asyncio

import pytest
from argon2 import PasswordHasher

from deputize.authority.passwords import MAX_LENGTH, STANDARD, Passwords, TooBusy

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def passwords():
    checker = Passwords(QUICK, threads=1, waiting=1)
    yield checker
    checker.close()


async def test_the_right_password_matches(passwords):
    assert await passwords.verify(QUICK.hash("correct horse"), "correct horse")


@pytest.mark.parametrize("password", ["wrong", "", "correct horse "])
async def test_another_password_does_not(passwords, password):
    assert not await passwords.verify(QUICK.hash("correct horse"), password)


async def test_nobody_has_a_password_even_the_dummys_own(passwords):
    assert not await passwords.verify("", "no user has this password")


async def test_a_damaged_hash_matches_nothing(passwords):
    assert not await passwords.verify("$argon2id$damaged", "anything")


async def test_an_oversized_password_is_not_hashed(passwords):
    long = "x" * (MAX_LENGTH + 1)
    assert not await passwords.verify(QUICK.hash(long), long)


async def test_more_than_the_room_is_refused_and_the_room_comes_back(passwords):
    hashed = QUICK.hash("secret")
    results = await asyncio.gather(
        *(passwords.verify(hashed, "secret") for _ in range(3)), return_exceptions=True
    )
    assert sum(result is True for result in results) == 2
    assert sum(isinstance(result, TooBusy) for result in results) == 1
    assert await passwords.verify(hashed, "secret")


async def test_one_source_does_not_take_the_room_of_the_others():
    checker, hashed = Passwords(QUICK, threads=1, waiting=9, of_one_source=4), QUICK.hash("secret")
    sources = ["flood"] * 20 + ["person"]
    results = await asyncio.gather(
        *(checker.verify(hashed, "secret", source) for source in sources), return_exceptions=True
    )
    assert sum(result is True for result in results[:20]) == 4
    assert results[20] is True
    assert await checker.verify(hashed, "secret", "flood")
    checker.close()


def test_the_standard_cost_is_that_of_rfc_9106():
    assert STANDARD.hash("x").startswith("$argon2id$v=19$m=65536,t=3,p=4$")
