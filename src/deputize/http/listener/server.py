"""Listening sockets."""

import asyncio
import socket
import ssl

from deputize.http.connections import Ticker, keep_alive
from deputize.http.listener.connection import Connection
from deputize.http.listener.limits import Gate, ListenerLimits
from deputize.http.listener.shared import Shared
from deputize.http.plans import CallHandler, Handler, as_handler
from deputize.kernel.clock import Clock, SystemClock

_BACKLOG = 1024
_CANCEL_SECONDS = 5.0
"""Seconds that a cancelled handler may take to clean up before the listener closes without it."""


async def serve(
    handler: Handler | CallHandler,
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
        as_handler(handler),
        limits or ListenerLimits(),
        gate or Gate(),
        clock or SystemClock(),
        secure=ssl is not None,
    )
    await listener.open(host, port, ssl)
    return listener


class Listener(Shared):
    """An open port, made by `serve`. Several may share a `Gate`, which then bounds them together."""

    def __init__(
        self, handler: Handler, limits: ListenerLimits, gate: Gate, clock: Clock, *, secure: bool
    ) -> None:
        """Prepare to listen; `open` binds the port."""
        super().__init__(handler, limits, gate, clock, secure=secure)
        self.port = 0
        self._connections: set[Connection] = set()
        self._ending: set[asyncio.Task[None]] = set()
        """What goes on although its client has left."""
        self._emptied: asyncio.Future[None] | None = None
        self._ticker = Ticker(self.loop, limits.tick_seconds, self._tick)
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        """Bind and accept. Raises `OSError` when the address cannot be bound."""
        family, kind, protocol, _, address = (
            await self.loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            # Every accepted socket inherits these: small kernel buffers, no Nagle delay.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.limits.socket_buffer_bytes)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.limits.socket_buffer_bytes)
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            keep_alive(listening)
            listening.bind(address)
        except OSError:
            listening.close()
            raise
        admit, leave = self.admit, self.leave  # or each connection would keep two objects for these
        self._server = await self.loop.create_server(
            lambda: Connection(self, admit, leave),
            sock=listening,
            ssl=context,
            backlog=_BACKLOG,
            ssl_handshake_timeout=self.limits.head_seconds if context is not None else None,
        )
        self.port = listening.getsockname()[1]
        self.update_date()
        self._ticker.start()

    def admit(self, connection: Connection) -> bool:
        """Count a connection in, unless the gate is full or the listener closes."""
        if self.closing or not self.gate.has_room_for_connection:
            return False
        self.gate.connections += 1
        self._connections.add(connection)
        return True

    def leave(self, connection: Connection, task: asyncio.Task[None] | None) -> None:
        """Count a connection out, whose `task` has yet to end."""
        if task is not None:
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        if connection in self._connections:
            self._connections.remove(connection)
            self.gate.connections -= 1
            if self._emptied is not None and not self._connections and not self._emptied.done():
                self._emptied.set_result(None)

    async def close(self, grace_seconds: float = 1.0) -> None:
        """Accept no more, wait at most `grace_seconds` for exchanges in progress, then break off the rest."""
        self.closing = True
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.retire()
        if self._connections:
            self._emptied = self.loop.create_future()
            await asyncio.wait([self._emptied], timeout=grace_seconds)
        tasks = {task for connection in list(self._connections) if (task := connection.abort())}
        tasks |= self._ending
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_SECONDS)
        self._ticker.stop()

    def _tick(self, now: float) -> None:
        self.update_date()
        for connection in list(self._connections):
            connection.tick(now)
