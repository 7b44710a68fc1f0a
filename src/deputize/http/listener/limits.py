"""How much one client may use of a listener, and how much one process handles at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property


class Waiting(Enum):
    """What a connection waits for; each kind has its deadline."""

    FIRST_REQUEST = "first request"
    REQUEST = "request"
    HEAD = "head"
    BODY = "body"
    HANDLER = "handler"
    READER = "reader"
    CLOSE = "close"


@dataclass(frozen=True)
class ListenerLimits:
    """Sizes in bytes, times in seconds. Deadlines are kept to within two `tick_seconds`."""

    request_line_bytes: int = 4096
    """A longer request target is answered 414. What `kernel.uris` takes at most is more."""
    header_bytes: int = 8192
    """The size of all field lines of a head, or of all trailer fields; more is answered 431."""
    header_count: int = 100
    """The number of field lines of a head; more is answered 431."""
    underscores_in_headers: bool = False
    """Whether fields with a `_` in their name are passed on.

    Many servers take `X_Agent` for `X-Agent`, which may have been removed.
    """
    host_names: frozenset[str] = frozenset()
    """The hosts that requests may name, in lower case; others are answered 421. Empty allows every host."""
    body_bytes: int | None = None
    """The longest body accepted, beyond which the answer is 413; `None` leaves it to filters."""
    pipelined: int = 16
    """Requests held after the one being answered before reading stops."""
    head_seconds: float = 10.0
    """Seconds from the first byte of a request to the end of its head, and for a TLS handshake; then 408."""
    body_idle_seconds: float = 30.0
    """Silence in a body that a handler waits for; then 408."""
    body_seconds: float = 60.0
    """Time for a body that a handler waits for, and a second more for each `body_rate` bytes; then 408."""
    body_rate: int = 1024
    """The least average speed of a long body, in bytes a second, even if it never falls silent for long."""
    keep_alive_seconds: float = 75.0
    """Silence between requests; then the connection is closed."""
    write_seconds: float = 30.0
    """Time for a client to take the next 8 KiB of an answer, or the rest; then the connection is aborted."""
    linger_seconds: float = 2.0
    """Time to go on reading after an early answer, so that the client sees it before the connection closes.
    """
    socket_buffer_bytes: int = 64 * 1024
    """Size of the kernel's send and receive buffers of each connection, which it doubles.

    This is the memory taken by a client that does not read.
    """
    plans: int = 8192
    """How many plans are remembered at most; 0 prepares each request anew."""
    plan_bytes: int = 64 * 1024 * 1024
    """How much memory they take at most, roughly."""
    tick_seconds: float = 0.5
    """Time between two looks at the deadlines."""

    @cached_property
    def known_head_bytes(self) -> int:
        """How long a head that is not parsed may be: no way of counting makes its fields too long."""
        return self.header_bytes - self.header_count

    @cached_property
    def patience(self) -> Mapping[Waiting, float | None]:
        """Return the seconds that a connection may wait for each."""
        return {
            Waiting.FIRST_REQUEST: self.head_seconds,
            Waiting.REQUEST: self.keep_alive_seconds,
            Waiting.HEAD: self.head_seconds,
            Waiting.BODY: self.body_idle_seconds,
            Waiting.HANDLER: None,
            Waiting.READER: self.write_seconds,
            Waiting.CLOSE: self.linger_seconds,
        }


class Gate:
    """Counts connections, and exchanges in progress, of one listener or of several that share it.

    Beyond `connections` new connections are closed; beyond `exchanges` requests are answered 503. An event
    stream that has begun counts as one of `streams` instead: it lasts and asks for no work, so that thousands
    of them take the room of no call. What bounds them is the connections, with room for calls beside 20,000
    streams, and each upstream's own limit; a silent one takes about 12 KiB.
    """

    __slots__ = ("_max_connections", "_max_exchanges", "connections", "exchanges", "streams")

    def __init__(self, connections: int = 40_000, exchanges: int = 10_000) -> None:
        """Start with nothing counted."""
        self._max_connections = connections
        self._max_exchanges = exchanges
        self.connections = 0
        self.exchanges = 0
        self.streams = 0

    @property
    def has_room_for_connection(self) -> bool:
        """Whether one more connection may stay open."""
        return self.connections < self._max_connections

    @property
    def has_room_for_exchange(self) -> bool:
        """Whether one more request may be handled."""
        return self.exchanges < self._max_exchanges

    def begin_stream(self) -> None:
        """Count an exchange as an event stream, until `end_stream`."""
        self.exchanges -= 1
        self.streams += 1

    def end_stream(self) -> None:
        """Count it as an exchange again, which is about to end."""
        self.streams -= 1
        self.exchanges += 1
