"""Whatever is asked in whatever order.

No answer is older than its token allows, or than the operator allows, also when the clock is set back.
"""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from deputize.gateway.exchange.contexts import OAuth2Context, read_claims
from deputize.gateway.resolvers.cache import CacheLimits, TokenCache
from deputize.gateway.resolvers.resolution import RejectedToken
from support.gateway import FixedClock, exchange_for

STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(min_value=-20, max_value=40)), max_size=30)


class Truth:
    """Each token is valid until its expiry, and answers carry when they were given."""

    def __init__(self, clock, expiries):
        self.clock = clock
        self.expiries = expiries

    async def resolve(self, token, exchange):
        expires_at = self.expiries[token]
        if expires_at is not None and expires_at <= self.clock.now():
            return RejectedToken("expired")
        return read_claims(token, {"given": self.clock.now(), "for": token}, expires_at)


@given(
    STEPS,
    st.fixed_dictionaries({token: st.none() | st.integers(min_value=0, max_value=100) for token in "abc"}),
    st.integers(min_value=0, max_value=30),
    st.integers(min_value=0, max_value=30),
    st.integers(min_value=1, max_value=3),
)
def test_a_cache_never_answers_beyond_expiry_or_its_own_limit(steps, expiries, default, maximum, size):
    async def run():
        clock = FixedClock(0)
        cache = TokenCache(Truth(clock, expiries), CacheLimits(default, maximum, size), clock)
        for token, wait in steps:
            clock.time += wait
            verdict = await cache.resolve(token, exchange_for())
            expires_at = expiries[token]
            assert isinstance(verdict, OAuth2Context) == (expires_at is None or clock.now() < expires_at)
            if isinstance(verdict, OAuth2Context):
                age = clock.now() - verdict.info["given"]
                assert verdict.info["for"] == token
                assert age == 0 or 0 < age < min(maximum, default if expires_at is None else maximum)

    asyncio.run(run())
