"""A bounded memory of what an authorization server said, on leases that plans rest on."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar, cast

from deputize.http.plans import Lease
from deputize.kernel.clock import Clock

Found = TypeVar("Found")
Result = TypeVar("Result")


class Leased(NamedTuple, Generic[Found]):
    """Something found out."""

    found: Found
    lease: Lease
    """How long that may be believed."""


class LeasedMemory(Generic[Found]):
    """What was found out, by the digest of what was asked; the least recently used is forgotten first."""

    def __init__(self, clock: Clock, capacity: int) -> None:
        self._clock = clock
        self._capacity = capacity
        self._known: OrderedDict[bytes, Leased[Found]] = OrderedDict()
        self._asked: dict[bytes, asyncio.Task[object]] = {}

    def recall(self, key: bytes) -> Leased[Found] | None:
        """Return what is remembered, without asking anybody; `None` when it is not, or not any more."""
        known = self._known.get(key)
        if known is None or not known.lease.begins <= self._clock.now() < known.lease.ends:
            return None
        self._known.move_to_end(key)
        return known

    def remember(self, key: bytes, found: Found, ends: float) -> Leased[Found]:
        """Remember `found` until `ends`, instead of what was remembered under that key."""
        self.forget(key)
        known = self._known[key] = Leased(found, Lease(ends, self._clock.now()))
        while len(self._known) > self._capacity:
            self._forget_one()
        return known

    def forget(self, key: bytes) -> None:
        """End the lease of what is remembered."""
        former = self._known.pop(key, None)
        if former is not None:
            former.lease.end()

    async def share(self, key: bytes, ask: Callable[[], Awaitable[Result]]) -> Result:
        """Return what `ask` returns; whoever asks the same at the same time shares one question.

        It outlives whoever asked first: a client that leaves does not fail the others.
        """

        async def ask_once() -> Result:
            try:
                return await ask()
            finally:
                del self._asked[key]

        task = cast("asyncio.Task[Result] | None", self._asked.get(key))
        if task is None:
            task = asyncio.create_task(ask_once())
            self._asked[key] = cast("asyncio.Task[object]", task)
            # Nobody may be left to hear of a failure; that is not an error of its own.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    def _forget_one(self) -> None:
        """Forget what was unused for longest, also by plans: these say so once they are used."""
        while True:
            key, oldest = self._known.popitem(last=False)
            if not oldest.lease.used:
                oldest.lease.end()
                return
            oldest.lease.used = False
            self._known[key] = oldest
