"""How many connections an upstream client holds, and how long it waits: in seconds, `None` is no limit."""

from dataclasses import dataclass

BODY_RATE = 1024
"""The bytes a second that a long body comes with at least, however seldom it falls silent."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long one request may wait."""

    connect: float | None = 10.0
    """For a connection: its place in the queue, then name, TCP and TLS."""
    idle: float | None = 10.0
    """For the head, once the request has been sent; then silence while more of an ordinary body is due."""
    body: float | None = 300.0
    """For an ordinary body in all, and a second more for each `BODY_RATE` bytes that have come."""
    stream: float | None = None
    """Silence of an event stream, which may be quiet for as long as both ends live."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """What one origin may use."""

    connections: int = 64
    """Open at most, those that carry event streams not counted: they last, and calls would wait for them."""
    streams: int = 1000
    """Event streams open at most."""
    waiting: int | None = None
    """Requests that may queue for a connection."""
    kept_seconds: float = 4.0
    """How long an unused connection is kept.

    Below the five seconds after which common servers close it, because a request that meets the closing
    cannot be repeated unless it is idempotent.
    """
    abandoned_seconds: float = 120.0
    """How long a body may stay open that nobody reads."""
    head_bytes: int = 64 * 1024
    """The longest head accepted."""
    socket_buffer_bytes: int = 48 * 1024
    """The kernel's send and receive buffers of each connection, which it doubles: what an answer that nobody
    reads costs.
    """
    tick_seconds: float = 0.25
    """How often deadlines are looked at, which are kept to within two of these."""
