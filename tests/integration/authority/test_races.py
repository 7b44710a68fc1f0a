"""Ends that happen between a look and a write.

Whatever is handed out then is dead, and stays dead when everything is put right.
"""

import asyncio
import functools

import pytest

from deputize.authority.app import Authority
from deputize.authority.storage import Put
from deputize.oauth.grants.token_exchange import ACCESS_TOKEN, GRANT_TYPE
from deputize.oauth.introspection import LiveToken, find_live_token
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    CHAINED_ACT,
    ENVIRONMENT_ID,
    OTHER_ID,
    REDIRECT_URI,
    SUBJECT_SUB,
    TEST,
    TEST_AUDIENCE,
    TEST_ID,
    USER_ID,
    VERIFIER,
    attribute,
)
from support.authority import HASHER, PASSWORD, USER, Browser, basic, running_authority
from support.patience import PATIENCE
from support.records import replace


class Gate:
    """A part of the store that stops at one method: before its write, or after its read."""

    def __init__(self, part, method, *, after: bool) -> None:
        self._part, self._method, self._after = part, method, after
        self.reached, self.opened = asyncio.Event(), asyncio.Event()
        self.closed = False

    def __getattr__(self, name):
        real = getattr(self._part, name)
        if name != self._method or not self.closed:
            return real

        async def gated(*arguments):
            self.closed = False
            if self._after:
                result = await real(*arguments)
            self.reached.set()
            await self.opened.wait()
            return result if self._after else await real(*arguments)

        return gated


GATES = {
    "sign on": ("sessions", "add_session", False),
    "agree": ("consents", "record_consent", False),
    "authorize": ("codes", "add_code", False),
    "redeem": ("codes", "redeem_code", False),
    "refresh": ("refresh_tokens", "rotate_refresh_token", False),
    "exchange": ("token_states", "read_token_state", True),
}


class Place:
    """The authority, a user's browser, and what an agent got."""

    def __init__(self, authority, browser, agent, gate) -> None:
        self.authority, self.browser, self.agent, self.gate = authority, browser, agent, gate
        self.tokens: list[str] = []
        self.refresh_token = ""

    async def ask(self, client_id=AGENT_ID, **form):
        answer = await self.agent.post(f"{self.authority.path}/as/token", data=form, headers=basic(client_id))
        members = answer.json()
        if "access_token" in members:
            self.tokens.append(members["access_token"])
            self.refresh_token = members.get("refresh_token", self.refresh_token)
        return members.get("access_token")

    async def redeem(self, code):
        return await self.ask(
            grant_type="authorization_code", code=code, redirect_uri=REDIRECT_URI, code_verifier=VERIFIER
        )

    async def own(self):
        return await self.ask(grant_type="client_credentials", scope="agent")

    async def authorize(self):
        """As far as the pages lead; the code, if there is one."""
        await self.browser.get(self.authority.authorize_url())
        if self.browser.heading == "Sign on":
            await self.browser.sign_on()
        if self.browser.heading.startswith("Let "):
            await self.browser.accept()
        return self.browser.answer.get("code") if "location" in self.browser.response.headers else None

    async def until(self, step):
        """Everything before `step`, and what has to be run to take it."""
        if step in {"sign on", "agree", "authorize"}:
            return self.authorize
        code = await self.authorize()
        if step == "redeem":
            return lambda: self.redeem(code)
        subject, actor = await self.redeem(code), await self.own()
        self.tokens.clear()
        if step == "refresh":
            return lambda: self.ask(grant_type="refresh_token", refresh_token=self.refresh_token)
        form = {
            "subject_token": subject,
            "subject_token_type": ACCESS_TOKEN,
            "actor_token": actor,
            "actor_token_type": ACCESS_TOKEN,
        }
        return lambda: self.ask(grant_type=GRANT_TYPE, resource=TEST_AUDIENCE, scope="test", **form)

    async def pass_on(self, subject):
        """What the other agent gets for that token."""
        actor = await self.ask(OTHER_ID, grant_type="client_credentials", scope="agent")
        self.tokens.remove(actor)
        return await self.ask(
            OTHER_ID,
            grant_type=GRANT_TYPE,
            resource=TEST_AUDIENCE,
            scope="test",
            subject_token=subject,
            subject_token_type=ACCESS_TOKEN,
            actor_token=actor,
            actor_token_type=ACCESS_TOKEN,
        )

    async def withdraw_a_part_and_agree_again(self) -> None:
        """From the other agent, in what was agreed to for the one that signed the user on."""
        consents, now = self.authority.store.consents, self.authority.clock.now()
        (before,) = await consents.consents_of(ENVIRONMENT_ID, USER_ID)
        assert OTHER_ID in before.covers
        await consents.withdraw_consents(ENVIRONMENT_ID, USER_ID, OTHER_ID, now)
        (left,) = await consents.consents_of(ENVIRONMENT_ID, USER_ID)
        assert OTHER_ID not in left.covers
        assert await consents.record_consent(replace(before, accepted_at=now), left)

    async def end(self, how) -> None:
        """Something ends, and at once everything is as before."""
        store, now = self.authority.store, self.authority.clock.now()
        rows = store.directory_rows
        match how:
            case "consent withdrawn":
                await store.consents.withdraw_consents(ENVIRONMENT_ID, USER_ID, AGENT_ID, now)
            case "user disabled and enabled":
                for enabled in (False, True):
                    await self.authority.set_user_enabled(enabled=enabled)
            case "new password":
                for password in ("another", PASSWORD):
                    await rows.change(
                        [Put(replace(USER, password_hash=HASHER.hash(password)))], await rows.version()
                    )
            case "sessions ended":
                for session in await store.sessions.sessions_of(ENVIRONMENT_ID):
                    await store.sessions.end_session(session.id, now)
            case "agent disabled and enabled":
                self.authority.directory.replace_agent(term=f"{AGENT.term[:-1]}9")

    async def living(self) -> list[str]:
        services, environment = self.authority.services, self.authority.directory.environment
        store, now = self.authority.store, self.authority.clock.now()
        found = [
            await find_live_token(environment, each, store.token_states, services.verifier, now)
            for each in self.tokens
        ]
        return [each.claims["jti"] for each in found if isinstance(each, LiveToken)]


ENDS = (
    "consent withdrawn",
    "user disabled and enabled",
    "new password",
    "sessions ended",
    "agent disabled and enabled",
)
# What is not there yet cannot end: nobody has agreed before agreeing, no session is there before signing on.
NOT_YET = {("sign on", "consent withdrawn"), ("sign on", "sessions ended"), ("agree", "consent withdrawn")}
NOT_YET |= {(step, "agent disabled and enabled") for step in ("sign on", "agree")}


@pytest.mark.parametrize(
    ("step", "how"), [(step, how) for step in GATES for how in ENDS if (step, how) not in NOT_YET]
)
async def test_what_ends_between_the_look_and_the_write_gives_nothing_that_lives(tmp_path, step, how):
    async with running_authority(tmp_path) as authority:
        part, method, after = GATES[step]
        gate = Gate(getattr(authority.store, part), method, after=after)
        services = replace(authority.services, store=replace(authority.store, **{part: gate}))
        gated = replace(authority, app=Authority(services), services=services)
        async with gated.client() as client, gated.client() as agent:
            place = Place(gated, Browser(gated, client), agent, gate)
            take = await place.until(step)
            gate.closed = True
            taking = asyncio.create_task(take())
            async with asyncio.timeout(PATIENCE):
                await gate.reached.wait()
                await place.end(how)
                gate.opened.set()
                code = await taking
            if step in {"sign on", "agree", "authorize"} and code is not None:
                await place.redeem(code)
            assert await place.living() == []


@pytest.mark.parametrize("step", [*GATES])
async def test_without_an_end_the_same_gives_something_that_lives(tmp_path, step):
    async with running_authority(tmp_path) as authority:
        part, method, after = GATES[step]
        gate = Gate(getattr(authority.store, part), method, after=after)
        services = replace(authority.services, store=replace(authority.store, **{part: gate}))
        gated = replace(authority, app=Authority(services), services=services)
        async with gated.client() as client, gated.client() as agent:
            place = Place(gated, Browser(gated, client), agent, gate)
            take = await place.until(step)
            gate.closed = True
            taking = asyncio.create_task(take())
            async with asyncio.timeout(PATIENCE):
                await gate.reached.wait()
                gate.opened.set()
                code = await taking
            if step in {"sign on", "agree", "authorize"}:
                await place.redeem(code)
            assert len(await place.living()) == 1


@pytest.mark.parametrize("step", ["authorize", "redeem", "refresh", "exchange"])
async def test_what_is_withdrawn_from_an_agent_behind_another_between_the_look_and_the_write(tmp_path, step):
    """Even if it is agreed to again at once: who signed the user on goes on, and the other does not."""
    async with running_authority(tmp_path) as authority:
        chained = (attribute("sub", SUBJECT_SUB), attribute("act", CHAINED_ACT))
        resources = authority.directory.environment.resources
        authority.directory.replace(resources={**resources, TEST_ID: replace(TEST, attributes=chained)})
        authority.directory.replace_agent(permitted_actors=(OTHER_ID,))
        part, method, after = GATES[step]
        gate = Gate(getattr(authority.store, part), method, after=after)
        services = replace(authority.services, store=replace(authority.store, **{part: gate}))
        gated = replace(authority, app=Authority(services), services=services)
        async with gated.client() as client, gated.client() as agent:
            place = Place(gated, Browser(gated, client), agent, gate)
            take = await place.until("redeem" if step == "exchange" else step)
            if step == "exchange":
                subject = await take()
                place.tokens.clear()
                take = functools.partial(place.pass_on, subject)
            gate.closed = True
            taking = asyncio.create_task(take())
            async with asyncio.timeout(PATIENCE):
                await gate.reached.wait()
                await place.withdraw_a_part_and_agree_again()
                gate.opened.set()
                taken = await taking
            if step == "exchange":
                assert taken is not None, "it was decided before"
                assert await place.living() == []
                return
            subject = await place.redeem(taken) if step == "authorize" else taken
            assert len(await place.living()) == 1
            assert await place.pass_on(subject) is None
        async with authority.client() as client, authority.client() as agent:
            place = Place(authority, Browser(authority, client), agent, None)
            subject = await place.redeem(await place.authorize())
            assert await place.pass_on(subject) is not None
            assert len(await place.living()) == 2, "what is signed on for after that is something new"
