"""Sockets that take connections, and what these have in common."""

import asyncio
import socket
import ssl
from email.utils import formatdate

from deputize.http.connections import Ticker, keep_alive
from deputize.http.exchange import Exchange, Handler
from deputize.http.listener.connection import Connection, Waiting
from deputize.http.listener.limits import Gate, ListenerLimits
from deputize.http.listener.records import Records, Unheard
from deputize.http.messages import Headers, Response
from deputize.kernel.clock import Clock, SystemClock
from deputize.kernel.ids import TransactionIds

_BACKLOG = 1024
_CANCEL_SECONDS = 5.0
"""How long a handler that was cancelled may take to clean up before the listener closes without it."""


async def serve(
    handler: Handler,
    *,
    host: str,
    port: int,
    ssl: ssl.SSLContext | None = None,
    limits: ListenerLimits | None = None,
    gate: Gate | None = None,
    clock: Clock | None = None,
) -> "Listener":
    """Answer requests to `host`:`port` (0: any free port) with `handler` until the listener is closed.

    Raises `OSError`.
    """
    listener = Listener(
        handler, limits or ListenerLimits(), gate or Gate(), clock or SystemClock(), secure=ssl is not None
    )
    await listener.open(host, port, ssl)
    return listener


class Listener:
    """An open port. Several may share a `Gate`, which then bounds them together.

    `handler` and `records` may be replaced at any time: requests handled from then on go to the new ones.
    `port` is the bound one.
    """

    def __init__(
        self, handler: Handler, limits: ListenerLimits, gate: Gate, clock: Clock, *, secure: bool
    ) -> None:
        """Not yet open; use `serve`."""
        self.loop = asyncio.get_running_loop()
        self.handler = handler
        self.limits = limits
        self.gate = gate
        self.records = Records()
        self.secure = secure
        self.closing = False
        self.port = 0
        self.transaction_ids = TransactionIds()
        self.patience = _patience(limits)
        self._clock = clock
        self._connections: set[Connection] = set()
        self._emptied: asyncio.Future[None] | None = None
        self._ticker = Ticker(self.loop, limits.tick_seconds, self._tick)
        self._server: asyncio.Server | None = None
        self.date = self._date()

    async def open(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        """Bind and accept. Raises `OSError` when the address cannot be bound."""
        listening = await self._bound(host, port)
        handshake = self.limits.head_seconds if context is not None else None
        self._server = await self.loop.create_server(
            lambda: Connection(self),
            sock=listening,
            ssl=context,
            backlog=_BACKLOG,
            ssl_handshake_timeout=handshake,
        )
        self.port = listening.getsockname()[1]
        self.date = self._date()
        self._ticker.start()

    async def _bound(self, host: str, port: int) -> socket.socket:
        """A bound socket whose options every accepted one inherits: small kernel buffers, no Nagle delay."""
        family, kind, protocol, _, address = (
            await self.loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.limits.socket_buffer_bytes)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.limits.socket_buffer_bytes)
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            keep_alive(listening)
            listening.bind(address)
        except OSError:
            listening.close()
            raise
        return listening

    def admit(self, connection: Connection) -> bool:
        """Count a connection in, unless the gate is full or the listener closes."""
        if self.closing or not self.gate.has_room_for_connection:
            return False
        self.gate.connections += 1
        self._connections.add(connection)
        return True

    def leave(self, connection: Connection) -> None:
        """Count a connection out."""
        if connection in self._connections:
            self._connections.remove(connection)
            self.gate.connections -= 1
            if self._emptied is not None and not self._connections and not self._emptied.done():
                self._emptied.set_result(None)

    async def busy(self, exchange: Exchange) -> Response:
        """Answer for the handler while the gate has no room."""
        self.records.unheard(
            Unheard(
                exchange.peer, exchange.transaction_id, 503, "too many exchanges at once", exchange.request
            )
        )
        return Response(503, Headers([(b"Retry-After", b"1")]))

    async def ping(self, exchange: Exchange) -> Response:  # noqa: ARG002 - it is the same for everybody
        """Answer what is asked about the server itself: that it is there (RFC 9110 section 9.3.7)."""
        return Response(200)

    async def close(self, grace_seconds: float = 1.0) -> None:
        """Accept no more, let exchanges in progress end for at most `grace_seconds`, then break off the
        rest.
        """
        self.closing = True
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.retire()
        await self._wait_until_empty(grace_seconds)
        tasks = [task for connection in list(self._connections) if (task := connection.abort())]
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_SECONDS)
        self._ticker.stop()

    async def _wait_until_empty(self, grace_seconds: float) -> None:
        if self._connections:
            self._emptied = self.loop.create_future()
            await asyncio.wait([self._emptied], timeout=grace_seconds)

    def _tick(self, now: float) -> None:
        self.date = self._date()
        for connection in list(self._connections):
            connection.tick(now)

    def _date(self) -> bytes:
        return b"Date: " + formatdate(self._clock.now(), usegmt=True).encode("ascii")


def _patience(limits: ListenerLimits) -> dict[Waiting, float | None]:
    return {
        Waiting.HANDLER: None,
        Waiting.REQUEST: limits.keep_alive_seconds,
        Waiting.HEAD: limits.head_seconds,
        Waiting.BODY: limits.body_idle_seconds,
        Waiting.READER: limits.write_seconds,
        Waiting.CLOSE: limits.linger_seconds,
    }
