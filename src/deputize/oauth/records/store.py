"""What the authority remembers about people and grants: single-use, revocable, or personal.

Ids are UUID texts, instants are seconds since the epoch, digests are hex SHA-256 of the bearer value.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from deputize.kernel.values import JsonValue


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


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-on session in one browser; `id` is the tokens' `sid`."""

    id: str
    environment_id: str
    user_id: str
    cookie_digest: str
    auth_time: int
    expires_at: float
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """The latest acceptance of an agreement by a user."""

    environment_id: str
    user_id: str
    agreement_id: str
    version: int
    revision: str
    locale: str
    accepted_at: float
    expires_at: float | None
    withdrawn_at: float | None = None


@dataclass(frozen=True, slots=True)
class Authentication:
    """Who signed on, when, how: what every token that came from one sign-on carries along."""

    user_id: str
    session_id: str
    auth_time: int
    acr: str


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """A code waiting for redemption; it is redeemable once."""

    digest: str
    environment_id: str
    client_id: str
    redirect_uri: str
    code_challenge: str
    """S256 (RFC 7636)."""
    resource_id: str | None
    """The one custom resource asked for; `None` when only OpenID scopes were."""
    scopes: tuple[str, ...]
    """As asked and granted, OpenID scopes included."""
    authentication: Authentication
    nonce: str | None
    expires_at: float
    family_id: str
    """Ties together everything that comes from this code, so that a replay can end it all."""
    redeemed_at: float | None = None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The one live refresh token of a family, and what it may be used for.

    Token values are derived from a server key, the family and `generation`, so that a repeated request within the
    grace window is answered with the same successor although only digests are stored.
    """

    family_id: str
    environment_id: str
    client_id: str
    digest: str
    """Of the current generation."""
    previous_digest: str | None
    """Of the generation before it."""
    generation: int
    rotated_at: float
    """When `digest` became current."""
    expires_at: float
    family_expires_at: float
    resource_id: str | None
    scopes: tuple[str, ...]
    authentication: Authentication
    nonce: str | None = None
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether what a token rests on is still alive, read in one go."""

    user: User | None
    """`None` when the user is gone."""
    session: Session | None
    consents: tuple[Consent, ...]
    """The latest consent per agreement asked about."""
    revoked: frozenset[str]
    """Those of the `jti` values asked about that were revoked."""
