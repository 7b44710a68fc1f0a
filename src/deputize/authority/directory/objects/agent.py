"""Agents: software acting for users."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, ValidationInfo

from deputize.authority.directory.objects.directory_object import (
    STORED,
    AuthenticatingObject,
    Description,
    Id,
    Name,
    ScopeName,
    Seconds,
    Translate,
    unknown_name,
)
from deputize.kernel.values import JsonObject
from deputize.oauth.client_auth import CLIENT_AUTH_METHODS
from deputize.oauth.grants import GRANTS

AUTHORIZATION_CODE = "authorization_code"


def grant_word(grant_type: str) -> str:
    """How files write a `grant_type`: the end of a URN, with underscores."""
    return grant_type.rpartition(":")[2].replace("-", "_")


def grant_type_of(word: str) -> str | None:
    """The `grant_type` on the wire that a file writes as `word` or in full; `None`: nothing provides it."""
    if word in GRANTS.by_name:
        return word
    words = {grant_word(grant_type): grant_type for grant_type in reversed(tuple(GRANTS.by_name))}
    return words.get(word.lower())


def _check_grant(word: str, info: ValidationInfo) -> str:
    if info.context is not STORED and grant_type_of(word) is None:
        raise unknown_name("grant", word, map(grant_word, GRANTS.by_name))
    return word


def _check_client_auth(method: str, info: ValidationInfo) -> str:
    if info.context is not STORED and method not in CLIENT_AUTH_METHODS.by_name:
        raise unknown_name("client authentication method", method, CLIENT_AUTH_METHODS.by_name)
    return method


class AgentObject(AuthenticatingObject):
    """Software acting for users."""

    name: Name
    """What users read on the consent page, and other entries call it."""
    id: Id | None = None
    """Its client id; drawn when absent."""
    description: Description = ""
    """For the reader."""
    enabled: bool = True
    """`false` ends its tokens at once."""
    grants: tuple[Annotated[str, AfterValidator(_check_grant)], ...] = ()
    """How it gets tokens: `authorization_code`, `client_credentials`, `refresh_token`, `token_exchange`, and
    those that packages add. The authorization code grant is on whenever there are redirect URIs.
    """
    redirect_uris: tuple[str, ...] = ()
    """Where users may be sent back to after sign-on; compared character by character."""
    post_logout_redirect_uris: tuple[str, ...] = ()
    """Where users may be sent after sign-off."""
    scopes: dict[str, tuple[ScopeName, ...]] = Field(default_factory=dict)
    """Resource name to the scopes of it that are granted."""
    policies: tuple[Name, ...] = ()
    """The authentication policies its users sign on by, the first being the default."""
    client_auth: Annotated[str, AfterValidator(_check_client_auth)] | None = None
    """How it has to send its secret to the authority: `client_secret_basic`, `client_secret_post` or what
    packages add; by default any way is taken.
    """
    refresh_token_lifetime: Annotated[Seconds, Field(ge=60)] = 30 * 86400
    """How long a refresh token lives unused; a number is seconds."""
    refresh_token_rolling_lifetime: Annotated[Seconds, Field(ge=60)] = 180 * 86400
    """How long it can be renewed, from sign-on; a number is seconds."""
    refresh_token_grace: Annotated[Seconds, Field(ge=0, le=86400)] = 30
    """How long a used refresh token is still answered, for answers lost on the way; a number is seconds."""

    @property
    def grant_types(self) -> frozenset[str]:
        """The `grant_type` values on the wire that it may use; where there are redirect URIs, also codes."""
        implied = {AUTHORIZATION_CODE} if self.redirect_uris else set[str]()
        return frozenset({*implied, *(grant_type_of(each) or each for each in self.grants)})

    @property
    def needs_redirect_uris(self) -> bool:
        """Whether the authorization code grant is asked for."""
        return any(grant_type_of(each) == AUTHORIZATION_CODE for each in self.grants)

    def translate(self, translation: Translate) -> Self:
        """The same with the names of resources for their ids, or the other way."""
        translated = {translation("resource", each): names for each, names in self.scopes.items()}
        return self.model_copy(
            update={"scopes": {each: names for each, names in translated.items() if each is not None}}
        )

    def describe(self) -> JsonObject:
        """Grants and scopes in alphabetical order, with the grant that redirect URIs imply."""
        return {
            **super().describe(),
            "grants": sorted(map(grant_word, self.grant_types)),
            "scopes": {resource: sorted(set(names)) for resource, names in self.scopes.items()},
        }
