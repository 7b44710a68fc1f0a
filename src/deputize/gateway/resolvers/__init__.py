"""Access-token resolvers, in the order a reader wants; each is one file."""

from deputize.gateway.loading.context import HeapType
from deputize.gateway.resolvers.cache import CacheAccessTokenResolver
from deputize.gateway.resolvers.confirmation_key import ConfirmationKeyVerifierAccessTokenResolver
from deputize.gateway.resolvers.introspection import TokenIntrospectionAccessTokenResolver
from deputize.gateway.resolvers.stateless import StatelessAccessTokenResolver

RESOLVERS: tuple[HeapType, ...] = (
    TokenIntrospectionAccessTokenResolver,
    StatelessAccessTokenResolver,
    CacheAccessTokenResolver,
    ConfirmationKeyVerifierAccessTokenResolver,
)
