"""What a caller may learn about a token (RFC 7662 section 2.2; reference section 9)."""

from collections.abc import Mapping
from typing import Final

from deputize.jose import TokenInvalid
from deputize.kernel.values import JsonObject
from deputize.oauth.access_tokens import LiveToken
from deputize.oauth.client_auth.authentication import Caller
from deputize.oauth.records.directory import Agent

INACTIVE: Final[Mapping[str, bool]] = {"active": False}
"""The same for every reason, so that it tells nothing."""


def introspection_response(caller: Caller, found: LiveToken | TokenInvalid) -> JsonObject:
    """All claims of a live token, custom ones included, for the resource it is for and for the client it was issued to."""
    if isinstance(found, TokenInvalid) or not is_visible(found.claims, caller):
        return INACTIVE
    return {**found.claims, "active": True, "token_type": "Bearer"}


def is_visible(claims: JsonObject, caller: Caller) -> bool:
    """Whether `caller` may see the token: a resource by audience, an agent as the client it was issued to."""
    if isinstance(caller, Agent):
        return claims.get("client_id") == caller.id
    audience = claims.get("aud")
    return isinstance(audience, list | tuple) and caller.audience in audience
