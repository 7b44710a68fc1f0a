"""`CacheAccessTokenResolver`: remembers valid tokens for a while (gateway-config reference, section 4.2).

Whoever asks about the same token at the same time shares one question.
"""

import hashlib
from dataclasses import dataclass

from pydantic import Field

from deputize.gateway.authorities.leased import Leased, LeasedMemory
from deputize.gateway.config.settings import Duration, Reference, Settings
from deputize.gateway.exchange.contexts import OAuth2Context
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.resolvers.resolution import AccessTokenResolver, RejectedToken
from deputize.http.exchange import Exchange
from deputize.kernel.clock import Clock


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """How long and how many; seconds."""

    default_timeout: float = 60.0
    """For tokens that say nothing about their expiry."""
    maximum_time: float = 60.0
    """For every token: how long a revocation may go unnoticed at most."""
    maximum_size: int = 10_000


def cache_limits(default_timeout: float | None, maximum_time: float | None, maximum_size: int) -> CacheLimits:
    """Return limits from configured durations, where `None` is without limit."""
    unlimited = float("inf")
    return CacheLimits(
        unlimited if default_timeout is None else default_timeout,
        unlimited if maximum_time is None else maximum_time,
        maximum_size,
    )


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
        """Make the cache; when it is not enabled, the delegate itself stands for it."""
        delegate = context.refer(config.delegate, AccessTokenResolver, "delegate")
        limits = cache_limits(config.default_timeout, config.maximum_time_to_cache, config.maximum_size)
        return TokenCache(delegate, limits, context.instance.clock) if config.enabled else delegate


class TokenCache:
    """Remembers tokens by their SHA-256; never answers from memory at or after a token's expiry.

    Only valid tokens are remembered: made-up ones must not push them out, and a token may become valid.
    """

    def __init__(self, delegate: AccessTokenResolver, limits: CacheLimits, clock: Clock) -> None:
        """`delegate` is asked for what is not remembered."""
        self._delegate = delegate
        self._limits = limits
        self._clock = clock
        self._memory: LeasedMemory[OAuth2Context] = LeasedMemory(clock, limits.maximum_size)

    async def resolve(self, token: str, exchange: Exchange) -> OAuth2Context | RejectedToken:
        """Recall what `token` is worth, or ask the delegate. Raises `AuthorityError`."""
        known = self.recall(token)
        if known is not None:
            return known.found
        key = _key(token)

        async def ask() -> OAuth2Context | RejectedToken:
            return self._replace(key, await self._delegate.resolve(token, exchange))

        return await self._memory.share(key, ask)

    async def resolve_anew(self, token: str, exchange: Exchange) -> OAuth2Context | RejectedToken:
        """Ask past every memory, and remember the answer instead of the old one. Raises `AuthorityError`."""
        return self._replace(_key(token), await resolve_anew(self._delegate, token, exchange))

    def recall(self, token: str) -> Leased[OAuth2Context] | None:
        """Return the token as remembered, without asking anybody; `None` when it is not, or not any more."""
        return self._memory.recall(_key(token))

    def _replace(self, key: bytes, found: OAuth2Context | RejectedToken) -> OAuth2Context | RejectedToken:
        if isinstance(found, OAuth2Context):
            now = self._clock.now()
            ends = now + self._limits.default_timeout if found.expires_at is None else found.expires_at
            self._memory.remember(key, found, min(ends, now + self._limits.maximum_time))
        else:
            self._memory.forget(key)
        return found


async def resolve_anew(
    resolver: AccessTokenResolver, token: str, exchange: Exchange
) -> OAuth2Context | RejectedToken:
    """Ask what `token` is worth now, past a cache in front of `resolver`. Raises `AuthorityError`."""
    resolve = resolver.resolve_anew if isinstance(resolver, TokenCache) else resolver.resolve
    return await resolve(token, exchange)


def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
