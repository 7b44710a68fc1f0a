import asyncio

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError

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


@pytest.mark.parametrize("hasher", [QUICK, STANDARD], ids=["quick", "standard"])
async def test_who_does_not_exist_is_checked_at_the_cost_of_who_does(hasher):
    checked = []

    class Watched(PasswordHasher):
        def verify(self, hash, password):
            checked.append(hash)
            return super().verify(hash, password)

    cost = {name: getattr(hasher, name) for name in ("time_cost", "memory_cost", "parallelism")}
    checker = Passwords(Watched(**cost))
    assert not await checker.verify("", "")
    checker.close()
    (nobody,) = checked
    assert extract_parameters(nobody) == extract_parameters(hasher.hash("x"))
    with pytest.raises(VerifyMismatchError):  # and not that it is no hash, which costs nothing to find
        hasher.verify(nobody, "")


def test_making_it_hashes_nothing():
    class Costly(PasswordHasher):
        def hash(self, password):
            raise AssertionError("each start would pay for it")

    Passwords(Costly()).close()


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
