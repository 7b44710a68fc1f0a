"""Remembers valid tokens for a while, and asks once for all who ask at the same time."""

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from deputize.gateway.exchange.contexts import OAuth2Context
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


class TokenCache:
    """In front of a resolver.

    Keyed by the token's SHA-256; never answers from memory at or after a token's expiry.

    Only valid tokens are remembered: made-up ones must not push them out, and a token may become valid.
    """

    def __init__(self, delegate: AccessTokenResolver, limits: CacheLimits, clock: Clock) -> None:
        """`delegate` is asked for what is not remembered."""
        self._delegate = delegate
        self._limits = limits
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, OAuth2Context]] = OrderedDict()
        self._asked: dict[bytes, asyncio.Task[OAuth2Context | RejectedToken]] = {}

    async def resolve(self, token: str, exchange: Exchange) -> OAuth2Context | RejectedToken:
        """As `AccessTokenResolver.resolve`."""
        return self.recall(token) or await self._ask(_key(token), token, exchange)

    async def resolve_anew(self, token: str, exchange: Exchange) -> OAuth2Context | RejectedToken:
        """As `resolve`, past every memory: what is remembered is replaced by the answer."""
        return self._replace(_key(token), await resolve_anew(self._delegate, token, exchange))

    def recall(self, token: str) -> OAuth2Context | None:
        """The token as remembered, without asking anybody; `None` when it is not, or not any more."""
        key = _key(token)
        known = self._known.get(key)
        if known is None or known[0] <= self._clock.now():
            return None
        self._known.move_to_end(key)
        return known[1]

    async def _ask(self, key: bytes, token: str, exchange: Exchange) -> OAuth2Context | RejectedToken:
        """The question outlives whoever asked first: a client that leaves does not fail the others."""
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(self._fetch(key, token, exchange))
            task.add_done_callback(_noticed)
        return await asyncio.shield(task)

    async def _fetch(self, key: bytes, token: str, exchange: Exchange) -> OAuth2Context | RejectedToken:
        try:
            verdict = await self._delegate.resolve(token, exchange)
        finally:
            del self._asked[key]
        return self._replace(key, verdict)

    def _replace(self, key: bytes, verdict: OAuth2Context | RejectedToken) -> OAuth2Context | RejectedToken:
        self._known.pop(key, None)
        if isinstance(verdict, OAuth2Context):
            self._remember(key, verdict)
        return verdict

    def _remember(self, key: bytes, token: OAuth2Context) -> None:
        now = self._clock.now()
        ends = now + self._limits.default_timeout if token.expires_at is None else token.expires_at
        self._known[key] = (min(ends, now + self._limits.maximum_time), token)
        while len(self._known) > self._limits.maximum_size:
            self._known.popitem(last=False)


async def resolve_anew(
    resolver: AccessTokenResolver, token: str, exchange: Exchange
) -> OAuth2Context | RejectedToken:
    """What `token` is worth now, asked of whoever knows and not of a cache in front.

    Raises `ResolutionError`.
    """
    return await (resolver.resolve_anew if isinstance(resolver, TokenCache) else resolver.resolve)(
        token, exchange
    )


def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _noticed(task: "asyncio.Task[OAuth2Context | RejectedToken]") -> None:
    """Nobody may be left to hear of a failure; that is not an error of its own."""
    if not task.cancelled():
        task.exception()
