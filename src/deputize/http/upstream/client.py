"""The client side of the proxied path."""

import asyncio
import ssl
from functools import partial

from deputize.http.connections import Ticker
from deputize.http.heads import request_head
from deputize.http.messages import Request, Response
from deputize.http.tls import client_context
from deputize.http.upstream.errors import ConnectFailed, ConnectionClosed
from deputize.http.upstream.limits import Deadlines, PoolLimits
from deputize.http.upstream.pool import Pool
from deputize.kernel.uris import Origin

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


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
    ) -> None:
        """Use `ssl_context` for https origins, else trust the system's certificate authorities."""
        self._limits = limits or PoolLimits()
        self._deadlines = deadlines or Deadlines()
        self._tls = ssl_context
        self._pools: dict[Origin, Pool] = {}
        self._ticker: Ticker | None = None

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
        head = request_head(request, pool.authority)
        deadlines = deadlines or self._deadlines
        connection = pool.take() or await self._pool(request.origin).acquire(deadlines.connect)
        is_last_attempt = not (
            connection.was_used
            and (request.repeatable or request.method in _IDEMPOTENT)
            and request.body.buffered is not None
        )
        while True:
            waiter = connection.exchange(head, request, deadlines)
            try:
                return await waiter
            except BaseException as error:
                await connection.give_up(waiter)
                if is_last_attempt or not isinstance(error, ConnectionClosed):
                    raise
            finally:
                del waiter  # a failure's traceback leads to this frame, and the future holds the failure
            is_last_attempt = True
            connection = await self._pool(request.origin).acquire(deadlines.connect)

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
        pool = self._pools[origin] = Pool(loop, origin, self._limits, tls, partial(self._close_pool, origin))
        return pool

    def _close_pool(self, origin: Origin) -> None:
        self._pools.pop(origin, None)
        if not self._pools and self._ticker is not None:
            self._ticker.stop()

    def _tick(self, now: float) -> None:
        for pool in list(self._pools.values()):
            for connection in list(pool.connections):
                connection.tick(now)

    async def aclose(self) -> None:
        """Close every connection, also those in use."""
        for pool in list(self._pools.values()):
            for connection in list(pool.connections):
                connection.abort()
        if self._ticker is not None:
            self._ticker.stop()
        await asyncio.sleep(0)
