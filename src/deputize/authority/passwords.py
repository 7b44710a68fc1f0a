"""Passwords: Argon2id in threads, bounded, and as slow for a user who does not exist as for one who does."""

import asyncio
import os
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from deputize.kernel.errors import DeputizeError

T = TypeVar("T")

# RFC 9106 section 4, second recommended option: 64 MiB, three passes.
STANDARD = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)
MAX_LENGTH = 1024


class TooBusy(DeputizeError):
    """More passwords wait to be checked than the server has memory and patience for."""


class Passwords:
    """Checks passwords in a few threads.

    Each check costs tens of megabytes and milliseconds, so their number is bounded.
    """

    def __init__(
        self, hasher: PasswordHasher = STANDARD, threads: int = 2, waiting: int = 64, of_one_source: int = 16
    ) -> None:
        """At most `threads` checks run at once and `waiting` more wait, `of_one_source` in all for the same
        source of attempts.

        Beyond that `verify` raises `TooBusy`: one source alone does not keep the others out.
        """
        self._hasher = hasher
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._room = threads + waiting
        self._of_one_source = of_one_source
        self._by_source: Counter[str] = Counter()
        # No password has it, and it takes as long to check as any. To hash one would cost each start 64 MiB.
        noise = (
            b64encode(os.urandom(size)).decode().rstrip("=") for size in (hasher.salt_len, hasher.hash_len)
        )
        cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
        self._nobody = "$".join(("$argon2id$v=19", cost, *noise))

    async def verify(self, password_hash: str, password: str, source: str = "") -> bool:
        """Return whether `password` is the one hashed. Raises `TooBusy`.

        An empty hash is checked against a dummy, takes as long, and is false.
        """

        def check() -> bool:
            try:
                return len(password) <= MAX_LENGTH and self._hasher.verify(
                    password_hash or self._nobody, password
                )
            except (VerificationError, InvalidHashError):
                return False

        if self._by_source[source] >= self._of_one_source:
            raise TooBusy("too many passwords of one source are being checked")
        self._by_source[source] += 1
        try:
            return await self._in_thread(check) and bool(password_hash)
        finally:
            self._by_source[source] -= 1
            if not self._by_source[source]:
                del self._by_source[source]

    async def hash(self, password: str) -> str:
        """Compute the Argon2id hash to store for a password. Raises `TooBusy`."""
        return await self._in_thread(partial(self._hasher.hash, password))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._room == 0:
            raise TooBusy("too many passwords are being checked")
        self._room -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._room += 1

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()
