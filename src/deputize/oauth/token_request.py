"""What a grant is given and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deputize.jose import Verifier
from deputize.kernel.values import JsonObject
from deputize.oauth.ports import Codes, Grants, RefreshTokens, TokenStates
from deputize.oauth.records.directory import Agent, Environment


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token request whose client has been authenticated."""

    environment: Environment
    client: Agent
    parameters: Mapping[str, str]
    """Form parameters, each at most once (repeats were refused)."""
    now: float


@dataclass(frozen=True, slots=True)
class GrantPorts:
    """The world as grants may touch it."""

    codes: Codes
    grants: Grants
    refresh_tokens: RefreshTokens
    token_states: TokenStates
    new_segment: Callable[[str, str], str]
    """A fresh segment of a `jti` that begins with the terms of that agent and that resource."""
    derive: Callable[[str, int], str]
    """(grant id, generation) to the refresh token value of that generation.

    A keyed hash, stable across restarts.
    """
    verifier: Verifier = field(default_factory=Verifier)
    """Verifies subject and actor tokens.

    Share one with introspection, so that its memory of signatures serves both.
    """


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """What goes back to the client (RFC 6749 section 5.1, RFC 8693 section 2.2.1)."""

    access_token: str
    expires_in: int
    scope: str
    claims: JsonObject
    """The access token's claims, for the audit record; never sent."""
    refresh_token: str | None = None
    id_token: str | None = None
    issued_token_type: str | None = None
    subject_claims: JsonObject | None = None
    """Token exchange: the subject token's claims, for the audit record; never sent."""
    actor_claims: JsonObject | None = None
    """And the actor token's."""
    notes: tuple[str, ...] = field(default=())
    """For the log: what a mapping left out and why."""
