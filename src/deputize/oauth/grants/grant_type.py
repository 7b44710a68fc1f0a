"""What a grant is, what it is given, what it gives back, and what all grants check alike.

A grant is an asynchronous function from a `TokenRequest`, whose client was authenticated, and the
`GrantPorts` to a `TokenResponse`. It refuses by raising an `OAuthError`. A package adds one as a `GrantType`
behind an entry point of the group `deputize.grants`; from then on the metadata names it, environment files
may grant it to agents, by its last word or in full, and the token endpoint serves it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from deputize.jose import Verifier
from deputize.kernel.uris import is_same_resource
from deputize.kernel.values import JsonObject
from deputize.oauth.access_tokens import AccessToken
from deputize.oauth.dpop import Proof
from deputize.oauth.errors import InvalidGrant, InvalidTarget
from deputize.oauth.lineage import Lineage
from deputize.oauth.parameters import values_of
from deputize.oauth.ports import (
    ClientDocuments,
    Codes,
    Consents,
    Grants,
    OneTimeIds,
    RefreshTokens,
    TokenStates,
    Users,
)
from deputize.oauth.records.directory import Agent, Environment, Resource


@dataclass(slots=True)
class TokenRequest:
    """A token request of an authenticated client."""

    environment: Environment
    client: Agent
    parameters: Mapping[str, str]
    """Form parameters, each at most once (repeats were refused)."""
    now: float
    """Seconds since the epoch."""
    client_auth: str
    """By which method the client authenticated now; `none` for a public client."""
    proof: Proof | None = None
    """That the client holds a key, to which what it gets is bound (RFC 9449 section 5)."""

    @property
    def key(self) -> str | None:
        """The thumbprint of the key that the client proves to have."""
        return None if self.proof is None else self.proof.thumbprint


@dataclass(slots=True)
class GrantPorts:
    """The store and the keys, as far as grants may use them."""

    codes: Codes
    grants: Grants
    refresh_tokens: RefreshTokens
    token_states: TokenStates
    extend: Callable[[Lineage, str, str], Lineage]
    """(lineage, agent's term, resource's term) to the sealed lineage of one token more, for both of them.

    `Lineage(None)` is what an agent's own token extends, `Lineage(grant.id)` a user's first one.
    """
    derive: Callable[[str, int], str]
    """(grant id, generation) to the refresh token of that generation: a keyed hash, stable across restarts.
    """
    one_time_ids: OneTimeIds
    """Ids that count once, such as those of proofs."""
    users: Users
    consents: Consents
    documents: ClientDocuments
    """Fetches the keys of trusted issuers."""
    verifier: Verifier = field(default_factory=Verifier)
    """Verifies subject and actor tokens; shared with introspection, so that its memory serves both."""


@dataclass(slots=True)
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
    token_type: str | None = None
    """`N_A` for what is no access token (RFC 8693 section 2.2.1); otherwise the claims tell it."""
    subject_claims: JsonObject | None = None
    """Of a token exchange: the subject token's claims, for the audit record; never sent."""
    actor_claims: JsonObject | None = None
    """And the actor token's."""
    notes: tuple[str, ...] = ()
    """For the log: what a mapping left out and why."""


Handle: TypeAlias = Callable[[TokenRequest, GrantPorts], Awaitable[TokenResponse]]


@dataclass(frozen=True, slots=True)
class GrantType:
    """A way to get tokens: the `grant_type` on the wire, and the function that answers such requests."""

    grant_type: str
    """A word of RFC 6749, or a URI of your own (RFC 6749 section 4.5)."""
    handle: Handle
    """Called only for clients that were granted this grant type. Raises `OAuthError`s."""
    for_public_clients: bool = False
    """Whether clients may use it that prove nothing: something in the request itself, such as a code with its
    verifier, was given to this client alone.
    """

    @property
    def word(self) -> str:
        """Return how files write it (`grant_word`). No two grants share one: an agent would get the other."""
        return grant_word(self.grant_type)


def grant_word(grant_type: str) -> str:
    """Write a `grant_type` as files do: the end of a URN in lower case, with underscores; others in full."""
    if not grant_type.lower().startswith("urn:"):
        return grant_type
    return grant_type.rpartition(":")[2].replace("-", "_").lower()


def expires_at(resource: Resource, now: float) -> int:
    """When a token for `resource` issued now expires, in seconds since the epoch."""
    return int(now) + resource.settings.token_lifetime


def check_same_target(request: TokenRequest, resource: Resource) -> None:
    """Refuse a `resource` that is not the authorized one (RFC 8707 section 2.2). Raises `InvalidTarget`."""
    for name in ("resource", "audience"):
        if not all(
            is_same_resource(value, resource.audience) for value in values_of(request.parameters, name)
        ):
            raise InvalidTarget(f"{name} is not {resource.audience!r}, which was authorized")


def check_key(request: TokenRequest, bound_to: str | None, what: str) -> None:
    """Refuse `what` is bound to a key that the request does not prove. Raises `InvalidGrant`.

    RFC 9449 sections 5, 10: whoever stole a refresh token or a code has not stolen the key.
    """
    if bound_to is not None and request.key != bound_to:
        proven = "proves no key" if request.key is None else "proves another one"
        raise InvalidGrant(f"{what} is bound to a key, and the request {proven}")


def response_of(access: AccessToken, scope: str | None = None) -> TokenResponse:
    """The response with an access token alone.

    `scope` is given where more was granted than the token lists (OpenID scopes).
    """
    granted = scope if scope is not None else str(access.claims["scope"])
    return TokenResponse(access.token, access.lifetime, granted, access.claims, notes=access.notes)
