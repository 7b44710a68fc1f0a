"""What clients publish about themselves, fetched where they say: metadata documents, and keys.

draft-ietf-oauth-client-id-metadata-document. A document is looked at again whenever its time is over, so that
what counts is what its host says now, within what the administrator allows. Nothing of it is stored before a
user has signed on (decision 0017).
"""

from dataclasses import replace
from typing import Final, NamedTuple

from deputize.authority.directory.objects.introduction import Introduction
from deputize.authority.fetching import Documents, Fetcher, FetchFailed
from deputize.jose import IssuerKey, KeyInvalid, read_key_set
from deputize.kernel.clock import Clock
from deputize.kernel.strict_json import loads
from deputize.kernel.uris import UriError, parse_origin
from deputize.oauth.client_auth.authentication import PUBLIC
from deputize.oauth.client_metadata import MAX_BYTES, read_document
from deputize.oauth.document_urls import is_document_id, parse_document_url
from deputize.oauth.errors import (
    InvalidClient,
    InvalidClientDocument,
    InvalidClientMetadata,
    TemporarilyUnavailable,
)
from deputize.oauth.records.directory import Agent, Environment
from deputize.oauth.registration import admits_host

MAX_KEY_SET_BYTES: Final = 64 * 1024
"""Keys may come with their certificates."""


class PublishedAgent(NamedTuple):
    """An agent as its metadata document introduces it now; without a term where it has to be stored first."""

    agent: Agent
    introduction: Introduction
    """What is to be stored of it."""
    stored: Agent | None
    """As the directory knows it; `None` for one that has signed nobody on."""


def read_keys(_url: str, content: bytes) -> tuple[IssuerKey, ...]:
    """Return the keys of a document that is a JWK Set, at least one.

    Raises `KeyInvalid` and `JsonError`.
    """
    keys = read_key_set(loads(content, max_size=MAX_KEY_SET_BYTES, max_depth=8))
    if not keys:
        raise KeyInvalid("it has no key that verifies signatures here")
    return keys


class FetchedDocuments:
    """Fetches what clients publish, and remembers it for as long as it counts."""

    def __init__(self, fetcher: Fetcher, clock: Clock) -> None:
        """Start with nothing remembered."""
        self._clock = clock
        self._metadata = Documents(fetcher, clock, read_document, max_bytes=MAX_BYTES)
        self._keys = Documents(fetcher, clock, read_keys, max_bytes=MAX_KEY_SET_BYTES)

    async def introduced(self, environment: Environment, client_id: str) -> Environment:
        """Return the environment with the agent of the metadata document at `client_id`, as it says now.

        The environment as it is where `introduce` finds no such agent. Raises as that does.
        """
        found = await self.introduce(environment, client_id)
        return environment if found is None else environment.with_agent(found.agent)

    async def introduce(self, environment: Environment, client_id: str) -> PublishedAgent | None:
        """Return the agent of the metadata document at `client_id`, as it says now.

        `None` where the id is no URL, where it is that of an agent which an administrator set up or disabled,
        and where nobody may introduce themselves by documents. Raises `InvalidClientDocument`, and
        `TemporarilyUnavailable` where the host does not answer and no copy of the document is young enough.
        """
        stored, registration = environment.agents.get(client_id), environment.registration
        if (
            not is_document_id(client_id)
            or registration is None
            or not registration.settings.hosts
            or (stored is not None and (stored.origin is None or not stored.enabled))
        ):
            return None
        try:
            authority = parse_document_url(client_id).origin.authority
        except UriError as error:
            raise InvalidClientDocument(f"the client_id is no URL of a document: {error}") from error
        if not admits_host(registration.settings, authority):
            raise InvalidClientDocument(
                f"the client {client_id!r} is of a host that the environment does not admit; to take its "
                f"documents, add {authority} to hosts of registration in the environment file"
            )
        if authority == parse_origin(environment.issuer).authority:
            raise InvalidClientDocument(f"the client_id {client_id!r} is a URL of the authority itself")
        if environment.resource_of_audience(client_id):  # an ID token's aud is its client
            raise InvalidClientDocument(f"the client_id {client_id!r} is the audience of a resource")
        try:
            metadata = await self._metadata.get(client_id, is_known=stored is not None)
            introduction = Introduction(
                means="document",
                detail=authority,
                created_at=stored.origin.created_at if stored and stored.origin else self._clock.now(),
                metadata=metadata.members(),
            )
            agent = introduction.agent(registration, client_id, metadata, environment.agent_names)
        except FetchFailed as failure:
            detail = f"the metadata document {client_id!r} cannot be used: {failure.reason}"
            error = TemporarilyUnavailable(detail) if failure.may_pass else InvalidClientDocument(detail)
            raise error from failure
        except InvalidClientMetadata as error:
            raise InvalidClientDocument(
                f"the metadata document {client_id!r} cannot be used: {error.detail}"
            ) from error
        if stored is None and registration.settings.approval_required:
            agent = replace(agent, enabled=False)  # it waits as soon as it is stored
        # A public client is another agent than one that proves itself (`directory_rows`): it begins anew.
        if stored and (agent.settings.client_auth == PUBLIC) == (stored.settings.client_auth == PUBLIC):
            agent = replace(agent, term=stored.term)
        return PublishedAgent(agent, introduction, stored)

    async def keys_of(self, jwks_uri: str, *, newer: bool = False) -> tuple[IssuerKey, ...]:
        """Return the keys at `jwks_uri`; with `newer` fetched again unless they just were.

        Raises `InvalidClient`, and `TemporarilyUnavailable` as `introduce` does.
        """
        try:
            return await (self._keys.get_newer if newer else self._keys.get)(jwks_uri)
        except FetchFailed as failure:
            detail = f"the keys at {jwks_uri!r} cannot be used: {failure.reason}"
            raise (TemporarilyUnavailable if failure.may_pass else InvalidClient)(detail) from failure
