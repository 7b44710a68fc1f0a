"""What can go wrong with a server behind the gateway."""

from deputize.kernel.errors import DeputizeError


class UpstreamError(DeputizeError):
    """The upstream did not answer as it should; its text is for the log."""


class ConnectFailed(UpstreamError):
    """No connection: name, network, refusal or TLS."""


class UpstreamTimeout(UpstreamError):
    """Silence where an answer or the rest of it was due."""


class ConnectTimeout(UpstreamTimeout):
    """No connection in time."""


class UpstreamProtocolError(UpstreamError):
    """The answer is not HTTP/1.1, or ended before it was complete."""


class ConnectionClosed(UpstreamProtocolError):
    """The upstream closed before it sent any byte of an answer."""


class PoolExhausted(UpstreamError):
    """All connections are in use and the queue for them is full."""


class StreamsExhausted(UpstreamError):
    """The answer begins an event stream, and as many as may be are open."""
