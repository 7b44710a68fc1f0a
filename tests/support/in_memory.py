"""A listener without sockets: bytes go into its connections, and what they write is kept."""

from deputize.http.listener import Gate, Listener, ListenerLimits
from deputize.http.listener.connection import Connection
from deputize.http.plans import as_handler
from support.gateway import FixedClock

CLIENT = ("192.0.2.7", 50123)
GATEWAY = ("192.0.2.1", 8080)


class InMemoryTransport:
    """What an event loop gives to a connection, without one behind it."""

    def __init__(self, remote=CLIENT, local=GATEWAY):
        self.written = b""
        self.closing = False
        self.aborted = False
        self.ended = False
        self.reading = True
        self._info = {"peername": remote, "sockname": local}

    def get_extra_info(self, name):
        return self._info.get(name)

    def set_write_buffer_limits(self, *_):
        pass

    def get_write_buffer_size(self):
        return 0

    def write(self, data):
        self.written += data

    def can_write_eof(self):
        return True

    def write_eof(self):
        self.ended = True

    def is_closing(self):
        return self.closing

    def close(self):
        self.closing = True

    def abort(self):
        self.closing = self.aborted = True

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True


def listener_in_memory(handler, *, clock=None, secure=False, gate=None, **limits):
    """Return a listener that is not open. Needs a running event loop."""
    return Listener(
        as_handler(handler), ListenerLimits(**limits), gate or Gate(), clock or FixedClock(), secure=secure
    )


def connect(listener, remote=CLIENT, local=GATEWAY):
    """Return a new connection of `listener`, and its transport."""
    connection, transport = (
        Connection(listener, listener.admit, listener.leave),
        InMemoryTransport(remote, local),
    )
    connection.connection_made(transport)
    return connection, transport
