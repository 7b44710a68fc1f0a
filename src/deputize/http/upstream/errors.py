"""Errors of a server behind the gateway."""

from deputize.kernel.errors import DeputizeError


class UpstreamError(DeputizeError):
    """The upstream did not answer as it should. The text is for the log."""


class ConnectFailed(UpstreamError):
    """No connection could be opened: name lookup, network, refusal or TLS."""


class UpstreamTimeout(UpstreamError):
    """The upstream was silent where an answer or the rest of it was due."""


class ConnectTimeout(UpstreamTimeout):
    """No connection became available in time."""


class UpstreamProtocolError(UpstreamError):
    """The answer is not HTTP/1.1, or ended before it was complete."""


class ConnectionClosed(UpstreamProtocolError):
    """The upstream closed before it sent any byte of an answer."""


class PoolExhausted(UpstreamError):
    """All connections are in use, and the queue for them is full."""


class StreamsExhausted(UpstreamError):
    """The answer begins an event stream, and as many as allowed are open."""
