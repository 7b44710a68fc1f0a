"""Handlers, in the order a reader wants; each is one file."""

from deputize.gateway.site import HeapType

HANDLERS: tuple[HeapType, ...] = ()
