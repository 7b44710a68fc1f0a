"""The server side of the proxied path: HTTP/1.1 over httptools, strict, bounded and streaming."""

from deputize.http.listener.gate import Gate
from deputize.http.listener.limits import Limits
from deputize.http.listener.records import Records, Unheard
from deputize.http.listener.server import Listener, serve

__all__ = ("Gate", "Limits", "Listener", "Records", "Unheard", "serve")
