"""`CacheAccessTokenResolver`.

Remembers what another resolver found out (gateway-config reference, section 4.2).
"""

from pydantic import Field

from deputize.gateway.config.settings import Duration, Reference, Settings
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.resolvers.resolution import AccessTokenResolver
from deputize.gateway.resolvers.token_cache import CacheLimits, TokenCache


class CacheAccessTokenResolver:
    """A cache in front of `delegate`."""

    class Config(Settings):
        """No token is remembered beyond its expiry, nor longer than `maximumTimeToCache`."""

        delegate: Reference
        """The resolver that is asked about tokens not remembered."""
        enabled: bool = True
        """`false`: always ask the delegate."""
        default_timeout: Duration = 60.0
        """How long a token is remembered that does not say when it expires."""
        maximum_time_to_cache: Duration = 60.0
        """How long any token is remembered at most, and so a revocation may go unnoticed."""
        maximum_size: int = Field(10_000, ge=1)
        """Tokens remembered at most."""

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> AccessTokenResolver:
        """The cache, or the delegate itself when it is not enabled."""
        delegate = context.refer(config.delegate, AccessTokenResolver, "delegate")
        limits = cache_limits(config.default_timeout, config.maximum_time_to_cache, config.maximum_size)
        return TokenCache(delegate, limits, context.instance.clock) if config.enabled else delegate


def cache_limits(default_timeout: float | None, maximum_time: float | None, maximum_size: int) -> CacheLimits:
    """Limits from configured durations, where `None` is without limit."""
    unlimited = float("inf")
    return CacheLimits(
        unlimited if default_timeout is None else default_timeout,
        unlimited if maximum_time is None else maximum_time,
        maximum_size,
    )
