"""User information (OpenID Connect Core section 5.3) for a token whose audience is the authority itself."""

from deputize.authority.endpoint import (
    Endpoint,
    EndpointCall,
    error_document,
    json_response,
    log_refusal,
)
from deputize.authority.proofs import challenges, check_possession, status_of
from deputize.http.messages import Response
from deputize.jose import TokenInvalid
from deputize.oauth.dpop import bound_key
from deputize.oauth.errors import (
    InsufficientScope,
    InvalidToken,
    OAuthError,
)
from deputize.oauth.id_tokens import profile_claims
from deputize.oauth.introspection import find_live_token
from deputize.oauth.resources import parse_scope


async def answer_userinfo(call: EndpointCall) -> Response:
    """Answer with the claims about the user that the token's OpenID scopes ask for."""
    scheme, _, token = (call.authorization or "").partition(" ")
    scheme, token = scheme.lower(), token.strip()
    if scheme not in {"bearer", "dpop"}:
        raise InvalidToken("no access token was presented")
    services = call.services
    found = await find_live_token(
        call.environment, token, services.store.token_states, services.verifier, call.now
    )
    if isinstance(found, TokenInvalid):
        raise InvalidToken(found.reason)
    await check_possession(
        call, f"{call.environment.issuer}/userinfo", scheme, token, bound_key(found.claims)
    )
    audience, scope = found.claims.get("aud"), found.claims.get("scope")
    if not isinstance(audience, list) or call.environment.issuer not in audience:
        raise InvalidToken("the token is for another resource")
    scopes = parse_scope(scope if isinstance(scope, str) else None)
    if "openid" not in scopes or found.state.user is None:
        raise InsufficientScope("the token lacks the scope openid")
    return json_response(profile_claims(found.state.user, scopes))


def refuse_with_challenge(call: EndpointCall, error: OAuthError) -> Response:
    """Record the refusal, and write the error with `challenges`. What is wrong with a proof is 401 here."""
    log_refusal(call, error)
    response = json_response(error_document(error, call.correlation_id), status_of(error))
    for challenge in challenges(call.authorization, error):
        response.headers.add("WWW-Authenticate", challenge)
    return response


ENDPOINT = Endpoint(
    ("/{environment}/as/userinfo",),
    ("GET", "POST"),
    answer_userinfo,
    refuse_with_challenge,
    cross_origin=True,
    for_programs=True,
)
