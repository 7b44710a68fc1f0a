"""Whatever is tried in whatever order, nobody without the key gets anything of what is bound to it."""

import asyncio
import itertools
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.oauth.dpop import Proof
from deputize.oauth.errors import OAuthError
from support.agent_delegation import AGENT, AGENT_ID, ENVIRONMENT, World, with_agent
from support.examples import examples
from support.records import replace

KEYS = st.sampled_from([None, "a" * 43, "b" * 43])
PUBLIC = with_agent(ENVIRONMENT, replace(AGENT, client_auth="none"))
HELD = with_agent(ENVIRONMENT, replace(AGENT, dpop_bound_access_tokens=True))
_ids = itertools.count()


def prove(world, key):
    world.proof = key and Proof(key, f"j{next(_ids)}", world.now + 120, None)


async def attempt(world, key, asking):
    """Return the response to a request that proves `key`; `None` where it is refused."""
    prove(world, key)
    with suppress(OAuthError):
        return await asking()
    return None


def key_of(response):
    return (response.claims.get("cnf") or {}).get("jkt")


@settings(max_examples=examples(300), deadline=None)
@given(
    st.sampled_from([None, None, None, "a" * 43]),
    KEYS,
    st.lists(st.tuples(KEYS, st.sampled_from([0, 0, 1, 3]), st.sampled_from([0.0, 5.0])), min_size=2),
)
def test_refresh_tokens_of_a_public_client_follow_the_key_that_was_proven_first(named, first, steps):
    async def run():
        world = World(PUBLIC)
        await world.add_code(dpop_jkt=named)
        response = await attempt(world, first, world.redeem)
        assert (response is not None) == (named is None or named == first)
        if response is None:
            return
        assert key_of(response) == first
        bound_to, values = first, [response.refresh_token]
        for key, back, later in steps:
            world.now += later
            value = values[max(0, len(values) - 1 - back)]
            response = await attempt(world, key, lambda value=value: world.refresh(value))
            if response is None:
                continue
            assert bound_to is None or key == bound_to
            assert key_of(response) == key
            if response.refresh_token not in values:  # else it is the one that followed, given once more
                values.append(response.refresh_token)
                bound_to = bound_to or key

    asyncio.run(run())


@settings(max_examples=examples(300), deadline=None)
@given(KEYS, KEYS, KEYS)
def test_an_agents_own_tokens_are_exchanged_with_each_key_they_are_bound_to(of_subject, of_actor, proven):
    async def run():
        world = World()
        subject = await attempt(world, of_subject, world.sign_on)
        prove(world, of_actor)
        actor = await world.actor_token()
        response = await attempt(world, proven, lambda: world.exchange(subject.access_token, actor))
        may = {of_subject, of_actor} - {None} <= {proven}
        assert (response is not None) == may
        if response is not None:
            assert key_of(response) == proven
            assert response.claims["act"] == {"sub": AGENT_ID}

    asyncio.run(run())


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.tuples(KEYS, st.sampled_from(["code", "own", "exchange", "refresh"])), max_size=6))
def test_an_agent_that_is_held_to_keys_never_gets_a_token_without_one(requests):
    async def run():
        world = World(HELD)
        numbers = itertools.count()
        prove(world, "a" * 43)
        user = await world.sign_on("the first code")
        prove(world, "a" * 43)
        actor = await world.actor_token()
        for key, kind in requests:
            value = f"code {next(numbers)}"
            await world.add_code(value)
            asking = {
                "code": lambda value=value: world.redeem(value),
                "own": lambda: world.ask({"grant_type": "client_credentials", "scope": "agent"}),
                "exchange": lambda: world.exchange(user.access_token, actor),
                "refresh": lambda: world.refresh(user.refresh_token),
            }[kind]
            response = await attempt(world, key, asking)
            if response is not None:
                assert key is not None
                assert key_of(response) == key

    asyncio.run(run())
