"""Whatever is asked for and sent in whatever order, a code means every factor that its policy demands."""

import tempfile
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.authority.factors import passkeys, recovery_codes, totp
from deputize.authority.factors.passkeys import PasskeyInvalid, RelyingParty
from deputize.kernel.digests import digest
from deputize.oauth.records.directory import Step
from deputize.oauth.records.store import Factor, User
from support.agent_delegation import ENVIRONMENT_ID, NOW, USER_ID
from support.authority import HASHER, PASSWORD, USER, Browser, RunningAuthority, running_authority
from support.examples import examples
from support.factors import LOGIN, code_of, demand, passkey
from support.factors import totp as totp_step
from support.passkeys import Authenticator, encode, shown_options
from support.records import replace

BASE_URL = "https://authority.test"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
POLICIES: dict[str, tuple[Sequence[Step], list[set[str]]]] = {
    "a password alone": ((LOGIN,), [{"password"}]),
    "password and code": ((LOGIN, totp_step()), [{"password"}, {"totp", "recovery_code"}]),
    "a passkey alone": ((passkey(),), [{"passkey"}]),
    "passkey or password": ((Step("LOGIN", {"or_passkey": True}),), [{"password", "passkey"}]),
    "all": ((LOGIN, passkey(), totp_step()), [{"password"}, {"passkey"}, {"totp", "recovery_code"}]),
    "code first": ((totp_step(), LOGIN), [{"password"}, {"totp", "recovery_code"}]),
    "code or passkey": (
        (LOGIN, totp_step(or_passkey=True)), [{"password"}, {"totp", "passkey", "recovery_code"}],
    ),
}  # fmt: skip
ACTIONS = (
    "type", "type", "wrong password", "code", "code", "old code", "recovery", "passkey", "passkey",
    "old passkey", "accept", "accept", "later", "no-recovery", "enrol", "register", "reload", "authorize",
    "prompt login", "end sessions", "disable", "temporary password", "choose", "half a minute", *POLICIES,
)  # fmt: skip

ONE = st.sampled_from(ACTIONS).map(lambda each: (each,))
# By chance alone nobody gets through a policy: some come in the order in which people do them.
RUNS = st.sampled_from([
    ("type", "accept"), ("type", "code", "accept"), ("passkey", "accept"), ("type", "passkey", "accept"),
    ("type", "passkey", "code", "accept"), ("authorize",),
    ("a password alone", "authorize", "type", "accept", "a passkey alone", "authorize"),
    ("temporary password", "authorize", "type", "choose", "accept"), ("type", "choose"),
    ("all", "authorize", "type", "code", "accept"), ("prompt login", "type"),
])  # fmt: skip


class Visit:
    """A user with an app and a passkey, at a browser where what they do may make no sense."""

    def __init__(self, authority: RunningAuthority, browser: Browser, recovery: Sequence[str]) -> None:
        self.authority, self.browser = authority, browser
        self.recovery, self.device = list(recovery), Authenticator(origin=BASE_URL)
        self.device.user_handle = USER_ID.encode()
        self.sent = ["", ""]
        self.password = PASSWORD
        self.demanded: list[set[str]] = []

    async def do(self, action: str) -> None:  # noqa: PLR0912 - one case an action
        now = self.authority.clock.now()
        match action:
            case "type":
                await self.fill_in(username="demouser", password=self.password, action="x")
            case "wrong password":
                await self.fill_in(username="demouser", password="wrong", action="sign-on")
            case "code":
                self.sent[0] = code_of(SECRET, now)
                await self.fill_in(code=self.sent[0], action="code")
            case "old code":
                await self.fill_in(code=self.sent[0], action="code")
            case "recovery":
                await self.fill_in(code=self.recovery[0], action="code")
            case "passkey":
                text = self.browser.response.text
                if 'data-passkey="get"' in text:
                    self.sent[1] = self.device.get(shown_options(text))
                await self.fill_in(passkey=self.sent[1], action="passkey")
            case "old passkey":
                await self.fill_in(passkey=self.sent[1], action="passkey")
            case "reload":
                await self.browser.get(str(self.browser.response.url))
            case "authorize" | "prompt login":
                prompt = "login" if action == "prompt login" else None
                await self.browser.get(self.authority.authorize_url(prompt=prompt))
            case "end sessions":
                for session in await self.authority.store.sessions.sessions_of(ENVIRONMENT_ID):
                    await self.authority.store.sessions.end_session(session.id, now)
            case "disable":
                await self.authority.set_user_enabled(enabled=False)
                await self.authority.set_user_enabled(enabled=True)
            case "temporary password":
                self.password = f"temporary {self.password[-9:]}"
                user, hashed = await self.user(), HASHER.hash(self.password)
                changed = replace(user, password_hash=hashed, must_change_password=True)
                await self.authority.store.users.put_user(changed)
            case "choose":
                before, chosen = await self.user(), f"chosen {self.password[-9:]}"
                await self.fill_in(current=self.password, new=chosen, repeat=chosen, action="change-password")
                if (await self.user()).password_hash != before.password_hash:
                    self.password = chosen
            case "half a minute":
                self.authority.clock.instant += 30
            case _ if action in POLICIES:
                steps, self.demanded = POLICIES[action]
                demand(self.authority, *steps)
            case _:
                await self.fill_in(action=action)

    async def user(self) -> User:
        user = await self.authority.store.users.find_user_by_id(ENVIRONMENT_ID, USER_ID)
        assert user
        return user

    async def fill_in(self, **typed: str) -> None:
        if "<form" in self.browser.response.text:
            is_switch = 'id="switch"' in self.browser.response.text
            await self.browser.submit(1 if is_switch else 0, **typed)

    async def check(self) -> None:
        if "code=" not in self.browser.response.headers.get("location", ""):
            return
        store = self.authority.store
        code = await store.codes.find_code(digest(self.browser.answer["code"]))
        state = await store.token_states.read_token_state(ENVIRONMENT_ID, code.grant_id, ())
        assert state.session.ended_at is None
        assert state.session.user_term == state.user.term
        assert not state.user.must_change_password or "password" not in state.session.factors
        for alternatives in self.demanded:
            assert state.session.factors.keys() & alternatives
        (session,) = [
            each for each in await store.sessions.sessions_of(ENVIRONMENT_ID) if each.id == state.session.id
        ]
        assert session.factors == state.session.factors


@settings(max_examples=examples(40), deadline=None)
@given(
    st.sampled_from([*POLICIES]),
    st.lists(st.sampled_from(ACTIONS).map(lambda each: (each,)) | RUNS, min_size=2, max_size=10),
)
async def test_no_factor_is_skipped_by_any_order_of_requests(policy, runs):
    with tempfile.TemporaryDirectory() as folder:
        async with running_authority(Path(folder) / "d", BASE_URL) as authority, authority.client() as client:
            visit = Visit(authority, Browser(authority, client), await equip(authority))
            visit.device.key = KEY
            await visit.do(policy)
            await visit.do("authorize")
            for action in chain.from_iterable(runs):
                before = visit.browser.response
                await visit.do(action)
                if visit.browser.response is not before:
                    await visit.check()


KEY = Authenticator().key


async def equip(authority: RunningAuthority) -> Sequence[str]:
    """Give the user an app, a passkey and recovery codes, which are returned."""
    services, device = authority.services, Authenticator(origin=BASE_URL, key=KEY)
    seal = await totp.seal_of(services, ENVIRONMENT_ID)
    sealed = seal.seal(SECRET, totp.binding(ENVIRONMENT_ID, USER_ID))
    party = RelyingParty("authority.test", BASE_URL, "Test")
    made = device.create(passkeys.creation_options(party, USER, (), "challenge-of-a-test"))
    key, material, counter = passkeys.verify_registration(party, "challenge-of-a-test", made)
    app = ("totp", totp.app_key(USER), sealed, 0)
    for kind, found, kept, count in (app, ("passkey", key, material, counter)):
        factor = Factor(kind, ENVIRONMENT_ID, USER_ID, kind, found, "", kept, count, NOW)
        assert await authority.store.factors.add_factor(factor, 1)
    return await recovery_codes.replace_codes(services, USER, NOW)


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_whatever_bytes_come_as_an_answer_they_count_or_are_refused(attestation, client_data):
    answer = (
        f'{{"id":"AA","rawId":"AA","type":"public-key","response":{{"clientDataJSON":"{encode(client_data)}",'
        f'"attestationObject":"{encode(attestation)}","authenticatorData":"{encode(attestation)}",'
        f'"signature":"{encode(client_data)}"}},"clientExtensionResults":{{}}}}'
    )
    party = RelyingParty("authority.test", BASE_URL, "Test")
    for read in (
        passkeys.read_challenge,
        passkeys.read_assertion,
        lambda text: passkeys.verify_registration(party, "challenge-of-a-test", text),
    ):
        try:
            read(answer)
        except PasskeyInvalid:
            continue
