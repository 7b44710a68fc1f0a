"""A remembered answer of introspection is the one that another look at everything would give."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from deputize.authority.endpoints import introspect
from deputize.authority.storage import Put, open_store, sqlite_url
from deputize.oauth.client_auth import CLIENT_AUTH_METHODS
from deputize.oauth.client_auth.authentication import ClientAuthMethod, Credentials
from deputize.oauth.records.directory import Directory
from support.agent_delegation import (
    AGENT_ID,
    AGENT_SECRET,
    AGREEMENT_ID,
    NOW,
    OTHER_ID,
    REDIRECT_URI,
    USER_ID,
    VERIFIER,
)
from support.authority import USER, Browser, basic, running_authority
from support.examples import examples
from support.records import replace


class Place:
    """An authority, another process at its database, and the tokens of a user and of an agent."""

    def __init__(self, authority, client, others) -> None:
        self.authority, self.client, self.others = authority, client, others
        self.tokens: dict[str, str] = {}

    async def post(self, endpoint, form, credentials=None):
        address = f"{self.authority.path}/as/{endpoint}"
        return await self.client.post(address, data=form, headers=credentials or basic())

    async def obtain(self) -> None:
        browser = Browser(self.authority, self.client)
        await browser.get(self.authority.authorize_url())
        await browser.sign_on()
        await browser.accept()
        form = {
            "grant_type": "authorization_code",
            "code": browser.answer["code"],
            "redirect_uri": REDIRECT_URI,
        }
        for name, asked in (
            ("user's", {**form, "code_verifier": VERIFIER}),
            ("agent's", {"grant_type": "client_credentials", "scope": "agent"}),
        ):
            self.tokens[name] = (await self.post("token", asked)).json()["access_token"]

    async def ask(self, token, credentials):
        answer = await self.post("introspect", {"token": self.tokens[token]}, credentials)
        return answer.status_code, {**answer.json(), "error_description": None}

    async def compare(self) -> None:
        """Ask everything as it is remembered, and once more with nothing remembered."""
        questions = [
            (token, each)
            for token in self.tokens
            for each in (basic(), basic(OTHER_ID), basic(secret="wrong"))
        ]
        remembered = [await self.ask(*question) for question in questions]
        directory = self.authority.directory
        held = directory.current
        directory.current = Directory(
            held.version, {directory.environment.id: replace(directory.environment)}
        )
        assert remembered == [await self.ask(*question) for question in questions]
        directory.current = held


async def wait(place, seconds: float) -> None:
    place.authority.clock.instant += seconds


async def change(place, **changes) -> None:
    place.authority.directory.replace_agent(**changes)


async def remind(place, every: float | None) -> None:
    agreement = place.authority.directory.environment.agreements[AGREEMENT_ID]
    settings = agreement.settings.model_copy(update={"reconsent_every": every})
    place.authority.directory.replace_agreement(settings=settings)


async def change_user(place, *, enabled: bool) -> None:
    rows = place.others.directory_rows
    await rows.change([Put(replace(USER, enabled=enabled))], await rows.version())


async def end_sessions(place) -> None:
    for session in await place.others.sessions.sessions_of(place.authority.directory.environment.id):
        await place.others.sessions.end_session(session.id, NOW)


ACTIONS = {
    "a minute passes": lambda place: wait(place, 60),
    "the tokens expire": lambda place: wait(place, 3600),
    "the clock is set back": lambda place: wait(place, -120),
    "the user's token is revoked": lambda place: place.post("revoke", {"token": place.tokens["user's"]}),
    "the agent's token is revoked": lambda place: place.post("revoke", {"token": place.tokens["agent's"]}),
    "another process disables the user": lambda place: change_user(place, enabled=False),
    "another process enables the user": lambda place: change_user(place, enabled=True),
    "another process ends the sessions": end_sessions,
    "another process withdraws the consents": lambda place: place.others.consents.withdraw_consents(
        place.authority.directory.environment.id, USER_ID, AGENT_ID, NOW
    ),
    "the agent is disabled": lambda place: change(place, enabled=False),
    "the agent is enabled": lambda place: change(place, enabled=True),
    "the agent's scopes are taken": lambda place: change(place, scopes={}),
    "the agent gets another secret": lambda place: change(place, secret_digests=("0" * 64,)),
    "consents last 30 seconds": lambda place: remind(place, 30.0),
    "consents last": lambda place: remind(place, None),
}


@settings(max_examples=examples(60), deadline=None)
@example(["the tokens expire"])
@example(["consents last 30 seconds", "a minute passes"])
@given(st.lists(st.sampled_from(sorted(ACTIONS)), max_size=6))
def test_a_remembered_answer_is_what_another_look_gives(actions) -> None:
    asyncio.run(play(actions))


async def play(actions) -> None:
    """Do the actions, and compare all answers after each."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            running_authority(Path(folder)) as authority,
            authority.client() as client,
            open_store(sqlite_url(Path(folder))) as others,
        ):
            place = Place(authority, client, others)
            await place.obtain()
            await place.compare()
            for action in actions:
                await ACTIONS[action](place)
                await place.compare()


async def test_a_live_token_is_looked_at_once_while_nothing_changes(tmp_path) -> None:
    async with running_authority(tmp_path) as authority, authority.client() as client:
        place = Place(authority, client, None)
        await place.obtain()
        first = await place.ask("user's", basic())
        assert first[1]["active"]
        looks = authority.directory.environment.remembered
        (question,) = [each for each in looks if each[0] == "introspection"]
        answer = looks[question]
        assert await place.ask("user's", basic()) == first
        assert looks[question] is answer
        await place.post("revoke", {"token": place.tokens["user's"]})
        assert not (await place.ask("user's", basic()))[1]["active"]


async def test_long_answers_are_not_remembered(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(introspect, "MAX_REMEMBERED", 100)
    async with running_authority(tmp_path) as authority, authority.client() as client:
        place = Place(authority, client, None)
        await place.obtain()
        assert (await place.ask("user's", basic()))[1]["active"]
        assert not [each for each in authority.directory.environment.remembered if each[0] == "introspection"]


async def test_credentials_of_another_package_are_read_each_time(tmp_path, monkeypatch) -> None:
    """What they prove may depend on more than their text: they may expire, or be good once."""
    left = [Credentials(AGENT_ID, AGENT_SECRET, "once")]
    once = ClientAuthMethod("once", lambda _, form: left.pop() if left and "proof" in form else None)
    members = (*CLIENT_AUTH_METHODS.members, once)
    monkeypatch.setitem(CLIENT_AUTH_METHODS.__dict__, "members", members)
    async with running_authority(tmp_path) as authority, authority.client() as client:
        place = Place(authority, client, None)
        await place.obtain()
        form = {"token": place.tokens["user's"], "proof": "x"}
        answers = [await client.post(f"{authority.path}/as/introspect", data=form) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 401]
