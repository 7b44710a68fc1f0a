"""Identity assertions that the authority issues: an agent's user, for another authorization server.

draft-ietf-oauth-identity-assertion-authz-grant (ID-JAG). Which server, which resources and scopes there, and
under which `client_id`, the administrator wrote into the agent's `identity_assertions`.
"""

from typing import Final

from deputize.jose import sign
from deputize.kernel.ids import new_id
from deputize.kernel.uris import is_same_resource
from deputize.kernel.values import JsonValue
from deputize.oauth.assertions import ID_JAG, ID_JAG_TYPE
from deputize.oauth.errors import InvalidDPoPProof, InvalidScope, InvalidTarget
from deputize.oauth.grants.grant_type import TokenRequest, TokenResponse
from deputize.oauth.parameters import required, values_of
from deputize.oauth.records.settings import IdentityAssertion
from deputize.oauth.records.store import Authentication
from deputize.oauth.resources import format_scope, parse_scope

LIFETIME: Final = 300
"""Seconds: it is redeemed at once, and once."""


def issue_identity_assertion(request: TokenRequest, who: Authentication) -> TokenResponse:
    """The assertion that the request asks for, about the user of a sign-on for this client.

    Where the request proves a key, the assertion is bound to that. Raises `InvalidRequest`; `InvalidTarget`
    where the agent has none for that audience and resource; `InvalidScope` where nothing is left of what is
    asked for; `InvalidDPoPProof` where the agent gets nothing without a key.
    """
    audience = required(request.parameters, "audience")
    allowed = request.client.settings.identity_assertions
    found = next((each for each in allowed if each.audience == audience), None)
    if found is None or audience == request.environment.issuer:
        raise InvalidTarget(f"{request.client.name!r} has no identity assertions for {audience[:256]!r}")
    resource = _choose_resource(request, found)
    asked, offered = parse_scope(request.parameters.get("scope")), found.resources[resource]
    scope = format_scope(name for name in asked or offered if name in offered)
    if not scope:
        raise InvalidScope(f"identity_assertions names none of these scopes of {resource!r}")
    if request.client.settings.dpop_bound_access_tokens and request.key is None:
        raise InvalidDPoPProof(f"{request.client.name!r} has to prove a key, and the request holds no proof")
    claims: dict[str, JsonValue] = {
        "acr": who.acr,
        "aud": audience,
        "auth_time": who.auth_time,
        "client_id": found.client_id,
        "exp": int(request.now) + LIFETIME,
        "iat": int(request.now),
        "iss": request.environment.issuer,
        "jti": new_id(),
        "resource": resource,
        "scope": scope,
        "sub": who.user_id,
    }
    if request.key is not None:
        claims["cnf"] = {"jkt": request.key}
    algorithm = request.client.settings.id_token_signed_response_alg
    token = sign(claims, request.environment.keys, ID_JAG_TYPE, algorithm)
    return TokenResponse(token, LIFETIME, scope, claims, issued_token_type=ID_JAG, token_type="N_A")


def _choose_resource(request: TokenRequest, allowed: IdentityAssertion) -> str:
    """The one resource that is asked for, or that there is. Raises `InvalidTarget`."""
    asked = values_of(request.parameters, "resource")
    found = [
        each
        for each in allowed.resources
        if not asked or all(is_same_resource(value, each) for value in asked)
    ]
    if len(found) != 1:
        raise InvalidTarget(
            f"{len(found)} resources of identity_assertions for {allowed.audience!r} are asked for, not one"
        )
    return found[0]
