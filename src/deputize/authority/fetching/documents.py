"""Documents that strangers name, remembered: each is fetched once for all who ask, and as seldom as allowed.

What was fetched is used for as long as it is fresh. Then it is fetched again, and what its host says now
counts: a document that changed, became invalid or is gone. Where the host does not answer at all, a copy is
used on, but none for more than `freshness.LONGEST` after it came.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from deputize.authority.fetching.fetch import Fetcher, FetcherBusy, FetchFailed
from deputize.authority.fetching.freshness import LONGEST, lifetime
from deputize.kernel.bounded_memory import BoundedMemory
from deputize.kernel.clock import Clock
from deputize.kernel.errors import DeputizeError
from deputize.oauth.document_urls import parse_document_url

RETRY_SECONDS: Final = 30.0
"""After so long at the soonest a document is fetched again that failed, or in which something was missing."""
MOST: Final = 512
"""Documents, and failures, that are remembered."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Fetched(Generic[T]):
    """A document as it was fetched; instants in seconds since the epoch."""

    content: T
    fetched_at: float
    fresh_until: float

    def is_fresh(self, now: float) -> bool:
        """Whether it counts without asking its host."""
        return self.fetched_at <= now < self.fresh_until

    def is_usable(self, now: float) -> bool:
        """Whether it counts while its host does not answer."""
        return self.fetched_at <= now < self.fetched_at + LONGEST


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a document could not be had, and when that was found."""

    reason: str
    may_pass: bool
    found_at: float

    def is_recent(self, now: float) -> bool:
        """Whether its host is not asked again yet."""
        return self.found_at <= now < self.found_at + RETRY_SECONDS


class Documents(Generic[T]):
    """The documents of one kind, by their URLs."""

    def __init__(
        self, fetcher: Fetcher, clock: Clock, read: Callable[[str, bytes], T], *, max_bytes: int
    ) -> None:
        """`read` makes of URL and content what is remembered, or raises `DeputizeError` if it is invalid."""
        self._fetcher = fetcher
        self._clock = clock
        self._read = read
        self._max_bytes = max_bytes
        self._copies: BoundedMemory[str, _Fetched[T]] = BoundedMemory(MOST)
        self._failures: BoundedMemory[str, _Failure] = BoundedMemory(MOST)
        self._flights: dict[str, asyncio.Task[_Fetched[T] | _Failure]] = {}

    async def get(self, url: str, *, is_known: bool = False) -> T:
        """Return the document at `url`, fetched now if it has to be; `is_known` as in `Fetcher.fetch`.

        Raises `FetchFailed`.
        """
        copy = self._copies.get(url)
        if copy is not None and copy.is_fresh(self._clock.now()):
            return copy.content
        return await self._ask(url, is_known=is_known)

    async def get_newer(self, url: str) -> T:
        """Return the document at `url` in which something was missing, fetched again unless it just was.

        Raises `FetchFailed`.
        """
        copy = self._copies.get(url)
        if copy is not None and copy.fetched_at <= self._clock.now() < copy.fetched_at + RETRY_SECONDS:
            return copy.content
        return await self._ask(url)

    async def _ask(self, url: str, *, is_known: bool = False) -> T:
        """Fetch the document unless that just failed, and return what counts then. Raises `FetchFailed`."""
        outcome = self._failures.get(url)
        if outcome is None or not outcome.is_recent(self._clock.now()):
            # In a task of its own, shared by all who ask meanwhile, whoever of them gives up.
            flight = self._flights.get(url)
            if flight is None:
                flight = self._flights[url] = asyncio.get_running_loop().create_task(
                    self._fetch(url, is_known=is_known)
                )
                flight.add_done_callback(lambda _: self._flights.pop(url))
            outcome = await asyncio.shield(flight)
        if isinstance(outcome, _Fetched):
            return outcome.content
        copy = self._copies.get(url)
        if copy is not None and outcome.may_pass and copy.is_usable(self._clock.now()):
            return copy.content
        raise FetchFailed(outcome.reason, may_pass=outcome.may_pass)

    async def _fetch(self, url: str, *, is_known: bool) -> _Fetched[T] | _Failure:
        try:
            headers, content = await self._fetcher.fetch(
                parse_document_url(url), self._max_bytes, is_known=is_known
            )
            document = self._read(url, content)
        except FetcherBusy as error:
            return _Failure(error.reason, error.may_pass, self._clock.now())
        except FetchFailed as error:
            failure = _Failure(error.reason, error.may_pass, self._clock.now())
        except DeputizeError as error:
            failure = _Failure(str(error), may_pass=False, found_at=self._clock.now())
        else:
            now = self._clock.now()
            self._failures.pop(url, None)
            return self._copies.remember(url, _Fetched(document, now, now + lifetime(headers, now)))
        if not failure.may_pass:
            self._copies.pop(url, None)
        return self._failures.remember(url, failure)
