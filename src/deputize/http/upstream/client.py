"""The client side of the proxied path."""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Protocol

from deputize.http.connections import Ticker
from deputize.http.heads import request_head
from deputize.http.messages import Body, Request, Response, settle
from deputize.http.tls import client_context
from deputize.http.upstream.connection import Answered, UpstreamConnection
from deputize.http.upstream.errors import ConnectFailed, ConnectionClosed
from deputize.http.upstream.known_heads import KnownHeads
from deputize.http.upstream.limits import Deadlines, PoolLimits
from deputize.http.upstream.pool import Pool, Queued
from deputize.kernel.uris import Origin

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class Sending(Protocol):
    """A request under way."""

    def give_up(self) -> None:
        """Note that nobody waits for the answer any longer.

        Ends the exchange, unless it is over; an answer that has come is closed. `answered` is not called.
        """
        ...


class Outgoing:
    """What requests that go to the same place in the same way have in common."""

    __slots__ = ("method", "origin", "repeatable")

    def __init__(self, origin: Origin, method: str, *, repeatable: bool = False) -> None:
        """`repeatable` says of other than idempotent methods, too, that a request may be sent twice."""
        self.origin = origin
        self.method = method
        self.repeatable = repeatable or method in _IDEMPOTENT


class Upstream:
    """Sends requests over pooled connections and streams answers back.

    Follows no redirects, keeps no cookies, decodes nothing.
    """

    def __init__(
        self,
        *,
        limits: PoolLimits | None = None,
        deadlines: Deadlines | None = None,
        ssl_context: ssl.SSLContext | None = None,
        address: str | None = None,
    ) -> None:
        """Use `ssl_context` for https origins, else trust the system's certificate authorities.

        With `address` no name is looked up: all connections go there. What they are for is still the origin:
        its name stands in `Host` and in the TLS handshake, and the certificate has to be for it.
        """
        self._limits = limits or PoolLimits()
        self._deadlines = deadlines or Deadlines()
        self._tls = ssl_context
        self._address = address
        self._known_heads = KnownHeads(self._limits.head_bytes)
        self._pools: dict[Origin, Pool] = {}
        self._ticker: Ticker | None = None

    def begin(
        self, outgoing: Outgoing, head: bytes, body: bytes, deadlines: Deadlines | None, answered: Answered
    ) -> Sending | None:
        """Send a request at once on a connection that is at hand, and call `answered` once with what comes.

        `head` is complete, as `heads.request_head` makes it. `answered` gets the answer when its head is
        complete, and closes its body, or the `UpstreamError`; it must not raise, and is not called before
        this has returned. Repeats a request as `send` does.

        When as many connections as allowed are in use, a request that must not be repeated is sent on the
        next that becomes free. Returns `None`, and sends nothing, when a new connection has to be opened, or
        no more requests may wait: `send` does the one, and says the other.
        """
        pool = self._pools.get(outgoing.origin)
        if pool is None:
            return None
        connection = pool.take()
        deadlines = deadlines or self._deadlines
        if connection is None:
            queued = Queued(pool, (outgoing.method, head, body, deadlines), answered)
            return queued if not outgoing.repeatable and pool.enqueue(queued) else None
        if not outgoing.repeatable:
            return connection.exchange(outgoing.method, head, body, deadlines, answered)
        sending = _SendingTwice(
            (outgoing.method, head, body, deadlines),
            partial(self._acquire, outgoing.origin, deadlines),
            answered,
        )
        sending.start(connection)
        return sending

    async def send(self, request: Request, *, deadlines: Deadlines | None = None) -> Response:
        """Send `request` to its `origin` and return the answer once its head is complete; the caller closes
        its body.

        The path is sent as it was checked. Cancelling closes the connection. A request that is idempotent or
        `repeatable`, and whose body is at hand, is sent a second time when a kept connection turns out to be
        closed; others are not, for the upstream may have acted on them (RFC 9110 section 9.2.2).

        Raises `UpstreamError`, `HeaderError`, and whatever reading the request's body raises.
        """
        if request.origin is None:
            raise ConnectFailed("the request does not say where it goes")
        pool = self._pool(request.origin)
        outgoing = Outgoing(request.origin, request.method, repeatable=request.repeatable)
        head = request_head(request, pool.authority)
        content = request.body.buffered
        body = request.body if content is None else content
        deadlines = deadlines or self._deadlines
        connection = pool.take() or await self._acquire(request.origin, deadlines)
        may_repeat = connection.was_used and outgoing.repeatable and content is not None
        while True:
            try:
                return await _exchange(connection, request.method, head, body, deadlines)
            except ConnectionClosed:
                if not may_repeat:
                    raise
            may_repeat = False
            connection = await self._acquire(request.origin, deadlines)

    async def _acquire(self, origin: Origin, deadlines: Deadlines) -> UpstreamConnection:
        return await self._pool(origin).acquire(deadlines.connect)

    def _pool(self, origin: Origin) -> Pool:
        """Return the pool of `origin`, a new one if there is none.

        Origins may come from clients' Host fields, so a pool is forgotten with its last connection.
        """
        pool = self._pools.get(origin)
        if pool is not None:
            return pool
        loop = asyncio.get_running_loop()
        if origin.scheme == "https" and self._tls is None:
            self._tls = client_context()
        tls = self._tls if origin.scheme == "https" else None
        if self._ticker is None:
            self._ticker = Ticker(loop, self._limits.tick_seconds, self._tick)
        self._ticker.start()
        pool = self._pools[origin] = Pool(
            loop,
            origin,
            self._limits,
            tls,
            self._known_heads,
            partial(self._close_pool, origin),
            address=self._address,
        )
        return pool

    def _close_pool(self, origin: Origin) -> None:
        self._pools.pop(origin, None)
        if not self._pools and self._ticker is not None:
            self._ticker.stop()

    def _tick(self, now: float) -> None:
        for pool in list(self._pools.values()):
            pool.tick(now)

    async def aclose(self) -> None:
        """Close every connection, also those in use."""
        for pool in list(self._pools.values()):
            pool.close()
        if self._ticker is not None:
            self._ticker.stop()
        await asyncio.sleep(0)


async def _exchange(
    connection: UpstreamConnection, method: str, head: bytes, body: Body | bytes, deadlines: Deadlines
) -> Response:
    """Carry out one exchange and wait for its answer."""
    waiter: asyncio.Future[Response] = connection.loop.create_future()
    sending = connection.exchange(method, head, body, deadlines, partial(settle, waiter))
    try:
        return await waiter
    except (asyncio.CancelledError, GeneratorExit):
        sending.give_up()
        raise
    finally:
        del waiter  # a failure's traceback leads to this frame, and the future holds the failure


class _SendingTwice:
    """Sends a request a second time when the connection it was sent on turns out to be closed."""

    __slots__ = ("_acquire", "_answered", "_request", "_sending", "_task")

    def __init__(
        self,
        request: tuple[str, bytes, bytes, Deadlines],
        acquire: Callable[[], Coroutine[None, None, UpstreamConnection]],
        answered: Answered,
    ) -> None:
        """Prepare to send `request`: method, head, body and deadlines."""
        self._request = request
        self._acquire = acquire
        self._answered = answered
        self._sending: Sending | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, connection: UpstreamConnection) -> None:
        """Send the request for the first time."""
        self._sending = connection.exchange(*self._request, self._take)

    def _take(self, outcome: Response | Exception) -> None:
        if isinstance(outcome, ConnectionClosed):
            self._task = asyncio.get_running_loop().create_task(self._repeat())
        else:
            self._answered(outcome)

    async def _repeat(self) -> None:
        try:
            connection = await self._acquire()
        except Exception as error:  # noqa: BLE001 - whoever waits for the answer gets it, whatever it is
            self._answered(error)
        else:
            self._sending = connection.exchange(*self._request, self._answered)

    def give_up(self) -> None:
        """End what is under way."""
        if self._task is not None:
            self._task.cancel()
        if self._sending is not None:
            self._sending.give_up()
