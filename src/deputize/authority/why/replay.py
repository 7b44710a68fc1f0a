"""Makes a decision again, from the snapshot of today.

Nothing is issued, stored or recorded. The rules are the protocol's own functions, so that what is said here
is what an agent meets.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from deputize.authority.why.decision import (
    MappingSeen,
    SettingOf,
    WhyDecision,
    WhyQuestion,
    WhyStep,
)
from deputize.authority.why.recorded import find_resource, redirect_values, setting_of, tell_recorded
from deputize.diagnosis import causes
from deputize.diagnosis.cause import Cause
from deputize.diagnosis.refusals import REDIRECT_URI_NOT_REGISTERED
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.access_tokens import (
    Issue,
    assemble,
    delegation_refusal,
    mapping_bindings,
    mapping_of,
)
from deputize.oauth.authorization_request import choose_policy
from deputize.oauth.consents import AGREEMENT_STEP, AgreementMissing, effective_agreements, why_due
from deputize.oauth.delegation import named_actor
from deputize.oauth.errors import OAuthError
from deputize.oauth.grants import authorization_code, client_credentials
from deputize.oauth.grants.grant_type import grant_word
from deputize.oauth.lineage import Lineage
from deputize.oauth.ports import Consents, TokenStates, Users
from deputize.oauth.reach import obtainable, reach_of
from deputize.oauth.records.directory import Agent, Environment, Policy, Resource
from deputize.oauth.records.store import Authentication, Consent, User
from deputize.oauth.redirect_uris import is_registered
from deputize.oauth.resources import (
    SEVERAL_RESOURCES,
    TOKEN_EXCHANGE,
    TokenTarget,
    choose_target,
    delegation_resources,
    resource_scopes,
)
from deputize.oauth.token_state import grant_refusal


class KnownPeople(Protocol):
    """The part of the store that a decision reads."""

    @property
    def users(self) -> Users:
        """The people."""
        ...

    @property
    def consents(self) -> Consents:
        """What they agreed to."""
        ...

    @property
    def token_states(self) -> TokenStates:
        """What tokens rest on."""
        ...


async def explain_decision(
    environment: Environment, people: KnownPeople, question: WhyQuestion, now: float
) -> WhyDecision:
    """Decide again, and tell each step. Reads, and changes nothing."""
    replay = _Replay(environment, people, question, now)
    claims: JsonObject = {}
    with suppress(_Ended):
        claims = await replay.run()
    return WhyDecision(tuple(replay.steps), claims)


class _Ended(Exception):
    """A step failed: what follows rests on it."""


class _Replay:
    """The decision, made again."""

    def __init__(
        self, environment: Environment, people: KnownPeople, question: WhyQuestion, now: float
    ) -> None:
        self.environment = environment
        self.people = people
        self.question = question
        self.now = now
        self.wanted = resource_scopes(question.scopes)
        self.steps: list[WhyStep] = []

    async def run(self) -> JsonObject:
        """Take the steps, and return what the token would say. Raises `_Ended`."""
        asked = self.question
        if asked.reason:
            user = await self.find_person() if asked.user else None
            self.steps.append(tell_recorded(self.environment, asked, user))
        if not asked.agent or asked.agent in self.environment.resources:
            return {}  # who asked is not known, or is no agent: what is recorded is all there is to say
        agent = self.find_agent(asked.agent)
        self.check_redirect_uri(agent)
        if not asked.resource and not self.wanted:
            return await self.decide_sign_on(agent)
        resource = self.find_resource(agent)
        scopes = self.choose_scopes(agent, resource)
        if not asked.user:
            return self.decide_without_user(agent, resource, scopes)
        named = self.question.signed_on_by
        signer = self.find_agent(named) if named not in {"", agent.id, agent.name} else agent
        self.check_grants(agent)
        target = self.choose_sign_on(agent, signer, resource, scopes)
        policy = self.choose_policy(signer)
        user = await self.find_user()
        await self.check_grant()
        consents = await self.people.consents.consents_of(self.environment.id, user.id)
        mine = [each for each in consents if each.client_id == signer.id]
        subject = self.issue_of(signer, target.signed_on_for, user, policy)
        if signer is not agent:  # whether the user named it comes before what it may obtain
            claims = self.decide_for_user(agent, target, subject)
            self.check_consents(mine, policy, agent, user, target, subject)
            return claims
        self.check_consents(mine, policy, agent, user, target, subject)
        return self.decide_for_user(agent, target, subject)

    async def decide_sign_on(self, agent: Agent) -> JsonObject:
        """Decide whether the agent may sign the user on, whatever for."""
        self.choose_policy(agent)
        if self.question.user:
            await self.find_user()
            await self.check_grant()
        return {}

    def decide_without_user(self, agent: Agent, resource: Resource, scopes: tuple[str, ...]) -> JsonObject:
        """Decide about a token of the agent's own, or so far as it can be without the user."""
        if self.question.redirect_uri:  # an authorization request, of which nobody knows yet whose it is
            self.check_grants(agent)
            self.choose_sign_on(agent, agent, resource, scopes)
            self.choose_policy(agent)
            return {}
        if self.question.grant_type not in {"", client_credentials.GRANT_TYPE}:
            return {}  # whose token or code was presented is not known
        return self.decide_own(agent, resource, scopes)

    def hold(self, name: str, said: str, setting: SettingOf | None = None) -> None:
        """Note that a step held."""
        self.steps.append(WhyStep(name, "held", said, setting=setting))

    def fail(
        self,
        name: str,
        cause: Cause,
        setting: SettingOf | None,
        mappings: Sequence[MappingSeen] = (),
        /,
        **values: str,
    ) -> _Ended:
        """Note that a step failed, and return what to raise."""
        values = {"environment": self.environment.name, **values}
        setting = setting or setting_of(cause, self.environment)
        self.steps.append(WhyStep(name, "failed", cause.symptom, cause, values, setting, tuple(mappings)))
        return _Ended()

    def check_redirect_uri(self, agent: Agent) -> None:
        """Whether the redirect URI that was sent, if any, is one of the agent's."""
        sent = self.question.redirect_uri
        if not sent:
            return
        setting = SettingOf("agent", agent.id, agent.name, "redirect_uris")
        if not is_registered(agent.redirect_uris, sent):
            values = {"agent": agent.name, **redirect_values(agent, sent)}
            raise self.fail("redirect-uri", REDIRECT_URI_NOT_REGISTERED, setting, **values)
        self.hold("redirect-uri", f"{sent} is registered for {agent.name}", setting)

    def find_agent(self, named: str) -> Agent:
        agents = self.environment.agents
        agent = agents.get(named) or next((each for each in agents.values() if each.name == named), None)
        if agent is None:
            raise self.fail("agent", causes.CLIENT_UNKNOWN, None, client_id=named)
        setting = SettingOf("agent", agent.id, agent.name, "expires_at" if agent.is_over else "enabled")
        if not agent.enabled:
            cause = causes.AGENT_EXPIRED if agent.is_over else causes.AGENT_DISABLED
            raise self.fail("agent", cause, setting, agent=agent.name)
        self.hold("agent", f"{agent.name} is enabled", setting)
        return agent

    def find_resource(self, agent: Agent) -> Resource:
        named = self.question.resource
        found = find_resource(self.environment, named) if named else self.owner_of_scopes(agent)
        if found is None:
            values = {"audience": named, "agent": agent.name}
            raise self.fail("resource", causes.AUDIENCE_UNKNOWN, None, **values)
        setting = SettingOf("resource", found.id, found.name, "audience")
        self.hold("resource", f"{found.name} has the audience {found.audience}", setting)
        return found

    def owner_of_scopes(self, agent: Agent) -> Resource:
        """The resource that is asked for by its scopes alone: one that was granted, before any other."""
        owners = [
            each for each in self.environment.resources.values() if each.scopes.keys() >= set(self.wanted)
        ]
        granted = [each for each in owners if agent.scopes.get(each.id, frozenset()).issuperset(self.wanted)]
        if len(owners := granted or owners) == 1:
            return owners[0]
        scope, names = " ".join(self.wanted), ", ".join(each.name for each in owners)
        if owners:
            answer = f"{SEVERAL_RESOURCES}: {scope} is a scope of {names}, and the request names none of them"
            raise self.fail("resource", causes.REQUEST_REFUSED, None, answer=answer)
        setting = SettingOf("agent", agent.id, agent.name, "scopes")
        raise self.fail("scopes", causes.SCOPE_NOT_GRANTED, setting, scope=scope, agent=agent.name)

    def choose_scopes(self, agent: Agent, resource: Resource) -> tuple[str, ...]:
        granted = agent.scopes.get(resource.id, frozenset[str]()) & resource.scopes.keys()
        scopes = self.wanted or obtainable(agent, resource)
        missing = [name for name in scopes if name not in granted]
        setting = SettingOf("agent", agent.id, agent.name, "scopes")
        if missing or not scopes:
            scope = " ".join(missing) or f"of {resource.name}"
            raise self.fail("scopes", causes.SCOPE_NOT_GRANTED, setting, scope=scope, agent=agent.name)
        self.hold("scopes", f"{' '.join(scopes)} of {resource.name} is granted", setting)
        return scopes

    def check_grants(self, agent: Agent) -> None:
        setting = SettingOf("agent", agent.id, agent.name, "grants")
        needed = (authorization_code.GRANT_TYPE, *([TOKEN_EXCHANGE] if self.question.exchanges else []))
        for grant_type in needed:
            if grant_type not in agent.grant_types:
                values = {"agent": agent.name, "grant": grant_word(grant_type)}
                raise self.fail("grants", causes.GRANT_NOT_GRANTED, setting, **values)
        self.hold("grants", f"{agent.name} may use {', '.join(map(grant_word, needed))}", setting)

    def choose_sign_on(
        self, agent: Agent, signer: Agent, resource: Resource, scopes: tuple[str, ...]
    ) -> TokenTarget:
        """What the user signs on for, and, where that is another resource, what it is exchanged for."""
        setting = SettingOf("agent", signer.id, signer.name, "delegation_resource")
        if self.question.exchanges:
            first = self.first_of_two_steps(signer, resource)
            if first is None:
                raise self.fail("sign-on", causes.MAY_ACT_MISSING, setting, audience="none of those granted")
            target = TokenTarget(resource, scopes, subject=first)
        else:
            asked = {"resource": resource.audience, "scope": " ".join(scopes)}
            try:
                target = choose_target(self.environment, agent, asked, user_present=True)
            except OAuthError as error:
                values = {"audience": "none of those granted", "reason": error.detail}
                raise self.fail("sign-on", causes.MAY_ACT_MISSING, setting, **values) from error
        if target.subject is None:
            self.hold("sign-on", f"the user signs on for {resource.name} itself")
        else:
            first = target.signed_on_for.resource.name
            self.hold(
                "sign-on", f"the user signs on for {first}, which is exchanged for {resource.name}", setting
            )
        return target

    def first_of_two_steps(self, agent: Agent, resource: Resource) -> TokenTarget | None:
        """What an agent that exchanges tokens itself has its users sign on for, if anything."""
        known = self.environment.resources
        granted = [known[each] for each in agent.scopes if each in known and each != resource.id]
        direct = [each for each in granted if not each.delegation_required and obtainable(agent, each)]
        chosen = next(iter((*delegation_resources(direct), *direct)), None)
        return TokenTarget(chosen, obtainable(agent, chosen)) if chosen else None

    def choose_policy(self, agent: Agent) -> Policy:
        setting = SettingOf("agent", agent.id, agent.name, "policies")
        try:
            policy = choose_policy(self.environment, agent)
            effective = effective_agreements(policy, self.environment.agreements)
        except (OAuthError, AgreementMissing) as error:
            values = {"agent": agent.name, "policy": str(error)}
            raise self.fail("policy", causes.POLICY_MISSING, setting, **values) from error
        disabled = [
            agreement
            for step in policy.steps
            if step.type == AGREEMENT_STEP
            and (agreement := self.environment.agreements[str(step.settings["agreement"])]) not in effective
        ]
        values = {"agent": agent.name, "policy": policy.name}
        if disabled:
            of = SettingOf("agreement", disabled[0].id, disabled[0].name, "enabled")
            named = {**values, "agreement": disabled[0].name}
            cause = causes.AGREEMENT_DISABLED
            self.steps.append(WhyStep("policy", "note", cause.symptom, cause, named, of))
        elif not effective:
            cause = causes.NO_CONSENT_PROMPT
            self.steps.append(WhyStep("policy", "note", cause.symptom, cause, values, setting))
        else:
            prompts = ", ".join(each.name for each in effective)
            self.hold("policy", f"{policy.name} asks for consent to {prompts}", setting)
        return policy

    async def find_user(self) -> User:
        user = await self.find_person()
        setting = SettingOf("user", user.id, user.username, "enabled") if user else None
        if user is None or not user.enabled:
            named = user.username if user else self.question.user
            raise self.fail("user", causes.USER_DISABLED, setting, user=named)
        self.hold("user", f"{user.username} is enabled", setting)
        return user

    async def find_person(self) -> User | None:
        """The user who is named by id or name."""
        named, users, environment_id = self.question.user, self.people.users, self.environment.id
        found = await users.find_user_by_id(environment_id, named)
        return found or await users.find_user(environment_id, named)

    async def check_grant(self) -> None:
        """Whether what the recorded request rested on, if anything, is still in force."""
        grant_id = self.question.grant_id
        if not grant_id:
            return
        state = await self.people.token_states.read_token_state(self.environment.id, grant_id, ())
        refusal = grant_refusal(self.environment, state, self.now)
        if refusal:
            setting = (
                SettingOf("user", state.user.id, state.user.username, "sessions") if state.user else None
            )
            raise self.fail("grant", causes.GRANT_ENDED, setting, reason=refusal)
        self.hold("grant", "the sign-on that it rests on is still in force")

    def check_consents(
        self,
        consents: Sequence[Consent],
        policy: Policy,
        agent: Agent,
        user: User,
        target: TokenTarget,
        subject: Issue,
    ) -> None:
        """Whether the user agreed, and to this."""
        given = {each.agreement_id: each for each in consents}
        asked = {agent.id: {target.resource.id: target.scopes}}
        reach = reach_of(subject, target)
        setting = SettingOf("user", user.id, user.username, "consents")
        for agreement in effective_agreements(policy, self.environment.agreements):
            consent = given.get(agreement.id)
            reason = why_due(consent, agreement, asked, self.now)
            scope = " ".join(target.scopes)
            values = {"user": user.username, "agent": agent.name, "reason": reason, "scope": scope}
            if reason:
                in_force = not why_due(consent, agreement, {}, self.now)
                cause = causes.CONSENT_DOES_NOT_COVER if in_force else causes.CONSENT_MISSING
                raise self.fail("consent", cause, setting, **values)
            if why_due(consent, agreement, reach, self.now):
                cause, scopes = causes.SCOPES_CHANGE, "what it may obtain since"
                named = {**values, "scopes": scopes}
                self.steps.append(WhyStep("consent", "note", cause.symptom, cause, named, setting))
            else:
                self.hold("consent", f"{user.username} agreed to {agreement.name}, and to this", setting)

    def decide_own(self, agent: Agent, resource: Resource, scopes: tuple[str, ...]) -> JsonObject:
        """Decide about a token that no user is behind."""
        setting = SettingOf("agent", agent.id, agent.name, "grants")
        if client_credentials.GRANT_TYPE not in agent.grant_types:
            values = {"agent": agent.name, "grant": "client_credentials"}
            raise self.fail("grants", causes.GRANT_NOT_GRANTED, setting, **values)
        if resource.delegation_required:
            required = SettingOf("resource", resource.id, resource.name, "delegation_required")
            raise self.fail("delegation", causes.DELEGATION_REQUIRED, required, resource=resource.name)
        return self.claims_of(self.issue_of(agent, TokenTarget(resource, scopes), None, None))

    def decide_for_user(self, agent: Agent, target: TokenTarget, subject: Issue) -> JsonObject:
        """Decide about the token that the user signs on for, and the one that it is exchanged for."""
        claims = self.claims_of(subject)
        if target.subject is None:
            return claims
        own = self.claims_of(self.issue_of(agent, target.subject, None, None))
        issue = self.issue_of(agent, target, subject.user, None)
        issue.grant_type, issue.subject, issue.actor = TOKEN_EXCHANGE, claims, own
        issue.authentication = subject.authentication
        claims = self.claims_of(issue)
        self.hold("exchange", f"the token says who acts: act = {claims.get('act')!r}")
        return claims

    def issue_of(self, agent: Agent, target: TokenTarget, user: User | None, policy: Policy | None) -> Issue:
        """A token about to be issued, which nobody gets."""
        resource, now = target.resource, self.now
        return Issue(
            environment=self.environment,
            client=agent,
            resource=resource,
            scopes=target.scopes,
            grant_type=authorization_code.GRANT_TYPE if user else client_credentials.GRANT_TYPE,
            now=now,
            expires_at=int(now) + resource.settings.token_lifetime,
            lineage=Lineage(None, ()),
            authentication=Authentication(user.id, "", int(now), policy.name) if user and policy else None,
            user=user,
            requested_scope=" ".join(target.requested),
        )

    def claims_of(self, issue: Issue) -> JsonObject:
        """What the token would say. Raises `_Ended` where it must not be issued."""
        resource = issue.resource
        try:
            claims = assemble(issue).claims
        except OAuthError as error:
            setting = SettingOf("resource", resource.id, resource.name, "attributes")
            cause = causes.REQUIRED_CLAIM_MISSING
            raise self.fail("claims", cause, setting, reason=error.detail) from error
        refusal = delegation_refusal(issue, claims)
        if refusal is None:
            return claims
        raise self.explain_delegation(issue, refusal)

    def explain_delegation(self, issue: Issue, refusal: str) -> _Ended:
        """Name the part of the mappings by which nobody acts, or somebody else."""
        resource, agent, subject = issue.resource, issue.client, issue.subject
        seen = [self.see(issue, "act")]
        setting = SettingOf("resource", resource.id, resource.name, "attributes")
        values = {"resource": resource.name, "reason": refusal, "client_id": agent.id}
        named = named_actor(subject or {})
        if subject is None or named == agent.id:
            return self.fail("act", causes.ACT_MAPPING_FALSE, setting, list(filter(None, seen)), **values)
        first = self.environment.resource_of_audience(str(next(iter(_texts(subject.get("aud"))), "")))
        if first is not None:
            setting = SettingOf("resource", first.id, first.name, "attributes")
            signer = self.environment.agents[str(subject.get("client_id"))]
            seen.append(self.see(self.first_issue(issue, signer, first), "may_act"))
        mappings = list(filter(None, seen))
        if named is None:
            audience = first.audience if first else ""
            return self.fail("may_act", causes.MAY_ACT_MISSING, setting, mappings, audience=audience)
        return self.fail("may_act", causes.MAY_ACT_NAMES_ANOTHER, setting, mappings, named=named, **values)

    def first_issue(self, issue: Issue, signer: Agent, resource: Resource) -> Issue:
        """The subject token of an exchange, before it was issued to `signer`."""
        target = TokenTarget(resource, obtainable(signer, resource))
        first = self.issue_of(signer, target, issue.user, None)
        first.authentication = issue.authentication
        return first

    def see(self, issue: Issue, claim: str) -> MappingSeen | None:
        """The mapping of a claim, and what of it was false; `None` where there is none."""
        mapping = mapping_of(issue.resource, claim)
        if mapping is None:
            return None
        return MappingSeen(claim, mapping.source, mapping.explain_parts(mapping_bindings(issue)))


def _texts(value: JsonValue) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list | tuple) else ()
