"""Codes are redeemed once and refresh tokens rotate to one successor, in whatever order concurrent requests
reach the store.
"""

import asyncio
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.oauth.errors import InvalidGrant
from deputize.oauth.introspection import LiveToken, find_live_token
from support.agent_delegation import AGENT, World, grant_id_of
from support.examples import examples


class Schedule:
    """Lets one of the waiting requests at a time reach the store, as `choices` say."""

    def __init__(self, choices: list[int]) -> None:
        self.choices = choices
        self.waiting: list[asyncio.Future[None]] = []

    async def gate(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        await turn

    async def run(self, requests: list[Callable]) -> list:
        tasks = [asyncio.ensure_future(request()) for request in requests]
        step = 0
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            if self.waiting:
                choice = self.choices[step % len(self.choices)] if self.choices else 0
                self.waiting.pop(choice % len(self.waiting)).set_result(None)
                step += 1
        return [task.exception() or task.result() for task in tasks]


schedules = st.lists(st.integers(0, 3), min_size=1, max_size=30)


async def _live(world, token):
    found = await find_live_token(world.environment, token, world.store, world.ports.verifier, world.now)
    return isinstance(found, LiveToken)


async def _open():
    return None


async def redeem_concurrently(count, choices):
    world = World()
    await world.add_code()
    schedule = Schedule(choices)
    world.store.gate = schedule.gate
    outcomes = await schedule.run([world.redeem] * count)
    world.store.gate = _open
    return world, outcomes


@settings(max_examples=examples(100), deadline=None)
@given(st.integers(1, 4), schedules)
def test_a_code_is_redeemed_at_most_once_and_a_second_attempt_ends_what_the_first_gave(count, choices):
    async def run():
        world, outcomes = await redeem_concurrently(count, choices)
        won = [each for each in outcomes if not isinstance(each, Exception)]
        assert len(won) == 1
        assert all(isinstance(each, InvalidGrant) for each in outcomes if isinstance(each, Exception))
        assert await _live(world, won[0].access_token) == (count == 1)

    asyncio.run(run())


@settings(max_examples=examples(100), deadline=None)
@given(st.integers(1, 5), schedules)
def test_concurrent_refreshes_get_one_successor_that_works(count, choices):
    async def run():
        world = World()
        token = (await world.sign_on()).refresh_token
        schedule = Schedule(choices)
        world.store.gate = schedule.gate
        outcomes = await schedule.run([lambda: world.refresh(token)] * count)
        world.store.gate = _open
        assert not [each for each in outcomes if isinstance(each, Exception)]
        assert len({each.refresh_token for each in outcomes}) == 1
        assert all([await _live(world, each.access_token) for each in outcomes])
        assert world.store.refresh_tokens[grant_id_of()].generation == 2
        assert await world.refresh(outcomes[0].refresh_token)

    asyncio.run(run())


steps = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([0, 1, AGENT.settings.refresh_token_grace - 1, AGENT.settings.refresh_token_grace]),
    ),
    max_size=12,
)


@settings(max_examples=examples(150), deadline=None)
@given(steps)
def test_only_the_current_and_for_a_while_the_previous_token_work(history):
    """`history` says which token, counted from the newest, is used after how many seconds."""

    async def run():
        world = World()
        values, rotated_at, ended = [(await world.sign_on()).refresh_token], world.now, False
        for age, wait in history:
            world.now += wait
            used = values[max(0, len(values) - 1 - age)]
            depth = values[::-1].index(used)
            allowed = not ended and (
                depth == 0 or (depth == 1 and world.now - rotated_at < AGENT.settings.refresh_token_grace)
            )
            try:
                answer = await world.refresh(used)
            except InvalidGrant:
                assert not allowed
                ended = True
                continue
            assert allowed
            if depth == 0:
                values.append(answer.refresh_token)
                rotated_at = world.now
            assert answer.refresh_token == values[-1]

    asyncio.run(run())
