"""The connections to one origin, and who waits for one."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Protocol

from deputize.http.upstream.connection import Answered, SendingOnConnection, UpstreamConnection
from deputize.http.upstream.errors import (
    ConnectFailed,
    ConnectTimeout,
    PoolExhausted,
    StreamsExhausted,
    UpstreamError,
)
from deputize.http.upstream.known_heads import KnownHeads
from deputize.http.upstream.limits import Deadlines, PoolLimits
from deputize.kernel.uris import Origin

PROBATION_SECONDS = 0.005
"""Seconds for which a released connection is watched before the next request gets it.

Once the upstream is known to keep connections open, none is watched.
"""


class Waiter(Protocol):
    """Who waits in the queue for a connection; a future is one."""

    def done(self) -> bool:
        """Whether it waits no longer."""
        ...

    def set_result(self, result: UpstreamConnection | None, /) -> None:
        """Take a connection, or with `None` the place for a new one."""
        ...

    def set_exception(self, exception: ConnectFailed, /) -> None:
        """Learn that there will be none."""
        ...


class Pool:
    """The connections to one origin.

    Requests queue when all are in use; of unused connections the one used last is taken first. A connection
    that carries an event stream is counted among the streams instead, until the stream ends.
    """

    __slots__ = (
        "_address",
        "_emptied",
        "_handed",
        "_keeps_open",
        "_open",
        "_origin",
        "_streams",
        "_tls",
        "_unused",
        "_waiting",
        "authority",
        "connections",
        "known_heads",
        "limits",
        "loop",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        origin: Origin,
        limits: PoolLimits,
        tls: ssl.SSLContext | None,
        known_heads: KnownHeads,
        emptied: Callable[[], None],
        *,
        address: str | None = None,
    ) -> None:
        """Start without a connection. `emptied` is called when the last one is gone and nobody waits.

        Connections go to `address` if there is one, else to wherever the origin's name leads.
        """
        self.loop = loop
        self.limits = limits
        self.known_heads = known_heads
        self.authority = origin.authority
        self.connections: set[UpstreamConnection] = set()
        self._origin = origin
        self._tls = tls
        self._emptied = emptied
        self._address = address or origin.host
        self._open = 0
        self._keeps_open = False
        self._handed: set[UpstreamConnection | None] = set()
        self._streams: set[UpstreamConnection] = set()
        self._unused: list[UpstreamConnection] = []
        self._waiting: deque[Waiter] = deque()

    def take(self) -> UpstreamConnection | None:
        """Return the unused connection used last that the upstream has kept open; `None` without one."""
        while self._unused:
            connection = self._unused.pop()
            if connection.is_fit():
                return connection
            connection.abort()
            self.forget(connection)
        return None

    async def acquire(self, within: float | None) -> UpstreamConnection:
        """Return a new connection, or the next one that becomes free.

        Raises `ConnectFailed`, `PoolExhausted` and `ConnectTimeout`.
        """
        try:
            async with asyncio.timeout(within):
                if self._open < self.limits.connections:
                    self._open += 1
                else:
                    connection = self.accept(await self._queue())
                    if connection is not None:
                        return connection
                return await self._connect()
        except TimeoutError as error:
            raise self.late(within) from error

    async def connect(self, within: float | None, until: float | None) -> UpstreamConnection:
        """Return a new connection in a place that has been handed over. Raises as `acquire` does."""
        try:
            async with asyncio.timeout_at(until):
                return await self._connect()
        except TimeoutError as error:
            raise self.late(within) from error

    def late(self, within: float | None) -> ConnectTimeout:
        """Say that no connection has become available in time."""
        return ConnectTimeout(f"no connection to {self._origin} within {within:g} seconds")

    def accept(self, connection: UpstreamConnection | None) -> UpstreamConnection | None:
        """Return a connection that has been handed over; `None` when it is only the place for a new one."""
        if connection is None:
            return None
        self._handed.remove(connection)
        if connection.is_fit():
            return connection
        # The upstream has closed after its answer: only the place has been handed over.
        self._keeps_open = False
        self.connections.discard(connection)
        connection.abort()
        return None

    def enqueue(self, waiter: Waiter) -> bool:
        """Hand the next connection, or the place for one, to `waiter`; whether it is to wait for that.

        Otherwise there is room for another connection, or none in the queue.
        """
        most = self.limits.waiting
        if self._open < self.limits.connections or (most is not None and len(self._waiting) >= most):
            return False
        self._waiting.append(waiter)
        return True

    def withdraw(self, waiter: Waiter) -> None:
        """Forget that `waiter` waits, if it still does."""
        if waiter in self._waiting:
            self._waiting.remove(waiter)

    def tick(self, now: float) -> None:
        """End what waits for too long, and look after each connection."""
        if self._waiting:
            for queued in [each for each in self._waiting if isinstance(each, Queued)]:
                queued.tick(now)
        for connection in list(self.connections):
            connection.tick(now)

    def close(self) -> None:
        """Close every connection, also those in use, and let nobody wait for one."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(ConnectFailed(f"no connection to {self._origin}: closed"))
        for connection in list(self.connections):
            connection.abort()

    async def _queue(self) -> UpstreamConnection | None:
        """Wait for the next free connection; `None` when a closed one has left room for a new one."""
        if self.limits.waiting is not None and len(self._waiting) >= self.limits.waiting:
            raise PoolExhausted(
                f"all {self._open} connections to {self._origin} are in use and {len(self._waiting)} "
                f"requests wait"
            )
        place: asyncio.Future[UpstreamConnection | None] = self.loop.create_future()
        self._waiting.append(place)
        try:
            return await place
        except asyncio.CancelledError:
            # Pass on what was handed over just when the wait was cancelled.
            if place in self._waiting:
                self._waiting.remove(place)
            elif not place.cancelled():
                connection = place.result()
                self._handed.discard(connection)
                if connection in self.connections:
                    self.release(connection)
                else:
                    self.vacate()
            raise

    async def _connect(self) -> UpstreamConnection:
        connection = UpstreamConnection(self)
        host = self._origin.host
        try:
            await self.loop.create_connection(
                lambda: connection,
                self._address,
                self._origin.port,
                ssl=self._tls,
                server_hostname=host if self._tls else None,
            )
        except (OSError, UnicodeError) as error:
            self._discard(connection)
            raise ConnectFailed(f"no connection to {self._origin}: {error}") from error
        except asyncio.CancelledError:
            self._discard(connection)
            raise
        return connection

    def _discard(self, connection: UpstreamConnection) -> None:
        """Give back the place of a connection that nobody waits for any longer.

        When the wait is cancelled just as a connection opens, uvloop closes it without calling
        `connection_lost`.
        """
        if connection in self.connections:
            connection.abort()
            self.forget(connection)
        else:
            self.vacate()
        connection.let_go()

    def begin_stream(self, connection: UpstreamConnection) -> None:
        """Count a connection among the streams, which frees its place. Raises `StreamsExhausted`."""
        if len(self._streams) >= self.limits.streams:
            raise StreamsExhausted(
                f"{len(self._streams)} event streams from {self._origin} are open, and no more are allowed"
            )
        self._streams.add(connection)
        self.vacate()

    def release(self, connection: UpstreamConnection) -> None:
        """Give a connection to the request that has waited longest, or keep it.

        An upstream may close after each answer without having announced it, and a request sent before that is
        noticed is lost: a connection is on probation until one is known to have stayed open.
        """
        if connection in self._streams:  # it counts as one for calls again, if there is a place for it
            if self._open >= self.limits.connections:
                connection.abort()
                return
            self._streams.remove(connection)
            self._open += 1
        if not self._waiting:
            self._unused.append(connection)
            return
        if self._keeps_open:
            self._pass_on(connection)
            return

        def end_probation() -> None:
            if connection in self.connections:
                self._keeps_open = connection.is_fit()
                if self._keeps_open:
                    self._pass_on(connection)
                else:
                    connection.abort()

        self.loop.call_later(PROBATION_SECONDS, end_probation)

    def _pass_on(self, connection: UpstreamConnection) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                self._handed.add(connection)
                place.set_result(connection)
                return
        self._unused.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """Forget a connection that is closed, and free its place."""
        if connection in self.connections:
            self.connections.remove(connection)
            if connection in self._unused:
                self._unused.remove(connection)
            if connection in self._streams:
                self._streams.remove(connection)
                self._tell_if_empty()
            elif connection not in self._handed:
                self.vacate()

    def vacate(self) -> None:
        """Hand the place of a connection to the request that has waited longest, or give it up."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._open -= 1
        self._tell_if_empty()

    def _tell_if_empty(self) -> None:
        if not self._open and not self._streams:
            self._emptied()


class Queued:
    """A request that is sent on the next connection that becomes free."""

    __slots__ = ("_answered", "_has_place", "_pool", "_request", "_sending", "_task", "_until")

    def __init__(self, pool: Pool, request: tuple[str, bytes, bytes, Deadlines], answered: Answered) -> None:
        """Prepare to wait in `pool`; `request` is method, head, body and deadlines."""
        self._pool = pool
        self._request = request
        self._answered: Answered | None = answered
        self._sending: SendingOnConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._has_place = False
        within = request[3].connect
        self._until = None if within is None else pool.loop.time() + within

    def done(self) -> bool:
        """Whether it is over."""
        return self._answered is None

    def set_result(self, result: UpstreamConnection | None, /) -> None:
        """Send the request on the connection, or on a new one in the place for it."""
        connection = self._pool.accept(result)
        if connection is not None:
            self._send(connection)
        else:
            self._has_place = True
            self._task = self._pool.loop.create_task(self._connect())

    def _send(self, connection: UpstreamConnection) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            self._sending = connection.exchange(*self._request, answered)

    async def _connect(self) -> None:
        self._has_place = False
        try:
            connection = await self._pool.connect(self._request[3].connect, self._until)
        except UpstreamError as error:
            self.set_exception(error)
        else:
            self._send(connection)

    def set_exception(self, exception: UpstreamError, /) -> None:
        """Hand over why the request was not sent."""
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(exception)

    def tick(self, now: float) -> None:
        """Give up what has waited for too long."""
        if self._until is not None and now > self._until and self._task is None:
            self._pool.withdraw(self)
            self.set_exception(self._pool.late(self._request[3].connect))

    def give_up(self) -> None:
        """End it, whether it waits or is under way."""
        self._answered = None
        self._pool.withdraw(self)
        if self._sending is not None:
            self._sending.give_up()
        if self._task is not None:
            self._task.cancel()
            if self._has_place:  # a task that is cancelled before it begins does not give it back
                self._has_place = False
                self._pool.vacate()
