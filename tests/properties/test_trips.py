"""Whatever responses come in whatever order to whatever browser: each trip signs its own user on, once."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.authority.signon.trips import LIFETIME
from support.agent_delegation import ENVIRONMENT_ID
from support.authority import Browser
from support.examples import examples
from support.providers import set_out, with_provider

BROWSERS = st.integers(0, 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set out"), BROWSERS, st.just(0)),
        st.tuples(st.just("come back"), BROWSERS, st.integers(-3, -1)),
        st.tuples(st.just("come back"), BROWSERS, st.just(-1)),
        st.tuples(st.just("wait"), st.just(0), st.integers(1, LIFETIME)),
    ),
    min_size=2,
    max_size=9,
)


@settings(max_examples=examples(30), deadline=None)
@given(STEPS)
async def test_a_response_signs_on_who_set_out_for_it_and_once(steps):
    with tempfile.TemporaryDirectory() as folder:
        async with (
            with_provider(Path(folder) / "d") as (authority, provider),
            authority.client() as one,
            authority.client() as other,
        ):
            browsers = [Browser(authority, one), Browser(authority, other)]
            asked: list[dict[str, str]] = []
            on_trip: dict[int, tuple[str, float]] = {}
            expected = 0
            for action, number, which in steps:
                now, browser = authority.clock.now(), browsers[number]
                provider.claims = {"sub": "demouser", "iat": int(now), "exp": int(now) + 60}
                if action == "set out":
                    for session in await authority.store.sessions.sessions_of(ENVIRONMENT_ID):
                        await authority.store.sessions.end_session(session.id, now)
                    asked.append(await set_out(browser, provider))
                    on_trip[number] = (asked[-1]["state"], now)
                elif action == "wait":
                    authority.clock.instant += which
                elif len(asked) >= -which:
                    provider.asked = asked[which]
                    state, begun_at = on_trip.get(number, ("", 0.0))
                    if state == provider.asked["state"] and now < begun_at + LIFETIME:
                        expected += 1
                        del on_trip[number]
                    await browser.get(provider.response())
                assert len(await authority.records("SIGNED-ON")) == expected
