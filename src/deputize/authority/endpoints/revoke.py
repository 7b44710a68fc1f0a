"""Token revocation (RFC 7009): an agent gives back a token of its own."""

from deputize.authority.endpoint import NO_STORE, Endpoint, EndpointCall
from deputize.authority.endpoints.token import find_grant, find_grant_id, user_of
from deputize.http.messages import Headers, Response
from deputize.jose import TokenInvalid
from deputize.jose.key_ring import MAX_TOKEN_LIFETIME
from deputize.kernel.values import JsonValue
from deputize.oauth.client_auth import authenticate_agent
from deputize.oauth.lineage import basis_of
from deputize.oauth.parameters import required


async def revoke(call: EndpointCall) -> Response:
    """Revoke the token if it is the caller's, with everything that came of it.

    200 in any case, so that nobody learns whose a token is (section 2.2).
    """
    parameters = await call.form()
    authenticated = await authenticate_agent(
        call.environment, call.authorization, parameters, call.services.client_auth, call.now
    )
    client_id = authenticated.client.id
    token = required(parameters, "token")
    revoked = await revoke_refresh_token(call, token, client_id)
    revoked = revoked or await revoke_access_token(call, token, client_id)
    call.record("token revoked" if revoked else "nothing to revoke", None, client_id=client_id, **revoked)
    return Response(200, Headers(NO_STORE))


async def revoke_refresh_token(call: EndpointCall, token: str, client_id: str) -> dict[str, JsonValue]:
    """End the grant of the client's refresh token, which may be spent, and return what to record of it.

    Empty when it is no refresh token of that client.
    """
    grant_id = await find_grant_id(call, token)
    grant = await find_grant(call, grant_id) if grant_id else None
    if grant is None or grant.client_id != client_id:
        return {}
    await call.services.store.grants.end_grant(grant.id, call.now)
    return {"user_id": grant.authentication.user_id, "grant_id": grant.id}


async def revoke_access_token(call: EndpointCall, token: str, client_id: str) -> dict[str, JsonValue]:
    """Revoke the client's access token, and what was exchanged for it, and return what to record of it.

    Empty when it is no access token of that client. An expired one is worth revoking too: what was exchanged
    for it may have been allowed to outlive it.
    """
    environment = call.environment
    try:
        claims = call.services.verifier.verify(token, environment.keys, environment.issuer, 0.0)
    except TokenInvalid:
        return {}
    basis, expires_at = basis_of(claims), claims.get("exp")
    if basis is None or basis.client_id != client_id or not isinstance(expires_at, int):
        return {}
    await call.services.store.revocations.revoke_token(
        basis.lineage.id, max(expires_at, call.now) + MAX_TOKEN_LIFETIME
    )
    return {"user_id": user_of(claims), "jti": basis.lineage.jti}


ENDPOINT = Endpoint(("/{environment}/as/revoke",), ("POST",), revoke, cross_origin=True, for_programs=True)
