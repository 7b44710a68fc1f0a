"""What the authority remembers about people and grants: single-use, revocable, or personal.

Ids are UUID texts, instants are seconds since the epoch, digests are hex SHA-256 of the bearer value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from deputize.kernel.values import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class User:
    """A person of one environment."""

    id: str
    environment_id: str
    username: str
    password_hash: str
    """Argon2id, encoded; empty means that no password signs this user on."""
    enabled: bool = True
    email: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    preferred_language: str | None = None
    attributes: Mapping[str, JsonValue] | None = None
    """Custom attributes, readable in mappings as `user.<name>`."""
    term: str = ""
    """Drawn by the store when the user is new, disabled or enabled, gets or has to choose another password.

    Whatever rests on an earlier term has ended for good. What a caller puts here is ignored.
    """
    withdrawals: Mapping[str, int] = field(default_factory=dict[str, int])
    """Agent id to the number of the user's last withdrawal from that agent; they are counted from 1.

    The store counts them, and what a caller puts here is ignored. What a user signed on for before a
    withdrawal gives that agent nothing more, whomever the user signed on.
    """

    must_change_password: bool = False
    """Whether the user has to choose another password before anything else, when they next sign on."""
    roles: str = ""
    """What the user may administer, as names of roles with blanks in between; empty for nearly everybody."""

    @property
    def withdrawn(self) -> int:
        """How many withdrawals there were so far, from any agent."""
        return max(self.withdrawals.values(), default=0)


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-on session in one browser; `id` is the tokens' `sid`."""

    id: str
    environment_id: str
    user_id: str
    cookie_digest: str
    auth_time: int
    expires_at: float
    """Until when it signs the user on without a page. Grants outlive that, but not `ended_at`."""
    ended_at: float | None = None
    user_term: str = ""
    """`User.term` when the user signed on."""
    created_at: float = 0.0
    last_used_at: float = 0.0
    factors: Mapping[str, int] = field(default_factory=dict[str, int], hash=False)
    """What the user proved this sign-on with (`oauth.factors`), and when, in seconds since the epoch."""


FactorKind: TypeAlias = Literal["passkey", "totp", "recovery_code", "external"]
"""`external` is a user's account with another OpenID provider."""


@dataclass(frozen=True, slots=True)
class Factor:
    """Something beside the password by which a user proves who they are."""

    id: str
    environment_id: str
    user_id: str
    kind: FactorKind
    key: str
    """The digest by which one is found, unlike any other of its kind: of a passkey's id, of a recovery code,
    of a provider and its name for the user; of an authenticator app the user's own id, for each has one.
    """
    name: str
    """What the user calls it, or the provider."""
    material: str
    """A passkey's public key, or an authenticator app's key under a seal; else empty."""
    counter: int
    """A passkey's signature counter, or the time step of the app's last code: no code up to it counts."""
    created_at: float
    last_used_at: float | None = None


Covers = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Agent id to resource id to scopes; the resource id "" stands for the environment's own OpenID scopes."""


WITHDRAWN_BY_USER: Final = "user"
"""`Consent.withdrawn_by` where the users did so themselves."""


@dataclass(frozen=True, slots=True)
class Consent:
    """A user's acceptance of an agreement for one agent: the latest for each user, agent and agreement."""

    id: str
    """Kept while a consent in force is extended; another one after it was withdrawn, expired or outdated.

    Grants name it, so that what ended with a consent stays ended when the user accepts again.
    """
    environment_id: str
    user_id: str
    client_id: str
    agreement_id: str
    version: int
    revision: str
    locale: str
    accepted_at: float
    expires_at: float | None
    covers: Covers = field(default_factory=dict[str, Mapping[str, tuple[str, ...]]])
    """What the page showed: what each agent may obtain on the strength of this consent."""
    withdrawn_at: float | None = None
    last_used_at: float | None = None
    """When a sign-on last led to a code, or a refresh token was used."""
    withdrawn_by: str | None = None
    """Who withdrew it: `WITHDRAWN_BY_USER`, or `administrator NAME`; `None` where that is not known."""

    @property
    def withdrawal(self) -> str:
        """That it was withdrawn, and by whom, to continue a sentence about it."""
        if self.withdrawn_by is None:
            return "was withdrawn"
        by = "the user" if self.withdrawn_by == WITHDRAWN_BY_USER else self.withdrawn_by
        return f"was withdrawn by {by}"


@dataclass(frozen=True, slots=True)
class Wording:
    """The words that a user said yes to, as a page showed them."""

    digest: str
    """Hex SHA-256 of the document."""
    document: JsonObject


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One time that a user agreed to something for an agent, as it was then.

    A consent is what of that is in force; this is kept when the consent is extended, expires or is withdrawn.
    """

    id: str
    environment_id: str
    user_id: str
    client_id: str
    agreement_id: str
    consent_id: str
    """`Consent.id` of what came of it."""
    version: int
    revision: str
    locale: str
    accepted_at: float
    expires_at: float | None
    covers: Covers = field(default_factory=dict[str, Mapping[str, tuple[str, ...]]])
    wording: str | None = None
    """`Wording.digest`; `None` where the words were not kept."""
    withdrawn_at: float | None = None
    withdrawn_by: str | None = None
    """As `Consent.withdrawn_by`."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """Who signed on, when, how: what every token that came from one sign-on carries along."""

    user_id: str
    session_id: str
    auth_time: int
    acr: str
    amr: tuple[str, ...] = ()
    """How, in the words of RFC 8176; empty where that is not known."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One authorization of an agent by a user, and by identity everything that it rests on.

    Code, refresh token and tokens refer to it.
    """

    id: str
    environment_id: str
    client_id: str
    client_term: str
    """`Agent.term` at that time."""
    user_term: str
    """`User.term` at that time."""
    policy_term: str
    """`Policy.term` at that time."""
    resource_term: str
    """`Resource.term` at that time."""
    authentication: Authentication
    resource_id: str | None
    """The one custom resource asked for; `None` when only OpenID scopes were."""
    scopes: tuple[str, ...]
    """As asked and granted, OpenID scopes included."""
    consents: Mapping[str, str]
    """Agreement id to the id of the consent in force then."""
    created_at: float
    expires_at: float
    """After that neither its code nor its refresh token is worth anything."""
    ended_at: float | None = None
    """When its code was replayed, or its refresh token reused or revoked."""
    delegated_resource_id: str | None = None
    """The resource requiring delegation that was asked for: what the agent gets is exchanged for it.

    `resource_id` and `scopes` are then of the token that is exchanged, which nobody ever holds.
    """
    delegated_scopes: tuple[str, ...] = ()
    """Of that resource, as asked and granted."""
    asserted: bool = False
    """Whether another issuer's identity assertion stands for the sign-on: no exchange obtains more than that
    names.
    """
    withdrawn: int = 0
    """`User.withdrawn` at that time: later withdrawals end the parts of their agents in this grant."""


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """A code waiting for redemption; it is redeemable once."""

    digest: str
    grant_id: str
    redirect_uri: str
    code_challenge: str
    """S256 (RFC 7636)."""
    nonce: str | None
    expires_at: float
    redeemed_at: float | None = None
    dpop_jkt: str | None = None
    """The thumbprint of the key that its redemption has to prove (RFC 9449 section 10)."""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The one live refresh token of a grant.

    Token values are derived from a server key, the grant and `generation`, so that a repeated request within
    the grace window is answered with the same successor although only digests are stored.
    """

    grant_id: str
    digest: str
    """Of the current generation."""
    previous_digest: str | None
    """Of the generation before it."""
    generation: int
    rotated_at: float
    """When `digest` became current."""
    expires_at: float
    dpop_jkt: str | None = None
    """The thumbprint of the key that its use has to prove, of a public client (RFC 9449 section 5)."""


@dataclass(frozen=True, slots=True)
class TokenState:
    """What the store holds about a token and what it rests on, read at one instant."""

    grant: Grant | None
    """`None` when it is gone, or was not asked about; so are the others."""
    user: User | None
    """The grant's, as is the session."""
    session: Session | None
    consents: tuple[Consent, ...]
    """The latest consents of the grant's user for the grant's client."""
    revoked: frozenset[str]
    """Those of the `jti` values asked about that were revoked."""
    judged: list[tuple[object, object, float]] = field(
        init=False, repr=False, compare=False, default_factory=list[tuple[object, object, float]]
    )
    """Which tokens are alive by this state, and until when; see `token_state.token_refusal`."""
