"""Filters, in the order a reader wants; each is one file."""

from deputize.gateway.site import HeapType

FILTERS: tuple[HeapType, ...] = ()
