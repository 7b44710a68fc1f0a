"""The connections to one origin."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable

from deputize.http.upstream.connection import UpstreamConnection
from deputize.http.upstream.errors import ConnectFailed, ConnectTimeout, PoolExhausted, StreamsExhausted
from deputize.http.upstream.limits import PoolLimits
from deputize.kernel.uris import Origin

PROBATION_SECONDS = 0.005
"""How long a connection is watched before the next request gets it, until the upstream is known to keep
connections open.
"""


class Pool:
    """Connections in use are counted, unused ones kept, most recently used first.

    Requests queue when all are in use.

    A connection that an event stream occupies is counted among the streams instead, until the stream ends.
    """

    __slots__ = (
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
        "limits",
        "loop",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        origin: Origin,
        limits: PoolLimits,
        tls: ssl.SSLContext | None,
        emptied: Callable[[], None],
    ) -> None:
        """No connection yet. `emptied` is called when the last one is gone and nobody waits."""
        self.loop = loop
        self.limits = limits
        self.authority = origin.authority
        self.connections: set[UpstreamConnection] = set()
        self._origin = origin
        self._tls = tls
        self._emptied = emptied
        self._open = 0
        self._keeps_open = False
        self._handed: set[UpstreamConnection | None] = set()
        self._streams: set[UpstreamConnection] = set()
        self._unused: list[UpstreamConnection] = []
        self._waiting: deque[asyncio.Future[UpstreamConnection | None]] = deque()

    def take(self) -> UpstreamConnection | None:
        """The unused connection that was used last, if there is one that the upstream has not closed."""
        while self._unused:
            connection = self._unused.pop()
            if connection.is_fit:
                return connection
            connection.abort()
            self.forget(connection)
        return None

    async def acquire(self, within: float | None) -> UpstreamConnection:
        """A new connection, or the next that becomes free.

        Raises `ConnectFailed`, `PoolExhausted` and `ConnectTimeout`.
        """
        try:
            async with asyncio.timeout(within):
                return await self._acquire()
        except TimeoutError as error:
            raise ConnectTimeout(f"no connection to {self._origin} within {within:g} seconds") from error

    async def _acquire(self) -> UpstreamConnection:
        if self._open < self.limits.connections:
            self._open += 1
        else:
            connection = await self._queue()
            if connection is not None:
                self._handed.remove(connection)
                if connection.is_fit:
                    return connection
                # The upstream has closed behind its answer: the place is what has been handed over.
                self._keeps_open = False
                self.connections.discard(connection)
                connection.abort()
        return await self._connect()

    async def _queue(self) -> UpstreamConnection | None:
        """Wait for a connection, or (`None`) for the place of one that is gone."""
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
            self._leave_queue(place)
            raise

    def _leave_queue(self, place: asyncio.Future[UpstreamConnection | None]) -> None:
        """Pass on what was given in the moment of giving up."""
        if place in self._waiting:
            self._waiting.remove(place)
        elif not place.cancelled():
            connection = place.result()
            self._handed.discard(connection)
            if connection in self.connections:
                self.release(connection)
            else:
                self._vacate()

    async def _connect(self) -> UpstreamConnection:
        connection = UpstreamConnection(self)
        host = self._origin.host
        try:
            await self.loop.create_connection(
                lambda: connection,
                host,
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

        uvloop closes one that came up in the very moment of cancelling without telling it that it is lost.
        """
        if connection in self.connections:
            connection.abort()
            self.forget(connection)
        else:
            self._vacate()
        connection.let_go()

    def begin_stream(self, connection: UpstreamConnection) -> None:
        """Count a connection among the streams: its place is free. Raises `StreamsExhausted`."""
        if len(self._streams) >= self.limits.streams:
            raise StreamsExhausted(
                f"{len(self._streams)} event streams from {self._origin} are open, and no more are allowed"
            )
        self._streams.add(connection)
        self._vacate()

    def _end_stream(self, connection: UpstreamConnection) -> bool:
        """Count a connection as one for calls again, if there is a place for it."""
        if self._open >= self.limits.connections:
            return False
        self._streams.remove(connection)
        self._open += 1
        return True

    def release(self, connection: UpstreamConnection) -> None:
        """Give a connection to the request that waits longest, or keep it.

        An upstream may close behind each answer without having said so, and what is sent before that is seen
        is lost.
        """
        if connection in self._streams and not self._end_stream(connection):
            connection.abort()
        elif self._waiting and not self._keeps_open:
            self.loop.call_later(PROBATION_SECONDS, self._end_probation, connection)
        else:
            self._pass_on(connection)

    def _end_probation(self, connection: UpstreamConnection) -> None:
        if connection in self.connections:
            self._keeps_open = connection.is_fit
            if self._keeps_open:
                self._pass_on(connection)
            else:
                connection.abort()

    def _pass_on(self, connection: UpstreamConnection) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                self._handed.add(connection)
                place.set_result(connection)
                return
        self._unused.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """A connection is gone; its place is free."""
        if connection in self.connections:
            self.connections.remove(connection)
            if connection in self._unused:
                self._unused.remove(connection)
            if connection in self._streams:
                self._streams.remove(connection)
                self._tell_if_empty()
            elif connection not in self._handed:
                self._vacate()

    def _vacate(self) -> None:
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
