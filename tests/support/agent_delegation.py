"""The use case's environment as records, with a clock value, ports and requests to run it."""

import hashlib
import hmac
import itertools
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deputize.authority.client_documents import FetchedDocuments
from deputize.authority.fetching import Fetcher
from deputize.expressions.mapping import compile_mapping
from deputize.jose import KeyRing, SigningKey, new_key_ring
from deputize.kernel.clock import SystemClock
from deputize.kernel.digests import digest
from deputize.oauth.dpop import Proof
from deputize.oauth.grants import (
    answer,
    authorization_code,
    client_credentials,
    refresh_token,
    token_exchange,
)
from deputize.oauth.grants.authorization_code import challenge_of
from deputize.oauth.grants.grant_type import GrantPorts, TokenRequest, TokenResponse
from deputize.oauth.lineage import Lineage
from deputize.oauth.records.directory import (
    Agent,
    Agreement,
    AgreementText,
    Attribute,
    Environment,
    Policy,
    Resource,
    Scope,
    Step,
)
from deputize.oauth.records.settings import AgreementSettings, EnvironmentSettings
from deputize.oauth.records.store import Authentication, AuthorizationCode, Consent, Grant, Session, User
from deputize.oauth.resources import resource_of
from support.memory_store import MemoryStore
from support.records import replace

NOW = 1_774_039_729.0
ENVIRONMENT_ID = "4631af52-7ec7-48cf-848f-48cf8ca8e1ab"
ISSUER = f"https://auth.example.com/{ENVIRONMENT_ID}/as"
AGENT_ID = "adeeb901-7b64-453d-92bc-059bcbcc5958"
OTHER_ID = "0b2f8d3a-1111-4c4e-9d55-3f6b8d6f7a10"
AGENT_SECRET = "agent-secret-agent-secret-agent-secret"
TEST_ID = "7f2c0c66-6a7b-4a0e-a9be-1f6f6e7f9a01"
AGENT_RESOURCE_ID = "5e1b9d24-2c3f-4d0d-8b0e-8f2f7a1f2b02"
TEST_SECRET = "resource-secret-resource-secret-resource"
TEST_AUDIENCE = "https://ig.example.com:8443/mcp"
USER_ID = "cf025143-501a-4d70-9c80-95d69121d7b3"
SESSION_ID = "2dd6d4a4-0b59-4c99-8a57-4c189f09b24f"
AGREEMENT_ID = "9d6b1f70-3a52-4f0c-8d35-7d5f8d1c6e03"
POLICY_NAME = "Agent-Consent-Login"
REDIRECT_URI = "http://localhost:3000/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CODE = "the-code"

ACT = (
    "(#root.context.requestData.subjectToken.may_act.sub == #root.context.requestData.actorToken.client_id)"
    "?#root.context.requestData.subjectToken.may_act:null"
)
CHAINED_ACT = (
    "#root.context.requestData.subjectToken.act == null"
    ' ? {"sub": #root.context.requestData.actorToken.client_id}'
    ' : {"sub": #root.context.requestData.actorToken.client_id, "act": '
    "#root.context.requestData.subjectToken.act}"
)
MAY_ACT = (
    '(#root.context.requestData.grantType == "client_credentials")?null:({ "sub": '
    "#root.context.appConfig.clientId })"
)
SUBJECT_SUB = "#root.context.requestData.subjectToken.sub"

KEYS = KeyRing((*new_key_ring("k1", "k2", NOW).keys, *new_key_ring("k3", "k4", NOW, "RS256").keys))


def attribute(name: str, expression: str, *, required: bool = False) -> Attribute:
    return Attribute(name, compile_mapping(expression), required)


TEST = Resource(
    id=TEST_ID,
    name="test",
    audience=TEST_AUDIENCE,
    attributes=(attribute("sub", SUBJECT_SUB), attribute("act", ACT)),
    scopes={"test": Scope("Use the tools")},
    secret_digests=(digest(TEST_SECRET),),
    delegation_required=True,
    term="r-term-1",
)
AGENT_RESOURCE = Resource(
    id=AGENT_RESOURCE_ID,
    name="agent",
    audience="agent",
    attributes=(attribute("sub", "user.username"), attribute("may_act", MAY_ACT)),
    scopes={"agent": Scope("Talk to the agent")},
    secret_digests=(digest("agent-resource-secret"),),
    term="r-term-2",
)
ALL_GRANTS = frozenset(
    [
        authorization_code.GRANT_TYPE,
        client_credentials.GRANT_TYPE,
        refresh_token.GRANT_TYPE,
        token_exchange.GRANT_TYPE,
    ]
)
AGENT = Agent(
    id=AGENT_ID,
    name="MCP Tutorial",
    enabled=True,
    grant_types=ALL_GRANTS,
    redirect_uris=(REDIRECT_URI,),
    scopes={AGENT_RESOURCE_ID: frozenset({"agent"}), TEST_ID: frozenset({"test"})},
    secret_digests=(digest(AGENT_SECRET),),
    policies=(POLICY_NAME,),
    term="a-term-1",
)
OTHER = replace(AGENT, id=OTHER_ID, name="Other Agent", term="b-term-1")
TEXT = AgreementText(
    "en", "Agent Consent", "text/plain", "I consent to allow digital assistants to act on my behalf", "r1"
)
AGREEMENT = Agreement(
    AGREEMENT_ID, "Agent Consent", True, (TEXT,), AgreementSettings(reconsent_every="180 days")
)
POLICY = Policy("p-1", POLICY_NAME, (Step("LOGIN", {}), Step("AGREEMENT", {"agreement": AGREEMENT_ID})))
ENVIRONMENT = Environment(
    id=ENVIRONMENT_ID,
    name="Agent Delegation",
    organization_id="84c4c0c0-0ca2-43b4-a62c-d830882855bc",
    issuer=ISSUER,
    resources={TEST_ID: TEST, AGENT_RESOURCE_ID: AGENT_RESOURCE},
    agents={AGENT_ID: AGENT, OTHER_ID: OTHER},
    agreements={AGREEMENT_ID: AGREEMENT},
    policies={POLICY_NAME: POLICY},
    keys=KEYS,
    settings=EnvironmentSettings(default_policy=POLICY_NAME),
)
USER = User(
    USER_ID,
    ENVIRONMENT_ID,
    "demouser",
    "",
    email="demo@example.com",
    given_name="Demo",
    family_name="User",
    term="u-term-1",
)
SESSION = Session(
    SESSION_ID,
    ENVIRONMENT_ID,
    USER_ID,
    "c" * 64,
    int(NOW) - 368,
    NOW + 8 * 3600,
    None,
    USER.term,
    NOW - 368,
    NOW - 368,
)
CONSENT_ID = "3f7a3a5e-6f0b-4d0e-9c53-0d2f0f1f4a04"
COVERS = {agent: {AGENT_RESOURCE_ID: ("agent",), TEST_ID: ("test",)} for agent in (AGENT_ID, OTHER_ID)}
CONSENT = Consent(
    CONSENT_ID,
    ENVIRONMENT_ID,
    USER_ID,
    AGENT_ID,
    AGREEMENT_ID,
    1,
    "r1",
    "en",
    NOW - 300,
    NOW + 180 * 86400,
    COVERS,
)
OTHER_CONSENT = replace(CONSENT, id="3f7a3a5e-6f0b-4d0e-9c53-0d2f0f1f4a05", client_id=OTHER_ID)
LINEAGE = Lineage(None, (f"{AGENT.term}{AGENT_RESOURCE.term}{0:014d}",))
WHO = Authentication(USER_ID, SESSION_ID, SESSION.auth_time, POLICY_NAME)


def with_resource(environment: Environment, resource: Resource) -> Environment:
    return replace(environment, resources={**environment.resources, resource.id: resource})


def with_agent(environment: Environment, agent: Agent) -> Environment:
    return replace(environment, agents={**environment.agents, agent.id: agent})


def ring(*keys: SigningKey) -> KeyRing:
    return KeyRing(keys)


def seeded_store() -> MemoryStore:
    """Return a store with a user who signed on and consented."""
    store = MemoryStore()
    store.users[USER_ID] = USER
    store.sessions[SESSION_ID] = SESSION
    store.consents[CONSENT.id] = CONSENT
    store.consents[OTHER_CONSENT.id] = OTHER_CONSENT
    return store


@dataclass
class World:
    """An authority without HTTP: environment, store, clock, and token requests by its agents."""

    environment: Environment = ENVIRONMENT
    store: MemoryStore = field(default_factory=seeded_store)
    now: float = NOW
    ids: Any = field(default_factory=lambda: itertools.count(1))
    proof: Proof | None = None
    """What its requests prove."""
    ports: GrantPorts = field(init=False)

    def __post_init__(self) -> None:
        store = self.store
        self.ports = GrantPorts(
            codes=store,
            grants=store,
            refresh_tokens=store,
            token_states=store,
            extend=self.extend,
            derive=derive,
            one_time_ids=store,
            users=store,
            consents=store,
            documents=FetchedDocuments(Fetcher(), SystemClock()),
        )

    def extend(self, lineage: Lineage, agent_term: str, resource_term: str) -> Lineage:
        return lineage.append(f"{agent_term}{resource_term}{next(self.ids):014d}")

    async def ask(self, parameters: Mapping[str, str], client_id: str = AGENT_ID) -> TokenResponse:
        client = self.environment.agents[client_id]
        method = client.settings.client_auth or "client_secret_basic"
        request = TokenRequest(self.environment, client, parameters, self.now, method, self.proof)
        return await answer(request, self.ports)

    async def add_code(self, value: str = CODE, **changes: Any) -> AuthorizationCode:
        """Add a code and its grant; `changes` are of either."""
        of_code = {
            name: changes.pop(name)
            for name in ("nonce", "redirect_uri", "code_challenge", "dpop_jkt")
            if name in changes
        }
        grant = replace(self.grant(value, changes.get("client_id", AGENT_ID)), **changes)
        resource = resource_of(self.environment, grant.resource_id)
        grant = replace(grant, resource_term=resource.term if resource else "")
        code = AuthorizationCode(
            digest(value), grant.id, REDIRECT_URI, challenge_of(VERIFIER), None, self.now + 60
        )
        await self.store.add_code(replace(code, **of_code), grant)
        return code

    def grant(self, value: str = CODE, client_id: str = AGENT_ID) -> Grant:
        client = self.environment.agents[client_id]
        consents = {
            each.agreement_id: each.id for each in self.store.consents.values() if each.client_id == client_id
        }
        return Grant(
            id=grant_id_of(value),
            environment_id=ENVIRONMENT_ID,
            client_id=client_id,
            client_term=client.term,
            user_term=USER.term,
            policy_term=POLICY.term,
            resource_term=AGENT_RESOURCE.term,
            authentication=WHO,
            resource_id=AGENT_RESOURCE_ID,
            scopes=("agent",),
            consents=consents,
            created_at=self.now,
            expires_at=self.now + client.settings.refresh_token_rolling_lifetime,
        )

    async def redeem(self, value: str = CODE, client_id: str = AGENT_ID, **extra: str) -> TokenResponse:
        return await self.ask({**code_request(value), **extra}, client_id)

    async def sign_on(self, value: str = CODE, client_id: str = AGENT_ID, **changes: Any) -> TokenResponse:
        """Return what an agent has after its user signed on: the subject token."""
        await self.add_code(value, client_id=client_id, **changes)
        return await self.redeem(value, client_id)

    async def actor_token(self, client_id: str = AGENT_ID) -> str:
        return (
            await self.ask({"grant_type": "client_credentials", "scope": "agent"}, client_id)
        ).access_token

    async def exchange(
        self, subject: str, actor: str | None, client_id: str = AGENT_ID, scope: str = "test", **extra: str
    ) -> TokenResponse:
        return await self.ask({**exchange_request(subject, actor), "scope": scope, **extra}, client_id)

    async def refresh(self, value: str, client_id: str = AGENT_ID, **extra: str) -> TokenResponse:
        return await self.ask({"grant_type": "refresh_token", "refresh_token": value, **extra}, client_id)


def grant_id_of(value: str = CODE) -> str:
    """Return the id of the grant that the code `value` stands for."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, value))


def derive(grant_id: str, generation: int) -> str:
    return hmac.new(b"server key", f"{grant_id}.{generation}".encode(), hashlib.sha256).hexdigest()


def code_request(value: str = CODE) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": value,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
    }


def exchange_request(subject: str, actor: str | None) -> dict[str, str]:
    request = {
        "grant_type": token_exchange.GRANT_TYPE,
        "subject_token": subject,
        "subject_token_type": token_exchange.ACCESS_TOKEN,
    }
    if actor is not None:
        request |= {"actor_token": actor, "actor_token_type": token_exchange.ACCESS_TOKEN}
    return request
