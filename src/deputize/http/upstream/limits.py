"""How many connections an upstream client holds, and how many seconds it waits (`None`: no limit)."""

from dataclasses import dataclass

BODY_RATE = 1024
"""The least average speed of a long body, in bytes a second, even if it never falls silent for long."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long one request may wait, in seconds."""

    connect: float | None = 10.0
    """Waiting for a connection: a place in the queue, then name lookup, TCP and TLS."""
    idle: float | None = 10.0
    """Waiting for the head once the request has been sent, then silence within an ordinary body."""
    body: float | None = 300.0
    """Receiving a whole ordinary body, and a second more for each `BODY_RATE` bytes received."""
    stream: float | None = None
    """Silence within an event stream, which may be quiet for as long as both ends live."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How much one origin may use."""

    connections: int = 64
    """Open connections at most, without those of event streams: they last, and calls would wait for them."""
    streams: int = 1000
    """Open event streams at most."""
    waiting: int | None = None
    """Requests at most that wait for a connection."""
    kept_seconds: float = 4.0
    """Seconds for which an unused connection is kept.

    Below the five seconds after which common servers close it, because a request that meets the closing
    cannot be repeated unless it is idempotent.
    """
    abandoned_seconds: float = 120.0
    """Seconds for which a body that nobody reads may stay open."""
    head_bytes: int = 64 * 1024
    """The longest head accepted, in bytes."""
    socket_buffer_bytes: int = 48 * 1024
    """Size of the kernel's send and receive buffers of each connection, which it doubles.

    This is the memory taken by an answer that nobody reads.
    """
    tick_seconds: float = 0.25
    """Seconds between two looks at the deadlines, which are kept to within two of these."""
