"""Access-token resolvers; each is one file."""

from deputize.gateway.site import HeapType

RESOLVERS: tuple[HeapType, ...] = ()
