"""Whatever a user, an administrator and the clock do in whatever order.

A code means a living sign-on and consent.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.kernel.digests import digest
from deputize.oauth.consents import is_in_force
from deputize.oauth.token_state import grant_refusal
from support.agent_delegation import AGENT_ID, AGREEMENT_ID, ENVIRONMENT_ID, USER_ID
from support.authority import Browser, RunningAuthority, running_authority
from support.examples import examples

DAY = 86400
ACTIONS = (
    "authorize", "authorize", "prompt login", "sign on", "sign on", "wrong password", "accept", "accept",
    "decline", "no action",
    "withdraw", "sign off", "reload", "new version", "disable user", "enable user", "a day", ("two hundred "
                                                                                             "days"),
)  # fmt: skip


@dataclass
class Visit:
    """One user at one browser, and what the administrator does meanwhile."""

    authority: RunningAuthority
    browser: Browser

    async def do(self, action: str) -> None:
        match action:
            case "authorize":
                await self.browser.get(self.authority.authorize_url())
            case "prompt login":
                await self.browser.get(self.authority.authorize_url(prompt="login"))
            case "prompt none":
                await self.browser.get(self.authority.authorize_url(prompt="none"))
            case "sign on" | "wrong password" | "accept" | "decline" | "no action" | "go-on":
                await self.fill_in(action)
            case "reload":
                await self.browser.get(str(self.browser.response.url))
            case "withdraw":
                await self.authority.store.consents.withdraw_consents(
                    ENVIRONMENT_ID, USER_ID, AGENT_ID, self.authority.clock.now()
                )
            case "sign off":
                await self.browser.get(f"{self.authority.path}/as/signoff")
                if self.browser.heading == "Sign off?":
                    await self.browser.submit()
            case _:
                await self.change(action)

    async def fill_in(self, action: str) -> None:
        """Send the page that is shown, be it the right one for this or not."""
        if "<form" not in self.browser.response.text:
            return
        if action in {"sign on", "wrong password"}:
            password = {} if action == "sign on" else {"password": "wrong"}
            await self.browser.sign_on(**password)
        else:
            await self.browser.submit(**({} if action == "no action" else {"action": action}))

    async def change(self, action: str) -> None:
        agreement = self.authority.directory.environment.agreements[AGREEMENT_ID]
        match action:
            case "new version":
                self.authority.directory.replace_agreement(version=agreement.version + 1)
            case "disable user" | "enable user":
                await self.authority.set_user_enabled(enabled=action == "enable user")
            case "a day":
                self.authority.clock.instant += DAY
            case "two hundred days":
                self.authority.clock.instant += 200 * DAY

    async def check(self) -> None:
        """If the browser is being sent back with a code, everything it stands for is there."""
        location = self.browser.response.headers.get("location", "")
        if "code=" not in location:
            return
        now, store = self.authority.clock.now(), self.authority.store
        code = await store.codes.find_code(digest(self.browser.answer["code"]))
        user = await store.users.find_user_by_id(ENVIRONMENT_ID, USER_ID)
        cookie = self.browser.client.cookies[f"deputize-session-{ENVIRONMENT_ID}"]
        session = await store.sessions.find_session(ENVIRONMENT_ID, digest(cookie))
        state = await store.token_states.read_token_state(ENVIRONMENT_ID, code.grant_id, ())
        assert grant_refusal(self.authority.directory.environment, state, now) is None
        who = state.grant.authentication
        consents = {
            each.agreement_id: each for each in await store.consents.consents_of(ENVIRONMENT_ID, USER_ID)
        }
        agreement = self.authority.directory.environment.agreements[AGREEMENT_ID]
        assert user is not None
        assert user.enabled
        assert session is not None
        assert session.ended_at is None
        assert session.expires_at > now
        assert (who.user_id, who.session_id) == (USER_ID, session.id)
        assert who.auth_time == session.auth_time
        assert is_in_force(consents.get(AGREEMENT_ID), agreement, now)


@settings(max_examples=examples(30), deadline=None)
@given(st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=14))
async def test_a_code_means_a_living_sign_on_and_consent(actions):
    with tempfile.TemporaryDirectory() as folder:
        async with running_authority(Path(folder) / "data") as authority, authority.client() as client:
            visit = Visit(authority, Browser(authority, client))
            await visit.do("authorize")
            for action in actions:
                fresh = visit.browser.response
                await visit.do(action)
                if visit.browser.response is not fresh:
                    await visit.check()


@settings(max_examples=examples(30), deadline=None)
@given(st.lists(st.sampled_from((*ACTIONS, "go-on", "go-on", "prompt none")), min_size=1, max_size=14))
async def test_a_public_client_s_code_means_a_page_that_named_where_it_goes(actions):
    """No request leads to a code by itself, whatever was signed on and agreed to before."""
    with tempfile.TemporaryDirectory() as folder:
        async with running_authority(Path(folder) / "data") as authority, authority.client() as client:
            grants = frozenset({"authorization_code", "refresh_token"})
            authority.directory.replace_agent(client_auth="none", grant_types=grants)
            visit = Visit(authority, Browser(authority, client))
            await visit.do("authorize")
            for action in ("sign on", "accept", *actions):
                fresh = visit.browser.response
                await visit.do(action)
                if visit.browser.response is not fresh:
                    await visit.check()
                    granted = "code=" in visit.browser.response.headers.get("location", "")
                    assert not granted or action in {"accept", "go-on", "reload"}
