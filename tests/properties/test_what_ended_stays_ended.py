"""A token is active exactly while everything it rests on is in force and was never ended, whatever is done in
whatever order.

Two users, two agents, a real store, real pages. The model numbers the terms of agents and users and the
consents, and knows nothing of how the authority tells them apart.
"""

import asyncio
import contextlib
import itertools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from deputize.authority.app import Authority
from deputize.authority.directory.changes import add_missing_keys, new_environment
from deputize.authority.directory.service import open_directory
from deputize.authority.passwords import Passwords
from deputize.authority.services import Services
from deputize.authority.storage import (
    EnvironmentRow,
    ObjectRow,
    Put,
    Remove,
    SecretRow,
    open_store,
)
from deputize.kernel import ids
from deputize.kernel.digests import digest
from deputize.oauth.grants.token_exchange import ACCESS_TOKEN, GRANT_TYPE, ID_TOKEN
from deputize.oauth.introspection import LiveToken, find_live_token
from deputize.oauth.records.store import User
from support.agent_delegation import (
    ACT,
    AGENT_ID,
    AGENT_RESOURCE_ID,
    AGREEMENT_ID,
    ALL_GRANTS,
    ENVIRONMENT_ID,
    MAY_ACT,
    OTHER_ID,
    POLICY_NAME,
    REDIRECT_URI,
    SUBJECT_SUB,
    TEST_ID,
    VERIFIER,
)
from support.authority import HASHER, NOW, Browser, RunningAuthority, TurnableClock, basic
from support.databases import new_database
from support.examples import examples

POLICY_ID = "7f2c0c66-6a7b-4a0e-a9be-1f6f6e7f9a03"
SECOND_ID = "7f2c0c66-6a7b-4a0e-a9be-1f6f6e7f9a02"
KEYS = add_missing_keys(ENVIRONMENT_ID, (), (), NOW)
AGENTS, USERS = (AGENT_ID, OTHER_ID), ("ada", "grace")
USER_IDS = dict(
    zip(USERS, ("cf025143-501a-4d70-9c80-95d69121d701", "cf025143-501a-4d70-9c80-95d69121d702"), strict=True)
)
ENDINGS = (
    *(
        None,
        "consent",
        "consent to a part",
        "user",
        "password",
        "user anew",
        "agent",
        "agent anew",
        "resource anew",
        "policy anew",
    ),
    *("session", "token", "refresh token", "code"),
)
SCOPES = {AGENT_RESOURCE_ID: "agent", TEST_ID: "test", SECOND_ID: "second"}
ATTRIBUTES = {
    AGENT_RESOURCE_ID: {"sub": "user.username", "may_act": MAY_ACT},
    # The first agent may pass this on to the second.
    TEST_ID: {"sub": SUBJECT_SUB, "act": ACT, "may_act": f"{{'sub': '{OTHER_ID}'}}"},
    SECOND_ID: {},
}


@dataclass
class SignedOn:
    """What a user authorized an agent to do, as the model knows it."""

    agent: str
    user: str
    agent_term: int
    user_term: int
    policy_term: int
    resource_term: int
    consent: int
    session: str
    code: str
    refresh_token: str
    withdrawals: dict[str, int]
    """The user's last from each agent by then."""
    ended: bool = False


@dataclass
class Token:
    """A token and everything it rests on.

    `issues`: agent, resource and the terms of both of every issue on its way.
    """

    value: str
    kind: str
    holder: str
    may_act: str | None
    issues: tuple[tuple[str, int, str | None, int | None], ...]
    signed_on: SignedOn | None
    parent: "Token | None" = None
    revoked: bool = False


@dataclass
class Model:
    """Terms and consents by number; odd ends included."""

    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))
    agent_term: dict[str, int | None] = field(default_factory=dict)
    """`None` while it is disabled."""
    user_term: dict[str, int | None] = field(default_factory=dict)
    resource_term: dict[str | None, int | None] = field(
        default_factory=lambda: {None: None, **dict.fromkeys(SCOPES, 0)}
    )
    policy_term: int = 0
    consent: dict[tuple[str, str], int | None] = field(default_factory=dict)
    withdrawals: dict[str, dict[str, int]] = field(default_factory=lambda: {user: {} for user in USERS})
    """The number of each user's last withdrawal from each agent."""
    ended_sessions: set[str] = field(default_factory=set)
    granted: set[tuple[str, str]] = field(
        default_factory=lambda: {(agent, resource) for agent in AGENTS for resource in SCOPES}
    )
    offered: set[str] = field(default_factory=lambda: set(SCOPES))

    def issue(self, agent: str, resource: str | None) -> tuple[str, int | None, str | None, int | None]:
        return agent, self.agent_term[agent], resource, self.resource_term[resource]

    def may(self, agent: str, resource: str | None) -> bool:
        return resource is None or ((agent, resource) in self.granted and resource in self.offered)

    def is_alive(self, token: Token) -> bool:
        ancestor: Token | None = token
        while ancestor is not None:
            if ancestor.revoked:
                return False
            ancestor = ancestor.parent
        if any(
            issue != self.issue(issue[0], issue[2]) or not self.may(issue[0], issue[2])
            for issue in token.issues
        ):
            return False
        grant = token.signed_on
        return grant is None or (
            self.is_in_force(grant) and all(self.has_part(agent, grant) for agent, *_ in token.issues)
        )

    def has_part(self, agent: str, grant: SignedOn) -> bool:
        return self.withdrawals[grant.user].get(agent) == grant.withdrawals.get(agent)

    def is_in_force(self, grant: SignedOn) -> bool:
        return (
            not grant.ended
            and self.agent_term[grant.agent] == grant.agent_term
            and self.user_term[grant.user] == grant.user_term
            and self.policy_term == grant.policy_term
            and self.resource_term[AGENT_RESOURCE_ID] == grant.resource_term
            and self.consent.get((grant.user, grant.agent)) == grant.consent
            and grant.session not in self.ended_sessions
        )


class Lives(RuleBasedStateMachine):
    """The running authority beside its model."""

    def __init__(self) -> None:
        super().__init__()
        self.runner, self.stack, self.model = asyncio.Runner(), contextlib.AsyncExitStack(), Model()
        self.tokens: list[Token] = []
        self.grants: list[SignedOn] = []
        self.passwords, self.hashed = dict.fromkeys(USERS, "correct horse"), {}
        self.run(self.open())

    def run(self, work):
        return self.runner.run(work)

    async def open(self) -> None:
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.store = await self.stack.enter_async_context(open_store(new_database(Path(folder))))
        await self.change(
            *new_environment(
                EnvironmentRow(
                    ENVIRONMENT_ID, "Test", {"organization_id": ids.new_id(), "default_policy": POLICY_NAME}
                ),
            ),
            *KEYS,
        )
        await self.change(*self.policy_rows(), *(self.resource_row(each) for each in SCOPES))
        await self.change(
            *(
                Put(SecretRow(ids.new_id(), ENVIRONMENT_ID, each, digest(f"secret of {each}"), NOW))
                for each in SCOPES
            )
        )
        for agent in AGENTS:
            await self.put_agent(agent)
        for user in USERS:
            await self.put_user(user)
        clock = TurnableClock()
        self.directory = await open_directory(self.store.directory_rows, "http://authority.test", clock)
        passwords = Passwords(HASHER)
        self.stack.callback(passwords.close)
        self.services = Services(
            directory=self.directory,
            store=self.store,
            clock=clock,
            passwords=passwords,
            new_id=ids.new_id,
            new_token=ids.new_token,
            base_url="http://authority.test",
        )
        app = Authority(self.services)
        self.authority = RunningAuthority(
            app, self.store, clock, None, self.services, "http://authority.test", Path(folder)
        )
        self.client = await self.stack.enter_async_context(self.authority.client())
        self.browsers = {
            user: Browser(self.authority, await self.stack.enter_async_context(self.authority.client()))
            for user in USERS
        }

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()

    # What administrators do.

    def policy_rows(self):
        languages = [{"locale": "en", "title": "Consent", "text": "I agree"}]
        steps = [{"login": {}}, {"agreement_prompt": {"agreement": AGREEMENT_ID}}]
        yield self.row(AGREEMENT_ID, "agreement", "Agent Consent", {"languages": languages})
        yield self.row(POLICY_ID, "policy", POLICY_NAME, {"steps": steps})

    def row(self, object_id, kind, name, document):
        return Put(ObjectRow(object_id, ENVIRONMENT_ID, kind, name, document))

    def resource_row(self, resource):
        scopes = [{"name": SCOPES[resource]}] if resource in self.model.offered else []
        attributes = [
            {"name": name, "expression": expression} for name, expression in ATTRIBUTES[resource].items()
        ]
        document = {"audience": f"urn:{SCOPES[resource]}", "attributes": attributes, "scopes": scopes}
        return self.row(resource, "resource", SCOPES[resource], document)

    async def change(self, *changes) -> None:
        rows = self.store.directory_rows
        await rows.change(changes, await rows.version())
        if hasattr(self, "directory"):
            await self.directory.refresh()

    async def put_agent(self, agent, *, enabled=True, anew=True) -> None:
        document = {
            "enabled": enabled,
            "grants": sorted(ALL_GRANTS),
            "redirect_uris": [REDIRECT_URI],
            "scopes": {
                resource: [SCOPES[resource]] for resource in SCOPES if (agent, resource) in self.model.granted
            },
            "policies": [POLICY_NAME],
        }
        put = self.row(agent, "agent", f"Agent {agent[:4]}", document)
        secret = Put(SecretRow(ids.new_id(), ENVIRONMENT_ID, agent, digest("s" * 40), NOW))
        await self.change(*((Remove(put.row), put, secret) if anew else (put,)))
        if anew or (self.model.agent_term[agent] is not None) != enabled:
            self.model.agent_term[agent] = next(self.model.numbers) if enabled else None

    async def put_user(self, user, *, enabled=True, anew=True) -> None:
        known = await self.store.users.find_user_by_id(ENVIRONMENT_ID, USER_IDS[user])
        new = known is None or anew or self.hashed.get(user) != self.passwords[user]
        row = User(
            USER_IDS[user],
            ENVIRONMENT_ID,
            user,
            HASHER.hash(self.passwords[user]) if new else known.password_hash,
            enabled,
        )
        await self.change(*((Remove(row), Put(row)) if anew else (Put(row),)))
        self.hashed[user] = self.passwords[user]
        if anew:
            for agent in AGENTS:
                self.model.consent[user, agent] = None
        if new or (self.model.user_term[user] is not None) != enabled:
            self.model.user_term[user] = next(self.model.numbers) if enabled else None

    @rule(agent=st.sampled_from(AGENTS), enabled=st.booleans(), anew=st.integers(0, 3))
    def write_agent(self, agent, enabled, anew) -> None:
        """Disable, enable, or delete and create again with the same id."""
        self.run(self.put_agent(agent, enabled=enabled or anew == 0, anew=anew == 0))

    @rule(
        user=st.sampled_from(USERS), enabled=st.booleans(), anew=st.integers(0, 3), password=st.integers(0, 3)
    )
    def write_user(self, user, enabled, anew, password) -> None:
        """Disable, enable, give another password, or delete and create again with the same id."""
        if password == 0:
            self.passwords[user] += "!"
        self.run(self.put_user(user, enabled=enabled or anew == 0, anew=anew == 0))

    @rule(agent=st.sampled_from(AGENTS), resource=st.sampled_from([*SCOPES]), granted=st.booleans())
    def grant_scope(self, agent, resource, granted) -> None:
        (self.model.granted.add if granted else self.model.granted.discard)((agent, resource))
        self.run(self.put_agent(agent, enabled=self.model.agent_term[agent] is not None, anew=False))

    @rule(resource=st.sampled_from([*SCOPES]), offered=st.booleans())
    def offer_scope(self, resource, offered) -> None:
        (self.model.offered.add if offered else self.model.offered.discard)(resource)
        self.run(self.change(self.resource_row(resource)))

    @rule(resource=st.sampled_from([*SCOPES]))
    def create_resource_anew(self, resource) -> None:
        """Delete it, and create one with the same id and audience."""
        put = self.resource_row(resource)
        secret = Put(SecretRow(ids.new_id(), ENVIRONMENT_ID, resource, digest(f"secret of {resource}"), NOW))
        self.run(self.change(Remove(put.row), put, secret))
        self.model.resource_term[resource] = next(self.model.numbers)

    def create_policy_anew(self) -> None:
        _, put = self.policy_rows()
        self.run(self.change(Remove(put.row), put))
        self.model.policy_term = next(self.model.numbers)

    # What users do.

    @initialize()
    def begin(self) -> None:
        for user, agent in (("ada", AGENT_ID), ("ada", OTHER_ID), ("grace", AGENT_ID)):
            self.begin_anew(user, agent, None)

    @rule(user=st.sampled_from(USERS), agent=st.sampled_from(AGENTS), ending=st.sampled_from(ENDINGS))
    def begin_anew(self, user, agent, ending) -> None:
        """Something ends, everything is put right, and used.

        Sign-on, exchanges, and a chain of both agents.
        """
        match ending:
            case "consent":
                self.withdraw(user, agent)
            case "consent to a part":  # of the other agent, to which this one passes; it goes on itself
                self.withdraw(user, next(each for each in AGENTS if each != agent))
            case "user" | "password" | "user anew":
                self.write_user(
                    user,
                    enabled=ending != "user",
                    anew=int(ending != "user anew"),
                    password=int(ending != "password"),
                )
            case "agent" | "agent anew":
                self.write_agent(agent, enabled=False, anew=int(ending != "agent anew"))
            case "resource anew":
                self.create_resource_anew(AGENT_RESOURCE_ID)
            case "policy anew":
                self.create_policy_anew()
            case "session":
                self.end_session(-1)
            case "token" | "refresh token":  # the sign-on's, from which the others came
                self.revoke(
                    next(
                        n
                        for n, each in enumerate(reversed(self.tokens))
                        if len(each.issues) == 1 and each.kind == ACCESS_TOKEN
                    ),
                    ending == "refresh token",
                )
            case "code":
                self.replay_code(-1)
        self.model.granted, self.model.offered = (
            {(each, resource) for each in AGENTS for resource in SCOPES},
            set(SCOPES),
        )
        for resource in SCOPES:
            self.run(self.change(self.resource_row(resource)))
        for each in AGENTS:
            self.run(self.put_agent(each, anew=False))
        self.run(self.put_user(user, anew=False))
        self.run(self._sign_on(user, agent))
        subject = self.tokens[-2]
        self.run(self._exchange(subject, agent, SECOND_ID, acting=False))
        self.run(self._exchange(subject, agent, TEST_ID, acting=True))
        assert self.tokens[-1].may_act == OTHER_ID
        self.run(self._exchange(self.tokens[-1], OTHER_ID, SECOND_ID, acting=False))
        assert len(self.tokens[-1].issues) == 3

    @rule(user=st.sampled_from(USERS), agent=st.sampled_from(AGENTS))
    def sign_on(self, user, agent) -> None:
        """Through the pages: signing on, agreeing, or neither where that is in force."""
        self.run(self._sign_on(user, agent))

    async def _sign_on(self, user, agent) -> None:
        browser, model = self.browsers[user], self.model
        possible = (
            model.agent_term[agent] is not None
            and model.may(agent, AGENT_RESOURCE_ID)
            and model.user_term[user] is not None
        )
        await browser.get(self.authority.authorize_url(client_id=agent, scope="openid agent"))
        if browser.heading == "Sign on":
            await browser.sign_on(self.passwords[user], user)
        if browser.heading.startswith("Let "):
            assert possible
            if model.consent[user, agent] is None:
                model.consent[user, agent] = next(model.numbers)
            await browser.accept()
        location = browser.response.headers.get("location", "")
        assert ("code=" in location) == possible
        if possible:
            await self._redeem(user, agent, browser.answer["code"])

    async def _redeem(self, user, agent, code) -> None:
        answer = await self.ask(
            agent,
            grant_type="authorization_code",
            code=code,
            redirect_uri=REDIRECT_URI,
            code_verifier=VERIFIER,
        )
        members, model = answer.json(), self.model
        session = self.claims(members["access_token"])["sid"]
        terms = (
            model.agent_term[agent],
            model.user_term[user],
            model.policy_term,
            model.resource_term[AGENT_RESOURCE_ID],
        )
        grant = SignedOn(
            agent,
            user,
            *terms,
            model.consent[user, agent],
            session,
            code,
            members["refresh_token"],
            dict(model.withdrawals[user]),
        )
        self.grants.append(grant)
        self.tokens.append(
            Token(
                members["access_token"],
                ACCESS_TOKEN,
                agent,
                agent,
                (model.issue(agent, AGENT_RESOURCE_ID),),
                grant,
            )
        )
        self.tokens.append(
            Token(members["id_token"], ID_TOKEN, agent, None, (model.issue(agent, None),), grant)
        )

    @rule(user=st.sampled_from(USERS), agent=st.sampled_from(AGENTS))
    def withdraw(self, user, agent) -> None:
        self.run(self.store.consents.withdraw_consents(ENVIRONMENT_ID, USER_IDS[user], agent, NOW))
        self.model.consent[user, agent] = None
        self.model.withdrawals[user][agent] = next(self.model.numbers)

    @rule(index=st.integers(0, 40))
    def end_session(self, index) -> None:
        session = self.grants[index % len(self.grants)].session
        self.run(self.store.sessions.end_session(session, NOW))
        self.model.ended_sessions.add(session)

    # What agents do.

    async def ask(self, agent, **form) -> httpx2.Response:
        return await self.client.post(
            f"{self.authority.path}/as/token", data=form, headers=basic(agent, "s" * 40)
        )

    @rule(agent=st.sampled_from(AGENTS))
    def ask_for_an_own_token(self, agent) -> None:
        answer = self.run(self.ask(agent, grant_type="client_credentials", scope="agent"))
        possible = self.model.agent_term[agent] is not None and self.model.may(agent, AGENT_RESOURCE_ID)
        assert (answer.status_code == 200) == possible
        if possible:
            issue = self.model.issue(agent, AGENT_RESOURCE_ID)
            self.tokens.append(
                Token(answer.json()["access_token"], ACCESS_TOKEN, agent, None, (issue,), None)
            )

    @rule(
        index=st.integers(0, 60),
        who=st.integers(0, 3),
        acting=st.booleans(),
        resource=st.sampled_from([TEST_ID, SECOND_ID, *SCOPES]),
    )
    def exchange(self, index, who, acting, resource) -> None:
        """Mostly by an agent that may, for resources that map `act` and for one that does not."""
        subject = self.tokens[-1 - index % len(self.tokens)]
        stranger = next(each for each in AGENTS if each != subject.holder)
        agent = {0: stranger, 1: subject.may_act or subject.holder}.get(who, subject.holder)
        self.run(self._exchange(subject, agent, resource, acting=acting))

    async def _exchange(self, subject, agent, target, *, acting) -> None:
        form = {"subject_token": subject.value, "subject_token_type": subject.kind, "scope": SCOPES[target]}
        if acting:
            own = await self.ask(agent, grant_type="client_credentials", scope="agent")
            form |= {"actor_token": own.json().get("access_token", "-"), "actor_token_type": ACCESS_TOKEN}
        answer = await self.ask(agent, grant_type=GRANT_TYPE, **form)
        alive, model = self.model.is_alive(subject), self.model
        if answer.status_code != 200:
            assert not (alive and await self.must_succeed(subject, agent, target, acting=acting)), (
                answer.json()
            )
            return
        assert alive
        assert model.agent_term[agent] is not None
        assert model.may(agent, target)
        assert subject.signed_on is None or model.has_part(agent, subject.signed_on)
        assert agent in {subject.holder, subject.may_act}
        claims = self.claims(answer.json()["access_token"])
        assert (claims.get("act", {}).get("sub") == agent) == (subject.signed_on is not None)
        may_act = claims.get("may_act", {}).get("sub")
        issues = (*subject.issues, model.issue(agent, target))
        self.tokens.append(
            Token(
                answer.json()["access_token"],
                ACCESS_TOKEN,
                agent,
                may_act,
                issues,
                subject.signed_on,
                subject,
            )
        )

    async def must_succeed(self, subject, agent, target, *, acting) -> bool:
        """Whether nothing speaks against exchanging the signing-on agent's own token.

        Beyond that only soundness is checked.
        """
        if (
            len(subject.issues) != 1
            or subject.signed_on is None
            or agent != subject.holder
            or target == AGENT_RESOURCE_ID
        ):
            return False
        consents = await self.store.consents.consents_of(ENVIRONMENT_ID, USER_IDS[subject.signed_on.user])
        (consent,) = (each for each in consents if each.client_id == agent)
        covered = SCOPES[target] in consent.covers.get(agent, {}).get(target, ())
        acts = not acting or self.model.may(agent, AGENT_RESOURCE_ID)
        mapped = target == SECOND_ID or (acting and subject.may_act == agent)
        return covered and acts and mapped and self.model.may(agent, target)

    @rule(index=st.integers(0, 40))
    def refresh(self, index) -> None:
        grant = self.grants[-1 - index % len(self.grants)]
        answer = self.run(
            self.ask(grant.agent, grant_type="refresh_token", refresh_token=grant.refresh_token)
        )
        possible = self.model.is_in_force(grant) and self.model.may(grant.agent, AGENT_RESOURCE_ID)
        assert (answer.status_code == 200) == possible
        if possible:
            grant.refresh_token = answer.json()["refresh_token"]
            issue = self.model.issue(grant.agent, AGENT_RESOURCE_ID)
            self.tokens.append(
                Token(answer.json()["access_token"], ACCESS_TOKEN, grant.agent, grant.agent, (issue,), grant)
            )

    @rule(index=st.integers(0, 40))
    def replay_code(self, index) -> None:
        grant = self.grants[index % len(self.grants)]
        form = {
            "grant_type": "authorization_code",
            "code": grant.code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": VERIFIER,
        }
        assert self.run(self.ask(grant.agent, **form)).status_code in {400, 401}
        # Where the code would not be good for anything anyway, its replay ends nothing further.
        grant.ended |= self.model.is_in_force(grant) and self.model.may(grant.agent, AGENT_RESOURCE_ID)

    @rule(index=st.integers(0, 60), whole=st.booleans())
    def revoke(self, index, whole) -> None:
        token = self.tokens[-1 - index % len(self.tokens)]
        whole = whole and token.signed_on is not None
        holder = token.signed_on.agent if whole else token.holder
        value = token.signed_on.refresh_token if whole else token.value
        answer = self.run(
            self.client.post(
                f"{self.authority.path}/as/revoke", data={"token": value}, headers=basic(holder, "s" * 40)
            )
        )
        if answer.status_code != 200:
            assert self.model.agent_term[holder] is None
        elif whole:
            token.signed_on.ended = True
        elif token.kind == ACCESS_TOKEN:
            token.revoked = True

    def claims(self, token):
        environment = self.directory.current.environments[ENVIRONMENT_ID]
        return self.services.verifier.verify(token, environment.keys, environment.issuer, NOW)

    @invariant()
    def tokens_are_active_exactly_while_everything_they_rest_on_is(self) -> None:
        environment = self.directory.current.environments[ENVIRONMENT_ID]

        async def active(token):
            found = await find_live_token(
                environment, token.value, self.store.token_states, self.services.verifier, NOW
            )
            return isinstance(found, LiveToken), found

        for token in self.tokens:
            if token.kind == ACCESS_TOKEN:
                is_active, found = self.run(active(token))
                assert is_active == self.model.is_alive(token), found


def test_tokens_are_active_exactly_while_everything_they_rest_on_is_in_force():
    run_state_machine_as_test(
        Lives, settings=settings(max_examples=examples(6), stateful_step_count=20, deadline=None)
    )


@pytest.mark.parametrize("ending", ENDINGS[1:])
def test_each_end_is_final(ending):
    """The same without chance: one end after the other, with everything put right and used in between."""
    lives = Lives()
    try:
        lives.begin_anew("ada", AGENT_ID, None)
        lives.tokens_are_active_exactly_while_everything_they_rest_on_is()
        before = list(lives.tokens)
        assert all(map(lives.model.is_alive, before))
        lives.begin_anew("ada", AGENT_ID, ending)
        lives.tokens_are_active_exactly_while_everything_they_rest_on_is()
        exchanged = [each for each in before if each.issues[1:]]
        ended = [
            each
            for each in exchanged
            if ending != "consent to a part" or OTHER_ID in [agent for agent, *_ in each.issues]
        ]
        assert ended
        assert [each for each in exchanged if not lives.model.is_alive(each)] == ended
    finally:
        lives.teardown()
