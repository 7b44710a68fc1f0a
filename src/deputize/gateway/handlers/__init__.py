"""Handlers, in the order a reader wants; each is one file."""

from deputize.gateway.handlers.chain import Chain
from deputize.gateway.handlers.client import ClientHandler
from deputize.gateway.handlers.delegate import Delegate
from deputize.gateway.handlers.dispatch import DispatchHandler
from deputize.gateway.handlers.reverse_proxy import ReverseProxyHandler
from deputize.gateway.handlers.router import Router
from deputize.gateway.handlers.sequence import SequenceHandler
from deputize.gateway.handlers.static_response import StaticResponseHandler
from deputize.gateway.loading.context import HeapType

HANDLERS: tuple[HeapType, ...] = (
    Router,
    Chain,
    ReverseProxyHandler,
    ClientHandler,
    DispatchHandler,
    SequenceHandler,
    StaticResponseHandler,
    Delegate,
)
