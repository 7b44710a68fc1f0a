"""Access-token resolvers, in the order a reader wants; each is one file."""

from deputize.gateway.resolvers.cache import CacheAccessTokenResolver
from deputize.gateway.resolvers.introspection import TokenIntrospectionAccessTokenResolver
from deputize.gateway.site import HeapType

RESOLVERS: tuple[HeapType, ...] = (TokenIntrospectionAccessTokenResolver, CacheAccessTokenResolver)
