"""What one route, or the gateway itself, registers while it is built: endpoints, jobs, closers, warnings."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from deputize.http.plans import Handler, Lease
from deputize.kernel.errors import ConfigurationError, Position, describe_failure

log = structlog.get_logger()
Closer = Callable[[], Awaitable[None]]
Job = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PublishedEndpoint:
    """A path served on the gateway itself, and where it was configured."""

    handler: Handler
    position: Position


@dataclass(frozen=True, slots=True)
class OfferedEndpoint:
    """A path served on the gateway itself where no route with a condition takes it.

    Where two have different meanings nobody's is served, for no client may be led to another resource.
    """

    path: str
    handler: Handler
    meaning: object
    """Equal for those that answer alike."""


@dataclass(slots=True)
class Deployment:
    """Collects during the build, runs the jobs afterwards, and closes what was opened in the end."""

    endpoints: dict[str, PublishedEndpoint] = field(default_factory=dict[str, PublishedEndpoint])
    """What the gateway serves itself, by path."""
    offers: list[OfferedEndpoint] = field(default_factory=list[OfferedEndpoint])
    """What it serves itself where nobody else does."""
    warnings: list[ConfigurationError] = field(default_factory=list[ConfigurationError])
    closers: list[Closer] = field(default_factory=list[Closer])
    """Awaited in the end, the last registered first."""
    jobs: list[tuple[float, Job]] = field(default_factory=list["tuple[float, Job]"])
    """Awaited again and again, each after its number of seconds."""
    sources: Mapping[Path, bytes] = field(default_factory=dict[Path, bytes])
    """Other files that the result depends on, and what they held."""
    _ended: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list["asyncio.Task[None]"])

    def publish(self, path: str, endpoint: PublishedEndpoint) -> None:
        """Register `path`. Raises `ConfigurationError` when this deployment already serves it."""
        if path in self.endpoints:
            raise publication_clash(path, endpoint.position, self.endpoints[path].position)
        self.endpoints[path] = endpoint

    def is_outdated(self) -> bool:
        """Whether a source has changed since, or cannot be read any more."""
        try:
            return any(path.read_bytes() != text for path, text in self.sources.items())
        except OSError:
            return True

    def start(self) -> None:
        """Begin the periodic jobs; needs a running event loop."""
        self._tasks += [asyncio.create_task(self._repeat(interval, job)) for interval, job in self.jobs]

    def end_jobs(self) -> None:
        """Let the periodic jobs run no more; exchanges that began earlier may still use what was built."""
        self._ended.set()

    async def close(self) -> None:
        """End the jobs and close everything; what fails is logged and does not keep the rest open.

        A job that is running is waited for, not cancelled: it may be closing something itself.
        """
        self.end_jobs()
        await asyncio.gather(*self._tasks)
        for closer in reversed(self.closers):
            try:
                await closer()
            except Exception as error:  # noqa: BLE001 - the rest is to be closed as well
                log.error("something could not be closed", **describe_failure(error))  # noqa: TRY400 - as below
        self.closers.clear()

    async def _repeat(self, interval: float, job: Job) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval):
                    await self._ended.wait()
            if self._ended.is_set():
                return
            try:
                await job()
            except Exception as error:  # noqa: BLE001 - the rest is to be closed as well
                log.error(  # noqa: TRY400 - a traceback only of what is not raised on purpose
                    "a periodic job failed and will run again",
                    interval_seconds=interval,
                    **describe_failure(error),
                )


class PublishedEndpoints:
    """Paths the gateway serves itself, before any route's condition.

    Each has one owner, a routes directory or the gateway's own configuration, who takes it back in the end.
    """

    def __init__(self) -> None:
        self._owned: dict[object, Mapping[str, PublishedEndpoint]] = {}
        self._offers: dict[object, Sequence[OfferedEndpoint]] = {}
        self._handlers: dict[str, Handler] = {}
        self._offered: dict[str, Handler] = {}
        self.lease = Lease()
        """Holds while nothing else is published."""

    def find(self, path: str) -> Handler | None:
        """Return the handler of exactly that path."""
        return self._handlers.get(path)

    def find_offered(self, path: str) -> Handler | None:
        """Return what is offered at exactly that path, if all who offer something mean the same."""
        return self._offered.get(path)

    def find_other(self, owner: object, path: str) -> PublishedEndpoint | None:
        """Return what another owner serves at `path`."""
        return next(
            (owned[path] for other, owned in self._owned.items() if other != owner and path in owned), None
        )

    def replace(
        self,
        owner: object,
        endpoints: Mapping[str, PublishedEndpoint],
        offers: Sequence[OfferedEndpoint] = (),
    ) -> None:
        """Serve these endpoints, and offer these, instead of the owner's former ones.

        The owner has asked `find_other` before.
        """
        self._owned[owner] = endpoints
        self._offers[owner] = offers
        self._publish()

    def withdraw(self, owner: object, endpoints: Mapping[str, PublishedEndpoint]) -> None:
        """Serve these no more, unless the owner has replaced them already."""
        if self._owned.get(owner) is endpoints:
            del self._owned[owner], self._offers[owner]
            self._publish()

    def _publish(self) -> None:
        self.lease.end()
        self.lease = Lease()
        self._handlers = {
            path: endpoint.handler for owned in self._owned.values() for path, endpoint in owned.items()
        }
        offered: dict[str, list[OfferedEndpoint]] = defaultdict(list)
        for offers in self._offers.values():
            for offer in offers:
                offered[offer.path].append(offer)
        self._offered = {
            path: first.handler
            for path, (first, *others) in offered.items()
            if all(other.meaning == first.meaning for other in others)
        }


def publication_clash(path: str, position: Position, other: Position) -> ConfigurationError:
    """Return the error of a second object that wants to serve `path`."""
    return ConfigurationError(
        position, f"{path} is already served for {other}", "give each protected resource its own resourceId"
    )
