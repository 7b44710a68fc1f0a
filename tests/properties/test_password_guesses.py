"""Whoever guesses a password gets six guesses, wherever they type it: at sign-on, or where it is changed."""

import re
import tempfile
from itertools import chain
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.authority.signon.attempts import KNOWN_BROWSER, NETWORK
from support.authority import PASSWORD, Browser, running_authority
from support.examples import examples

ACTIONS = st.lists(
    st.tuples(st.sampled_from(["change", "sign on", "stranger", "wait"]), st.integers(1, 8)),
    min_size=2,
    max_size=5,
)
"""What is done, and how often."""


async def guess_at_change(page, path):
    await page.get(path)
    if "Present password" in page.response.text:
        forms = re.findall(r"<form[^>]*>.*?</form>", page.response.text, re.DOTALL)
        number = next(at for at, form in enumerate(forms) if 'name="current"' in form)
        typed = {"current": "a guess", "new": "something long", "repeat": "something long"}
        await page.submit(number, **typed, action="change-password")


async def guess_at_sign_on(browser, authority):
    await browser.get(authority.authorize_url(prompt="login"))
    await browser.sign_on("a guess")


@settings(max_examples=examples(20), deadline=None)
@given(ACTIONS)
async def test_guesses_of_a_quarter_of_an_hour_are_few_wherever_they_are_made(actions):
    with tempfile.TemporaryDirectory() as folder:
        async with (
            running_authority(Path(folder) / "d") as authority,
            authority.client() as one,
            authority.client("192.0.2.9") as other,
        ):
            mine, strangers = Browser(authority, one), Browser(authority, other)
            section = f"{authority.path}/my/security"
            await mine.get(section)
            await mine.sign_on()
            passwords, checked = authority.services.passwords, dict.fromkeys(("mine", "strangers"), 0)
            verify = passwords.verify
            who = "mine"

            async def count(*arguments):
                checked[who] += 1
                return await verify(*arguments)

            passwords.verify = count
            for action in chain.from_iterable([each] * times for each, times in actions):
                who = "strangers" if action == "stranger" else "mine"
                match action:
                    case "change":
                        await guess_at_change(mine, section)
                    case "sign on":
                        await guess_at_sign_on(mine, authority)
                    case "stranger":
                        await guess_at_sign_on(strangers, authority)
                    case _:
                        authority.clock.instant += 30
            assert checked["mine"] <= KNOWN_BROWSER.free
            assert checked["strangers"] <= NETWORK.free
            user = await authority.store.users.find_user(authority.path[1:], "demouser")
            assert await verify(user.password_hash, PASSWORD)
