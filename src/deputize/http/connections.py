"""What connections on both sides share: back-pressure on writing, and deadlines."""

import asyncio
import select
import socket
import ssl
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import cast

HIGH_WATER = 32 * 1024
"""Unsent bytes above which writers wait."""

LOW_WATER = 8 * 1024
"""Unsent bytes below which writers go on."""


class WriteFlow(asyncio.Protocol):
    """A protocol whose single writer can wait until written bytes have left the process."""

    __slots__ = ("_drain", "loop", "stalled", "stalls", "transport")

    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for the loop to call `connection_made`."""
        self.loop = loop
        self.stalled = False
        self.stalls = 0
        self._drain: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport and bound its buffer."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)

    def pause_writing(self) -> None:
        """Stop writers: the transport holds more than `HIGH_WATER` bytes."""
        self.stalled = True
        self.stalls += 1

    def resume_writing(self) -> None:
        """Wake the writer: the transport holds less than `LOW_WATER` bytes again."""
        self.stalled = False
        if self._drain is not None and not self._drain.done():
            self._drain.set_result(None)

    async def drain(self) -> None:
        """Wait until there is room to write. Cancelled when a deadline passes or the connection is lost."""
        if self.stalled:
            self._drain = self.loop.create_future()
            await self._drain


class Ticker:
    """Calls `tick` with the loop's time every `interval` seconds while it runs.

    Deadlines here are coarse on purpose: connections are looked at, instead of each request starting and
    stopping timers.
    """

    __slots__ = ("_handle", "_interval", "_loop", "_tick")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, interval: float, tick: Callable[[float], None]
    ) -> None:
        """Prepare to tick; `start` begins."""
        self._loop = loop
        self._interval = interval
        self._tick = tick
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start ticking, unless it already does."""
        if self._handle is None:
            self._handle = self._loop.call_later(self._interval, self._run)

    def stop(self) -> None:
        """Stop ticking."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _run(self) -> None:
        self._handle = self._loop.call_later(self._interval, self._run)
        self._tick(self._loop.time())


class Silence:
    """How long a connection has been in the same state: what it waits for, and how far it got."""

    __slots__ = ("_progress", "_since", "_waiting")

    def __init__(self) -> None:
        """Start without a state."""
        self._waiting: object = None
        self._progress = -1
        self._since = 0.0

    def lasts(self, state: tuple[object, int], now: float) -> float:
        """Return the seconds since `state` was first seen without another in between, exact to one tick."""
        waiting, progress = state
        if progress != self._progress or waiting != self._waiting:
            self._waiting, self._progress = state
            self._since = now
        return now - self._since


IDLE_SECONDS = 60
"""Silence after which the kernel asks whether the other end is still there."""
INTERVAL_SECONDS = 15
PROBES = 4


def keep_alive(connected: socket.socket) -> None:
    """Have the kernel end a connection whose other end has not answered for two minutes.

    This covers silence and data that is not acknowledged. Accepted sockets inherit it from the listening one.
    Where the system has no such options, its own times hold.
    """
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    gone = IDLE_SECONDS + INTERVAL_SECONDS * PROBES
    for name, value in (
        ("TCP_KEEPIDLE", IDLE_SECONDS),
        ("TCP_KEEPINTVL", INTERVAL_SECONDS),
        ("TCP_KEEPCNT", PROBES),
        ("TCP_USER_TIMEOUT", gone * 1000),
    ):
        option: int | None = getattr(socket, name, None)
        if option is not None:
            connected.setsockopt(socket.IPPROTO_TCP, option, value)


def find_address(transport: asyncio.BaseTransport, end: str) -> tuple[str, int]:
    """Return address and port of an end ("peername", "sockname"); "" and 0 when the client has left."""
    known: tuple[str, int] | None = transport.get_extra_info(end)
    # Many connections share an end, some of them both.
    return (sys.intern(known[0]), known[1]) if known else ("", 0)


def find_certificate(transport: asyncio.BaseTransport) -> str | None:
    """Return the SHA-256 of the certificate that the remote end showed in TLS, base64url without padding.

    It has proved the key, and the certificate was found to be one of those that are believed. `None` without
    one.
    """
    secured: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    shown = secured.getpeercert(binary_form=True) if secured is not None else None
    return urlsafe_b64encode(sha256(shown).digest()).rstrip(b"=").decode("ascii") if shown else None


def has_news(transport: asyncio.Transport, events: int) -> bool:
    """Whether the kernel has any of `events` for a connection, or the other end has reset it."""
    if transport.is_closing():
        return False
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), events)
    return bool(poll.poll(0))
