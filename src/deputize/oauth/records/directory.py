"""What an administrator configured, as the immutable snapshot that every request reads.

All ids are UUID texts, but that of an agent which introduced itself by a document: that is the document's
URL. Durations are seconds unless the name says otherwise. Instants are seconds since the epoch.
"""

from collections import ChainMap
from collections.abc import Collection, Hashable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from deputize.expressions.mapping import MappingExpression
from deputize.jose import KeyRing
from deputize.kernel.bounded_memory import BoundedMemory
from deputize.kernel.uris import normalise_resource
from deputize.kernel.values import JsonObject
from deputize.oauth.records.settings import (
    AgentSettings,
    AgreementSettings,
    EnvironmentSettings,
    RegistrationSettings,
    ResourceSettings,
)


@dataclass(frozen=True, slots=True)
class Attribute:
    """A claim of a resource's tokens and the mapping that computes it (authorization-server reference,
    section 2).
    """

    name: str
    mapping: MappingExpression
    required: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """Something a resource allows, and when users are asked for it."""

    description: str = ""
    """What it allows, in words for the user."""
    consent: Literal["first", "on_use"] = "first"
    """When users are asked.

    At an agent's first sign-on, or only once it asks for this scope by name (step-up).
    """
    descriptions: Mapping[str, str] = field(default_factory=dict[str, str])
    """`description` in other languages, by language tag."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A protected thing with an audience; a token for it carries its attributes and some of its scopes."""

    id: str
    name: str
    audience: str
    attributes: tuple[Attribute, ...]
    scopes: Mapping[str, Scope]
    """By name."""
    secret_digests: tuple[str, ...]
    """Hex SHA-256 of each secret that is valid now, newest first."""
    delegation_required: bool = False
    """Refuse every token for this resource that would carry no `act`."""
    settings: ResourceSettings = field(default_factory=ResourceSettings.model_construct)
    term: str = ""
    """Drawn by the store when the resource is new.

    What was issued for one that had its id or audience before has ended.
    """

    def maps(self, claim: str) -> bool:
        """Whether one of its attributes is this claim of its tokens."""
        return any(attribute.name == claim for attribute in self.attributes)


@dataclass(frozen=True, slots=True)
class AgentOrigin:
    """Where an agent came from that introduced itself."""

    means: Literal["document", "open", "initial_access_token", "software_statement"]
    """What let it in: its client ID metadata document, or a way to register itself (RFC 7591)."""
    detail: str
    """The host of the document, which its address proves; the id of the initial access token; who signed
    its software statement; else empty."""
    client_name: str
    """What it says it is called, made harmless to read; empty where it says nothing that can be shown.

    Nobody verified it.
    """
    created_at: float
    expires_at: float | None
    """When its time is over, in seconds since the epoch; `None`: as long as it is used."""


@dataclass(frozen=True, slots=True)
class Agent:
    """Software acting for users: an OAuth client with an identity of its own."""

    id: str
    """Also its `client_id`: a UUID, or the URL of its metadata document."""
    name: str
    """What its administrator calls it; of one that introduced itself, its id."""
    enabled: bool
    grant_types: frozenset[str]
    """`grant_type` values as they appear on the wire."""
    redirect_uris: tuple[str, ...]
    scopes: Mapping[str, frozenset[str]]
    """Resource id to the scopes of it that were granted."""
    secret_digests: tuple[str, ...]
    policies: tuple[str, ...] = ()
    """Names of authentication policies, in the order they are tried.

    Empty means the environment's default.
    """
    settings: AgentSettings = field(default_factory=AgentSettings.model_construct)
    term: str = ""
    """Drawn by the store when the agent is new, disabled or enabled.

    Whatever was issued in an earlier term has ended.
    """
    origin: AgentOrigin | None = None
    """`None` for an agent that an administrator set up."""
    is_over: bool = False
    """Whether its time ended it (`expires_at`): nobody disabled it, and it is as if somebody had."""

    @property
    def stopped(self) -> str:
        """What keeps it from having a part in anything, as a predicate; empty while it is enabled."""
        if self.enabled:
            return ""
        return "is past its end" if self.is_over else "is disabled"

    @property
    def ends_at(self) -> float | None:
        """When its time is over; `None`: as long as it is used."""
        return self.origin.expires_at if self.origin else getattr(self.settings, "expires_at", None)

    @property
    def title(self) -> str:
        """What people read as its name.

        Of one that introduced itself, what was verified: the host of its document. Where nothing was, what it
        says, in quotation marks, or else the beginning of its id.
        """
        if self.origin is None:
            return self.name
        if self.origin.means == "document":
            return self.origin.detail
        return f"“{self.origin.client_name or self.id[:8]}”"


@dataclass(frozen=True, slots=True)
class Registration:
    """Who may introduce themselves as agents of an environment, and what these agents are at most."""

    settings: RegistrationSettings
    template: Agent
    """What each of them has and is at most: policies, each with an agreement prompt; scopes; grant types;
    lifetimes. Without an id.
    """
    agent_lifetime: float | None = None
    """Seconds from its introduction to its end; `None`: as long as it is used."""


@dataclass(frozen=True, slots=True)
class AgreementText:
    """One language's wording of an agreement. A changed text is a new revision."""

    locale: str
    """BCP 47 language tag."""
    title: str
    content_type: str
    """`text/plain` or `text/html`."""
    text: str
    revision: str
    """Changes whenever the text does."""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Agreement:
    """A text a user accepts before an agent may act for them."""

    id: str
    name: str
    enabled: bool
    texts: tuple[AgreementText, ...]
    settings: AgreementSettings = field(default_factory=AgreementSettings.model_construct)
    version: int = 1
    """Raised by one whenever a text changes; a consent to an older version is due again."""


@dataclass(frozen=True, slots=True)
class Step:
    """A part of an authentication policy: the step's type and its own settings."""

    type: str
    """`LOGIN` or `AGREEMENT`."""
    settings: JsonObject
    """As the step's model of settings writes them in JSON.

    For `AGREEMENT`: `agreement` holds the agreement's id.
    """


@dataclass(frozen=True, slots=True)
class Policy:
    """An authentication policy; its name becomes the token's `acr`."""

    id: str
    name: str
    steps: tuple[Step, ...]
    term: str = ""
    """Drawn by the store when the policy is new.

    What users signed on for by one that had its name before has ended.
    """


@dataclass(frozen=True, slots=True)
class Environment:
    """One tenant of the authority.

    Everything its token endpoint needs that is not single-use or revocable.
    """

    id: str
    name: str
    organization_id: str
    issuer: str
    """`{base URL}/{id}/as`, kept as an opaque string end to end."""
    resources: Mapping[str, Resource]
    """By id."""
    agents: Mapping[str, Agent]
    """By id."""
    agreements: Mapping[str, Agreement]
    """By id."""
    policies: Mapping[str, Policy]
    """By name."""
    keys: KeyRing
    settings: EnvironmentSettings = field(default_factory=EnvironmentSettings.model_construct)
    registration: Registration | None = None
    """`None`: nobody introduces themselves."""
    agent_names: Collection[str] = frozenset()
    """The names of the agents that administrators set up, and the hosts whose documents are taken, as
    `client_names.skeleton` writes them: nobody else is shown under them.
    """
    live_terms: Mapping[str, Agent] = field(init=False, repr=False, compare=False)
    """The enabled agents by their terms: what was issued in any other term has ended."""
    resources_by_audience: Mapping[str, Resource] = field(init=False, repr=False, compare=False)
    """By normalised audience and by audience as configured; see `resource_of_audience`."""
    remembered: BoundedMemory[Hashable, Any] = field(
        init=False, repr=False, compare=False, default_factory=lambda: BoundedMemory(4096)
    )
    """What was found out from this snapshot alone, by what was asked; it is forgotten with the snapshot."""

    @property
    def title(self) -> str:
        """What users read as its name."""
        return self.settings.branding.name or self.name

    def __post_init__(self) -> None:
        """Compute once what every request looks up."""
        live = {agent.term: agent for agent in self.agents.values() if agent.enabled}
        object.__setattr__(self, "live_terms", live)
        normalised = {normalise_resource(each.audience): each for each in self.resources.values()}
        configured = {
            each.audience: normalised[normalise_resource(each.audience)] for each in self.resources.values()
        }
        object.__setattr__(self, "resources_by_audience", normalised | configured)

    def with_agent(self, agent: Agent) -> "Environment":
        """This environment with `agent`, which may be new, or other than it is stored.

        What was found out from the snapshot is not carried over: it may rest on what the agent was.
        """
        # Chained and not copied, for this is done for one request.
        agents, live = cast("dict[str, Agent]", self.agents), cast("dict[str, Agent]", self.live_terms)
        changed = copy(self)
        object.__setattr__(changed, "agents", ChainMap({agent.id: agent}, agents))
        if agent.enabled and agent.term:
            object.__setattr__(changed, "live_terms", ChainMap({agent.term: agent}, live))
        object.__setattr__(changed, "remembered", BoundedMemory(256))
        return changed

    def resource_of_audience(self, audience: str) -> Resource | None:
        """The resource with this audience, however that is spelled (RFC 3986 section 6.2)."""
        known = self.resources_by_audience
        return known.get(audience) or known.get(normalise_resource(audience))


@dataclass(frozen=True, slots=True)
class Directory:
    """Every environment, and the version of the database this snapshot was read from."""

    version: int
    environments: Mapping[str, Environment]
    """By id."""
