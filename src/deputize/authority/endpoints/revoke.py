"""Token revocation (RFC 7009): an agent gives back a token of its own."""

from starlette.responses import Response

from deputize.authority.endpoint import NO_STORE, Endpoint, EndpointCall
from deputize.authority.endpoints.token import user_of
from deputize.jose import TokenInvalid
from deputize.jose.key_ring import MAX_TOKEN_LIFETIME
from deputize.kernel.digests import digest
from deputize.kernel.values import JsonValue
from deputize.oauth.client_auth import read_credentials
from deputize.oauth.client_auth.authentication import authenticate_agent
from deputize.oauth.lineage import basis_of
from deputize.oauth.parameters import required


async def revoke(call: EndpointCall) -> Response:
    """Revoke it if it is the caller's.

    200 in any case, so that nobody learns whose a token is (section 2.2).
    """
    parameters = await call.form()
    credentials = read_credentials(call.request.headers.get("authorization"), parameters)
    client_id = authenticate_agent(call.environment, credentials).id
    token = required(parameters, "token")
    revoked = await _revoke_refresh_token(call, token, client_id) or await _revoke_access_token(
        call, token, client_id
    )
    call.record("token revoked" if revoked else "nothing to revoke", None, client_id=client_id, **revoked)
    return Response(headers=NO_STORE)


async def _revoke_refresh_token(call: EndpointCall, token: str, client_id: str) -> dict[str, JsonValue]:
    """End its grant, with everything that came of it, and name it; a token spent long ago still tells which.

    Empty if there is none.
    """
    store, presented = call.services.store, digest(token)
    current = await store.refresh_tokens.find_refresh_token(presented)
    grant_id = current.grant_id if current else await store.refresh_tokens.find_spent_grant(presented)
    if grant_id is None:
        return {}
    grant = (await store.token_states.read_token_state(call.environment.id, grant_id, ())).grant
    if grant is None or grant.client_id != client_id:
        return {}
    await store.grants.end_grant(grant_id, call.now)
    return {"user_id": grant.authentication.user_id, "grant_id": grant_id}


async def _revoke_access_token(call: EndpointCall, token: str, client_id: str) -> dict[str, JsonValue]:
    """Revoke it, and with it everything that was exchanged for it, and name it.

    Empty if it is no token of that client.

    An expired token is worth revoking too: what was exchanged for it may have been allowed to outlive it.
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
        basis.lineage.jti, max(expires_at, call.now) + MAX_TOKEN_LIFETIME
    )
    return {"user_id": user_of(claims), "jti": basis.lineage.jti}


ENDPOINT = Endpoint(("/{environment}/as/revoke",), ("POST",), revoke)
