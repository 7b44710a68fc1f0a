"""Whatever happens to an issuer's keys, only what it signs and has not withdrawn for long is believed."""

import asyncio
import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from deputize.gateway.authorities.endpoint import AuthorityError
from deputize.gateway.authorities.kept import STALE_SECONDS
from deputize.gateway.exchange.contexts import OAuth2Context
from deputize.gateway.resolvers.resolution import AccessTokenResolver
from deputize.http.messages import Body, Response
from support.examples import examples
from support.gateway import built, exchange_for, instance_for
from support.issuers import CLAIMS, ISSUER, jwk_set, signed
from support.oauth_filters import oauth_heap

POOL = [ECKey.generate_key("P-256") for _ in range(4)]
STRANGER = ECKey.generate_key("P-256")
LIFETIME, GRACE, MISS = 120, 30, 30


class World:
    """An issuer that publishes some of a pool of keys, and may be away."""

    def __init__(self):
        instance = instance_for()
        self.clock, self.is_up = instance.clock, True
        self.published, self.withdrawn_at = {0}, {}
        self.fetched_at, self.was_away = [], False
        heap = oauth_heap(instance=instance)
        heap._built["web"] = self
        store = {
            "type": "JwkSetSecretStore",
            "config": {"jwkUrl": "https://as.example/jwks", "handler": "web", "cacheMissCacheTime": "30 s"},
        }
        config = {"issuer": ISSUER, "secretsProvider": store, "verificationSecretId": "any"}
        members = {"type": "StatelessAccessTokenResolver", "config": config}
        self.resolver = built(AccessTokenResolver, members, heap)

    async def handle(self, exchange):
        self.fetched_at.append(self.clock.time)
        if not self.is_up:
            return Response(503)
        keys = jwk_set(**{f"k{number}": POOL[number] for number in self.published})
        return Response(200, body=Body(json.dumps(keys).encode()))

    def publish(self, number):
        self.published.add(number)
        self.withdrawn_at.pop(number, None)

    def withdraw(self, number):
        if number in self.published:
            self.published.remove(number)
            self.withdrawn_at[number] = self.clock.time

    async def present(self, number, *, forged=False):
        """Whether a new token of that key, or a stranger's under its name, is believed; `None`: not known."""
        key = STRANGER if forged else POOL[number]
        times = {"iat": self.clock.time, "exp": self.clock.time + 600, "jti": str(len(self.fetched_at))}
        token = signed(key, {**CLAIMS, **times}, kid=f"k{number}")
        try:
            found = await self.resolver.resolve(token, exchange_for())
        except AuthorityError:
            return None
        finally:
            await asyncio.sleep(0)
        return isinstance(found, OAuth2Context)

    async def check(self, number):
        asked = len(self.fetched_at)
        believed = await self.present(number)
        since = self.clock.time - self.withdrawn_at.get(number, self.clock.time)
        if number not in self.published and number not in self.withdrawn_at:
            assert believed is not True  # it was never published
        if believed and number not in self.published:
            assert since <= LIFETIME + GRACE + STALE_SECONDS
            if self.is_up and not self.was_away:
                assert since <= LIFETIME + GRACE
        if number in self.published and self.is_up and not self.was_away:
            missed = [at for at in self.fetched_at[:asked] if at > self.clock.time - MISS]
            assert believed or missed  # or keys had just been asked for
        assert await self.present(number, forged=True) is not True


TIMES = (1, 29, 31, 119, 121, 151, 1000, 4000)


def draw_events(seed):
    """Return what happens: short lists, which hypothesis prefers, show nothing."""
    draw = random.Random(seed)
    happenings = ["publish", "withdraw", "present", "present", "present", "pass", "pass"]
    happenings += ["up", "down"] * draw.randrange(2)
    for _ in range(40):
        yield draw.choice(happenings), draw.choice([0, 0, 1, 2]), draw.choice(TIMES)


@given(st.integers(0, 2**32))
@settings(max_examples=examples(120), deadline=None)
def test_only_what_the_issuer_signs_and_has_not_withdrawn_for_long_is_believed(seed):
    async def follow():
        world = World()
        for event, number, seconds in draw_events(seed):
            if event == "publish":
                world.publish(number)
            elif event == "withdraw":
                world.withdraw(number)
            elif event == "pass":
                world.clock.time += seconds
            elif event == "present":
                await world.check(number)
            else:
                world.is_up = event == "up"
                world.was_away = world.was_away or not world.is_up
        # Whatever names are made up: in 30 seconds a refresh and a look for what is missing at most.
        if not world.was_away:
            for at in world.fetched_at:
                assert len([each for each in world.fetched_at if at <= each < at + MISS]) <= 2

    asyncio.run(follow())
