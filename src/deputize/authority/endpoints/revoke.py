"""Token revocation (RFC 7009): an agent gives back a token of its own."""

import structlog
from starlette.responses import Response

from deputize.authority.endpoint import Call, Endpoint
from deputize.authority.responses import NO_STORE
from deputize.jose import TokenInvalid
from deputize.kernel.digests import digest
from deputize.oauth.client_auth import CLIENT_AUTH_METHODS
from deputize.oauth.client_auth.authentication import authenticate_agent, read_credentials
from deputize.oauth.parameters import required
from deputize.oauth.ports import IssuedToken

_log = structlog.get_logger("deputize.authority")


async def revoke(call: Call) -> Response:
    """Revoke it if it is the caller's; 200 in any case, so that nobody learns whose a token is (section 2.2)."""
    parameters = await call.form()
    credentials = read_credentials(CLIENT_AUTH_METHODS, call.request.headers.get("authorization"), parameters)
    client_id = authenticate_agent(call.environment, credentials).id
    token = required(parameters, "token")
    revoked = await _revoke_refresh_token(call, token, client_id) or await _revoke_access_token(call, token, client_id)
    _log.info("token revoked" if revoked else "nothing to revoke", client=client_id, revoked=revoked, correlation_id=call.correlation_id)
    return Response(headers=NO_STORE)


async def _revoke_refresh_token(call: Call, token: str, client_id: str) -> str | None:
    """The family that was ended, with every access token remembered for it."""
    refresh = await call.services.store.refresh_tokens.find_refresh_token(digest(token))
    if refresh is None or refresh.client_id != client_id or refresh.environment_id != call.environment.id:
        return None
    await call.services.store.refresh_tokens.revoke_family(refresh.family_id, call.now)
    return refresh.family_id


async def _revoke_access_token(call: Call, token: str, client_id: str) -> str | None:
    """The `jti` that was revoked."""
    environment = call.environment
    try:
        claims = call.services.verifier.verify(token, environment.keys, environment.issuer, call.now)
    except TokenInvalid:
        return None
    jti, expires_at = claims.get("jti"), claims.get("exp")
    if claims.get("client_id") != client_id or not isinstance(jti, str) or not isinstance(expires_at, int):
        return None
    await call.services.store.revocations.revoke_token(IssuedToken(jti, expires_at))
    return jti


ENDPOINT = Endpoint(("/{environment}/as/revoke",), ("POST",), revoke)
