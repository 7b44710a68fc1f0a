"""What a caller may learn about a token (RFC 7662 section 2.2; reference section 9)."""

from collections.abc import Mapping
from typing import Final

from deputize.jose import TokenInvalid
from deputize.kernel.uris import is_same_resource
from deputize.kernel.values import JsonObject
from deputize.oauth.access_tokens import LiveToken
from deputize.oauth.client_auth.authentication import Caller
from deputize.oauth.records.directory import Agent, Environment

INACTIVE: Final[Mapping[str, bool]] = {"active": False}
"""The same for every reason, so that it tells nothing."""


def introspection_response(
    environment: Environment, caller: Caller, found: LiveToken | TokenInvalid
) -> JsonObject:
    """All claims of a live token, custom ones included, for the resource it is for and for the client it was
    issued to.
    """
    if introspection_refusal(environment, caller, found) or isinstance(found, TokenInvalid):
        return INACTIVE
    return {**found.claims, "active": True, "token_type": "Bearer"}


def introspection_refusal(
    environment: Environment, caller: Caller, found: LiveToken | TokenInvalid
) -> str | None:
    """The private reason why `caller` is told that the token is inactive, or `None`.

    A resource may see tokens whose audience it is. An agent may see tokens that were issued to it, as long as
    it has scopes on the resource they are for (or they are for the authority's own endpoints): what it could
    not obtain today it learns nothing of.
    """
    if isinstance(found, TokenInvalid):
        return found.reason
    audience = found.claims.get("aud")
    audiences = (
        [each for each in audience if isinstance(each, str)]
        if isinstance(audience, list | tuple)
        else list[str]()
    )
    if not isinstance(caller, Agent):
        its_own = any(is_same_resource(caller.audience, each) for each in audiences)
        return None if its_own else f"it is not for the resource {caller.name!r} that asks"
    if found.claims.get("client_id") != caller.id:
        return f"it was not issued to the agent {caller.name!r} that asks"
    resources = (environment.resource_of_audience(each) for each in audiences)
    usable = environment.issuer in audiences or any(
        resource and caller.scopes.get(resource.id) for resource in resources
    )
    return None if usable else f"it is for a resource the agent {caller.name!r} has no scope of"
