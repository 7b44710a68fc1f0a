import asyncio
import gc
from typing import Any

import pytest

from deputize.gateway.authorities.endpoint import AuthorityError
from deputize.gateway.exchange.contexts import OAuth2Context, read_claims
from deputize.gateway.resolvers.cache import CacheLimits, TokenCache, resolve_anew
from deputize.gateway.resolvers.resolution import AccessTokenResolver, RejectedToken
from support.gateway import FixedClock, built, exchange_for
from support.oauth_filters import CLAIMS, Tokens, oauth_heap

NOW = FixedClock().now()


class Gated:
    """Answers when it is let."""

    def __init__(self, verdict):
        self.asked = 0
        self.gate = asyncio.Event()
        self.verdict = verdict

    async def resolve(self, token, exchange):
        self.asked += 1
        await self.gate.wait()
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict


class Valid:
    def __init__(self, expires_at=None):
        self.asked = []
        self.expires_at = expires_at

    async def resolve(self, token, exchange):
        self.asked.append(token)
        return read_claims(token, {}, self.expires_at)


def caching(delegate, **limits):
    clock = FixedClock()
    return TokenCache(delegate, CacheLimits(**limits), clock), clock


async def test_a_valid_token_is_asked_about_once():
    delegate = Valid(NOW + 3600)
    cache, _ = caching(delegate)
    first = await cache.resolve("t", exchange_for())
    assert await cache.resolve("t", exchange_for()) is first
    assert delegate.asked == ["t"]


@pytest.mark.parametrize(
    ("expires_in", "limits", "kept"),
    [(30, {}, 30), (3600, {"maximum_time": 20}, 20), (None, {"default_timeout": 10}, 10), (None, {}, 60)],
)
async def test_nothing_is_kept_beyond_its_time(expires_in, limits, kept):
    delegate = Valid(None if expires_in is None else NOW + expires_in)
    cache, clock = caching(delegate, **limits)
    await cache.resolve("t", exchange_for())
    clock.time = NOW + kept - 0.001
    await cache.resolve("t", exchange_for())
    assert len(delegate.asked) == 1
    clock.time = NOW + kept
    await cache.resolve("t", exchange_for())
    assert len(delegate.asked) == 2


async def test_an_invalid_token_is_asked_about_every_time():
    delegate = Tokens()
    cache, _ = caching(delegate)
    for _ in range(2):
        assert isinstance(await cache.resolve("t", exchange_for()), RejectedToken)
    assert delegate.asked == ["t", "t"]


async def test_the_least_recently_used_goes_first():
    delegate = Valid()
    cache, _ = caching(delegate, maximum_size=2)
    for token in ("a", "b", "a", "c", "a", "b"):
        await cache.resolve(token, exchange_for())
    assert delegate.asked == ["a", "b", "c", "b"]


async def test_all_who_ask_at_once_are_answered_by_one_question():
    delegate = Gated(read_claims("t", CLAIMS, None))
    cache, _ = caching(delegate)
    asking = [asyncio.create_task(cache.resolve("t", exchange_for())) for _ in range(20)]
    await asyncio.sleep(0)
    delegate.gate.set()
    assert all(isinstance(verdict, OAuth2Context) for verdict in await asyncio.gather(*asking))
    assert delegate.asked == 1


async def test_a_client_that_leaves_fails_nobody_else():
    delegate = Gated(read_claims("t", CLAIMS, None))
    cache, _ = caching(delegate)
    leaving, staying = (asyncio.create_task(cache.resolve("t", exchange_for())) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    delegate.gate.set()
    assert isinstance(await staying, OAuth2Context)
    assert leaving.cancelled()


async def test_trouble_reaches_everybody_and_is_not_remembered():
    delegate = Gated(AuthorityError(503, "away"))
    cache, _ = caching(delegate)
    asking = [asyncio.create_task(cache.resolve("t", exchange_for())) for _ in range(2)]
    await asyncio.sleep(0)
    delegate.gate.set()
    assert [type(outcome) for outcome in await asyncio.gather(*asking, return_exceptions=True)] == [
        AuthorityError
    ] * 2
    delegate.verdict = read_claims("t", CLAIMS, None)
    assert isinstance(await cache.resolve("t", exchange_for()), OAuth2Context)


async def test_trouble_after_everybody_has_left_is_reported_to_nobody():
    """asyncio reports a task's exception that nobody fetched when the task is collected."""
    reports = list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, report: reports.append(report))
    delegate = Gated(AuthorityError(503, "away"))
    cache, _ = caching(delegate)
    asking = asyncio.create_task(cache.resolve("t", exchange_for()))
    await asyncio.sleep(0)
    (fetching,) = asyncio.all_tasks() - {asking, asyncio.current_task()}
    asking.cancel()
    await asyncio.sleep(0)
    delegate.gate.set()
    await asyncio.wait([fetching])
    assert delegate.asked == 1
    del fetching, asking
    gc.collect()
    assert reports == []


def test_configured_caches():
    config = {
        "delegate": {"type": "Tokens"},
        "maximumTimeToCache": "unlimited",
        "defaultTimeout": "30 seconds",
        "maximumSize": 5,
    }
    cache = built(AccessTokenResolver, {"type": "CacheAccessTokenResolver", "config": config}, oauth_heap())
    assert isinstance(cache, TokenCache)
    off = built(
        AccessTokenResolver,
        {"type": "CacheAccessTokenResolver", "config": {**config, "enabled": False}},
        oauth_heap(),
    )
    assert isinstance(off, Tokens)


async def test_asking_anew_goes_past_every_cache_and_corrects_them():
    delegate = Tokens()
    delegate.known = {"t": CLAIMS}
    inner, _ = caching(delegate)
    outer, _ = caching(inner)
    await outer.resolve("t", exchange_for())
    delegate.known = {"t": {**CLAIMS, "scope": "less"}}
    assert (await resolve_anew(outer, "t", exchange_for())).scopes == {"less"}
    assert (outer.recall("t").found.scopes, inner.recall("t").found.scopes) == ({"less"}, {"less"})
    delegate.known = {}
    assert isinstance(await resolve_anew(outer, "t", exchange_for()), RejectedToken)
    assert (outer.recall("t"), inner.recall("t")) == (None, None)
    delegate.known = {"t": AuthorityError(503, "nobody answers")}
    with pytest.raises(AuthorityError):
        await resolve_anew(outer, "t", exchange_for())
