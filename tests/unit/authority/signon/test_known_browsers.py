import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.authority.signon.browser import MAX_KNOWN_USERS, browser_known_as, remember_user
from support.agent_delegation import ENVIRONMENT_ID, USER_ID
from support.authority import running_authority
from support.examples import examples


async def test_a_browser_is_known_to_those_who_signed_on_in_it_the_latest_ones(authority):
    users, cookie = [f"user {number}" for number in range(MAX_KNOWN_USERS + 3)], ""
    for user in users:
        assert await browser_known_as(authority.services, ENVIRONMENT_ID, cookie, user) is None
        cookie = await remember_user(authority.services, ENVIRONMENT_ID, cookie, user)
    known = [
        user for user in users if await browser_known_as(authority.services, ENVIRONMENT_ID, cookie, user)
    ]
    assert known == users[3:]
    assert len(cookie) < 1024


async def test_signing_on_again_keeps_the_browser_s_id_and_moves_it_to_the_front(authority):
    first = await remember_user(authority.services, ENVIRONMENT_ID, "", "a")
    both = await remember_user(authority.services, ENVIRONMENT_ID, first, "b")
    again = await remember_user(authority.services, ENVIRONMENT_ID, both, "a")
    assert sorted(again.split(":")) == sorted(both.split(":"))
    assert again.startswith(first)


@settings(max_examples=examples(25), deadline=None)
@given(st.one_of(st.text(max_size=200), st.tuples(st.integers(0, 79), st.sampled_from("aZ0.:-_"))))
async def test_nobody_else_can_make_a_browser_known(forged):
    with tempfile.TemporaryDirectory() as folder:
        async with running_authority(Path(folder) / "data") as authority:
            real = await remember_user(authority.services, ENVIRONMENT_ID, "", USER_ID)
            cookie = (
                forged if isinstance(forged, str) else real[: forged[0]] + forged[1] + real[forged[0] + 1 :]
            )
            assert bool(await browser_known_as(authority.services, ENVIRONMENT_ID, cookie, USER_ID)) == (
                cookie.split(":")[0] == real
            )
            assert await browser_known_as(authority.services, "another", real, USER_ID) is None
            assert await browser_known_as(authority.services, ENVIRONMENT_ID, real, "another") is None
