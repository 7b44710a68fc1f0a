"""What an authorization server publishes, fetched when it is needed and kept for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import structlog

from deputize.gateway.authorities.endpoint import AuthorityError
from deputize.kernel.clock import Clock
from deputize.kernel.errors import DeputizeError

Found = TypeVar("Found")
log = structlog.get_logger()
STALE_SECONDS: Final = 3600.0
"""How long what was fetched counts beyond its time while the server cannot be asked."""
_GRACE: Final = 30.0
"""How long it counts while the server is being asked."""
_LONGEST_PAUSE: Final = 30.0


class Kept(Generic[Found]):
    """One answer at most is fetched at a time, and who can go on with the one before does not wait for it."""

    def __init__(
        self, fetch: Callable[[], Awaitable[Found]], clock: Clock, *, lifetime: float, miss_time: float
    ) -> None:
        """`fetch` raises `AuthorityError`.

        It is called again after `lifetime` seconds; for something that the answer lacks no sooner than
        `miss_time` seconds after it was called for such a reason before. After a failure there is a pause of
        a second, of two, and so on up to half a minute. A time that lies ahead, because the clock was set
        back, is as long ago.
        """
        self._fetch = fetch
        self._clock = clock
        self._lifetime = lifetime
        self._miss_time = miss_time
        self._found: Found | None = None
        self._found_at = self._missed_at = float("-inf")
        self._failure: AuthorityError | None = None
        self._failures = 0
        self._failed_at = float("-inf")
        self._task: asyncio.Task[Found] | None = None

    async def get(self) -> Found:
        """Return what the server publishes, at most `STALE_SECONDS` after its time.

        Raises `AuthorityError` when nobody knows.
        """
        found, overdue = self._found, self._since(self._found_at) - self._lifetime
        if found is not None and overdue < 0:
            return found
        task = self._begin()
        if found is None or overdue >= STALE_SECONDS:
            return await self._outcome(task)
        if overdue < _GRACE or self._failure is not None:
            return found
        # After a long silence somebody waits: what was withdrawn meanwhile must not count.
        try:
            return await self._outcome(task)
        except AuthorityError:
            return found

    async def get_newer(self) -> Found:
        """Return what is published now, for something that was not found in it; once in `miss_time` seconds.

        In between the same as before. Raises `AuthorityError` when the last question was in vain.
        """
        task = self._task
        if task is None and self._since(self._missed_at) >= self._miss_time:
            task = self._begin()
            self._missed_at = self._missed_at if task is None else self._clock.now()
        if task is None and self._failure is None and self._found is not None:
            return self._found
        return await self._outcome(task)

    async def aclose(self) -> None:
        """Give up a question that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _outcome(self, task: asyncio.Task[Found] | None) -> Found:
        if task is None:
            failure = self._failure or AuthorityError(503, "nothing has been fetched")
            raise failure.again()
        return await asyncio.shield(task)

    def _begin(self) -> asyncio.Task[Found] | None:
        """Return the question under way, if need be a new one; `None` in the pause after a failure."""
        pause = min(2.0 ** (self._failures - 1), _LONGEST_PAUSE) if self._failures else 0.0
        if self._task is None and self._since(self._failed_at) >= pause:
            self._task = asyncio.create_task(self._ask())
            # Nobody may be left to hear of a failure, which is told here as well.
            self._task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return self._task

    def _since(self, moment: float) -> float:
        return abs(self._clock.now() - moment)

    async def _ask(self) -> Found:
        try:
            found = await self._fetch()
        except Exception as error:  # whatever it is: without a pause each call would ask again
            reason = str(error) if isinstance(error, DeputizeError) else repr(error)
            failure = error if isinstance(error, AuthorityError) else AuthorityError(502, reason)
            self._failed_at = self._clock.now()
            self._failures = min(self._failures + 1, 6)
            if not failure.is_told:
                failure.is_told = True
                log.error(  # noqa: TRY400 - the reason is the operator's
                    "what an authorization server publishes cannot be fetched",
                    reason=failure.reason,
                    known_for_seconds=None if self._found is None else round(self._since(self._found_at)),
                )
            self._failure = failure.again()
            raise failure from error
        else:
            self._found, self._found_at = found, self._clock.now()
            self._failure, self._failures = None, 0
            return found
        finally:
            self._task = None
