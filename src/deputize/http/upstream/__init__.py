"""The client side of the proxied path: HTTP/1.1 over httptools, pooled, bounded and streaming."""

from deputize.http.upstream.client import Outgoing, Sending, Upstream
from deputize.http.upstream.connection import Answered
from deputize.http.upstream.errors import (
    ConnectFailed,
    ConnectionClosed,
    ConnectTimeout,
    PoolExhausted,
    StreamsExhausted,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
)
from deputize.http.upstream.limits import Deadlines, PoolLimits

__all__ = (
    "Answered",
    "ConnectFailed",
    "ConnectTimeout",
    "ConnectionClosed",
    "Deadlines",
    "Outgoing",
    "PoolExhausted",
    "PoolLimits",
    "Sending",
    "StreamsExhausted",
    "Upstream",
    "UpstreamError",
    "UpstreamProtocolError",
    "UpstreamTimeout",
)
