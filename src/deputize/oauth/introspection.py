"""Believing access tokens again, and what a caller may learn about one (RFC 7662; reference section 9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deputize.jose import TokenInvalid, Verifier
from deputize.kernel.uris import is_same_resource
from deputize.kernel.values import JsonObject
from deputize.oauth.client_auth.authentication import Caller
from deputize.oauth.dpop import token_type_of
from deputize.oauth.lineage import basis_of
from deputize.oauth.ports import TokenStates
from deputize.oauth.records.directory import Agent, Environment
from deputize.oauth.records.store import TokenState
from deputize.oauth.token_state import lapses_at, token_refusal

INACTIVE: Final[Mapping[str, bool]] = {"active": False}
"""The same for every reason, so that it tells nothing (section 2.2)."""


@dataclass(slots=True)
class LiveToken:
    """The verified claims of a token that is in force, and the state that was read for it."""

    claims: JsonObject
    state: TokenState
    until: float
    """When it dies by itself, in seconds since the epoch: it expires, or a consent lapses."""


async def find_live_token(
    environment: Environment, token: str, token_states: TokenStates, verifier: Verifier, now: float
) -> LiveToken | TokenInvalid:
    """An access token of this environment that is signed, in time, and rests on nothing that ended.

    Otherwise the reason, for the log. This is what introspection, userinfo and revocation believe. Nothing is
    read before the signature holds.
    """
    try:
        claims, basis = verifier.verify_and_read(basis_of, token, environment.keys, environment.issuer, now)
    except TokenInvalid as invalid:
        return invalid
    if basis is None:
        return TokenInvalid("its claims do not tell what it rests on")
    lineage = basis.lineage
    state = await token_states.read_token_state(environment.id, lineage.grant_id, lineage.ids)
    refusal = token_refusal(environment, basis, state, now)
    if refusal:
        return TokenInvalid(refusal)
    expiry = claims["exp"]  # a number, or it would not have been verified
    until = lapses_at(environment, basis, state)
    return LiveToken(claims, state, min(until, expiry) if isinstance(expiry, int | float) else now)


def introspection_refusal(
    environment: Environment, caller: Caller, found: LiveToken | TokenInvalid
) -> str | None:
    """The private reason why `caller` is told that the token is inactive, or `None`.

    A resource may see tokens whose audience it is. An agent may see tokens that were issued to it, as long as
    it has scopes on the resource they are for (or they are for the authority's own endpoints): it learns
    nothing of what it could not obtain today.
    """
    if isinstance(found, TokenInvalid):
        return found.reason
    audience = found.claims.get("aud")
    audiences = (
        [each for each in audience if isinstance(each, str)] if isinstance(audience, list | tuple) else []
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


def introspection_response(
    environment: Environment, caller: Caller, found: LiveToken | TokenInvalid
) -> tuple[JsonObject, str | None]:
    """What `caller` is told, and for the log the private reason where that is `INACTIVE`.

    All claims of a live token, custom ones included, go to the resource it is for and to the client it was
    issued to.
    """
    refusal = introspection_refusal(environment, caller, found)
    if refusal is not None or isinstance(found, TokenInvalid):
        return INACTIVE, refusal
    return {**found.claims, "active": True, "token_type": token_type_of(found.claims)}, None
