"""Agents: software acting for users."""

from typing import Annotated, Any, Self, TypeAlias

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from deputize.authority.directory.objects.directory_object import (
    AuthenticatingObject,
    Id,
    Instant,
    Translate,
    unknown_name,
)
from deputize.kernel.uris import UriError
from deputize.kernel.values import JsonObject
from deputize.oauth.client_auth import CLIENT_AUTH_METHODS, needs_secret
from deputize.oauth.client_auth.private_key_jwt import key_set_flaw
from deputize.oauth.document_urls import parse_document_url
from deputize.oauth.grants import GRANTS
from deputize.oauth.grants.grant_type import grant_word
from deputize.oauth.records.settings import STORED, AgentSettings, Description, Name, ScopeName

AUTHORIZATION_CODE = "authorization_code"


def grant_type_of(word: str) -> str | None:
    """The `grant_type` on the wire that a file writes as `word` or in full; `None`: nothing provides it."""
    grant = GRANTS.by_name.get(word) or GRANTS.by_name.get(word.lower())
    return grant.grant_type if grant else None


def word_of(grant_type: str) -> str:
    """The word by which a file gets this grant: in full where its word is another grant's, or nobody's."""
    word = grant_word(grant_type)
    return word if grant_type_of(word) == grant_type else grant_type


def _read_grant(word: str, info: ValidationInfo) -> str:
    grant_type = grant_type_of(word)
    if info.context is not STORED and grant_type is None:
        raise unknown_name("grant", word, (grant.word for grant in GRANTS.members))
    return grant_type or word


Grant: TypeAlias = Annotated[str, AfterValidator(_read_grant)]
"""A grant by its word or in full; kept in full."""


class AgentObject(AgentSettings, AuthenticatingObject):
    """Software that acts for users."""

    name: Name
    """What users read on the consent page, and other entries call it."""
    id: Id | None = None
    """Its client id; drawn when absent."""
    description: Description = ""
    """A note for readers of the file."""
    enabled: bool = True
    """`false` ends its tokens at once."""
    owner: Description = ""
    """Who answers for it: the username of an administrator with the role `agent_owner`, who may describe and
    stop it; or any text.
    """
    sponsor: Description = ""
    """Whom to ask whether it is still needed: a username, or any text."""
    expires_at: Instant = None
    """When its time is over, such as `2027-03-31T22:00:00Z`: it is as if disabled then, and its tokens end.
    Without an end by default.
    """
    grants: tuple[Grant, ...] = ()
    """How it gets tokens: words such as `token_exchange`, or a `grant_type` in full. `authorization_code` is
    on whenever there are redirect URIs. Stored in full: a word may come to mean the grant of another package.
    """
    redirect_uris: tuple[str, ...] = ()
    """Where users may be sent back to after sign-on; compared character by character."""
    scopes: dict[str, tuple[ScopeName, ...]] = Field(default_factory=dict)
    """Resource name to the scopes of it that are granted."""
    policies: tuple[Name, ...] = ()
    """The authentication policies its users sign on by, the first being the default."""

    @field_validator("client_auth")
    @classmethod
    def _check_client_auth(cls, method: str | None, info: ValidationInfo) -> str | None:
        if method is not None and info.context is not STORED and method not in CLIENT_AUTH_METHODS.by_name:
            raise unknown_name("client authentication method", method, CLIENT_AUTH_METHODS.by_name)
        return method

    @field_validator("jwks")
    @classmethod
    def _check_jwks(cls, jwks: dict[str, Any] | None, info: ValidationInfo) -> dict[str, Any] | None:
        flaw = key_set_flaw(jwks) if jwks is not None and info.context is not STORED else None
        if flaw:
            raise ValueError(flaw)
        return jwks

    @field_validator("jwks_uri")
    @classmethod
    def _check_jwks_uri(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is not None and info.context is not STORED:
            try:
                parse_document_url(url)
            except UriError as error:
                raise ValueError(str(error)) from error
        return url

    @property
    def needs_secret(self) -> bool:
        """Whether it authenticates by a secret, and not by something else or by nothing."""
        return needs_secret(self.client_auth)

    @property
    def grant_types(self) -> frozenset[str]:
        """The `grant_type` values on the wire that it may use; where there are redirect URIs, also codes."""
        implied = {AUTHORIZATION_CODE} if self.redirect_uris else set[str]()
        return frozenset({*implied, *self.grants})

    @property
    def needs_redirect_uris(self) -> bool:
        """Whether the authorization code grant is asked for."""
        return AUTHORIZATION_CODE in self.grants

    def translate(self, translation: Translate) -> Self:
        """The same with the names of resources for their ids, or the other way."""
        translated = {translation("resource", each): names for each, names in self.scopes.items()}
        signed_on_for = self.delegation_resource
        permitted = (translation("agent", each) for each in self.permitted_actors)
        return self.model_copy(
            update={
                "scopes": {each: names for each, names in translated.items() if each is not None},
                "delegation_resource": signed_on_for and translation("resource", signed_on_for),
                "permitted_actors": tuple(each for each in permitted if each is not None),
            }
        )

    def describe(self) -> JsonObject:
        """Grants and scopes in alphabetical order, with the grant that redirect URIs imply."""
        return {
            **super().describe(),
            "grants": sorted(map(word_of, self.grant_types)),
            "scopes": {resource: sorted(set(names)) for resource, names in self.scopes.items()},
        }
