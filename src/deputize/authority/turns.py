"""One at a time for each key, so that what is counted cannot be outrun by asking in parallel."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from deputize.kernel.errors import DeputizeError


class TooManyWaiting(DeputizeError):
    """More than a person could cause wait for the same turn."""


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    interested: int = 0


class Turns:
    """Hands out turns; keys nobody is interested in take no memory."""

    def __init__(self, waiting: int = 8) -> None:
        """At most `waiting` may wait for the same key; `of` raises `TooManyWaiting` beyond that."""
        self._limit = waiting + 1
        self._turns: dict[tuple[str, ...], _Turn] = {}

    @contextlib.asynccontextmanager
    async def of(self, *key: str) -> AsyncGenerator[None]:
        """Wait for the turn of `key` and hold it."""
        turn = self._turns.setdefault(key, _Turn())
        if turn.interested >= self._limit:
            raise TooManyWaiting
        turn.interested += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.interested -= 1
            if turn.interested == 0:
                del self._turns[key]
