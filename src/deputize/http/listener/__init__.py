"""The server side of the proxied path: HTTP/1.1 over httptools, strict, bounded and streaming."""

from deputize.http.listener.limits import Gate, ListenerLimits
from deputize.http.listener.server import Listener, serve
from deputize.http.listener.shared import Records, Unheard

__all__ = ("Gate", "Listener", "ListenerLimits", "Records", "Unheard", "serve")
