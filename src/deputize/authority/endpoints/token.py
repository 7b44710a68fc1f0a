"""The token endpoint (RFC 6749 section 3.2): authenticates the client, lets the grant answer, records what happened."""

from collections.abc import Mapping

import structlog
from starlette.responses import Response

from deputize.authority.endpoint import Call, Endpoint
from deputize.authority.responses import error_response, json_response
from deputize.kernel.ids import new_segment
from deputize.kernel.redaction import printable
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth import grants
from deputize.oauth.client_auth import CLIENT_AUTH_METHODS
from deputize.oauth.client_auth.authentication import Credentials, authenticate_agent, read_credentials
from deputize.oauth.errors import OAuthError
from deputize.oauth.token_request import GrantPorts, TokenRequest, TokenResponse

_log = structlog.get_logger("deputize.authority")


async def token(call: Call) -> Response:
    """Tokens, or the reason why not as far as the client may know it."""
    parameters: Mapping[str, str] = {}
    credentials: Credentials | None = None
    try:
        parameters = await call.form()
        credentials = read_credentials(CLIENT_AUTH_METHODS, call.request.headers.get("authorization"), parameters)
        client = authenticate_agent(call.environment, credentials)
        response = await grants.answer(TokenRequest(call.environment, client, parameters, call.now), await _ports(call))
    except OAuthError as error:
        _record_refusal(call, parameters, credentials, error)
        return error_response(error, call.correlation_id)
    _record_issue(call, parameters, response)
    return json_response(_members(response))


async def _ports(call: Call) -> GrantPorts:
    services = call.services
    store = services.store
    return GrantPorts(
        codes=store.codes,
        grants=store.grants,
        refresh_tokens=store.refresh_tokens,
        standings=store.standings,
        new_segment=new_segment,
        derive=await services.refresh_token_values.of(call.environment.id),
        verifier=services.verifier,
    )


def _members(response: TokenResponse) -> JsonObject:
    """What RFC 6749 section 5.1 and RFC 8693 section 2.2.1 send; absent ones are left out."""
    optional = {"refresh_token": response.refresh_token, "id_token": response.id_token, "issued_token_type": response.issued_token_type}
    return {
        "access_token": response.access_token,
        "token_type": "Bearer",
        "expires_in": response.expires_in,
        "scope": response.scope,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _record_issue(call: Call, parameters: Mapping[str, str], response: TokenResponse) -> None:
    claims = response.claims
    _log.info(
        "token issued",
        environment=call.environment.id,
        grant=parameters.get("grant_type"),
        client=claims.get("client_id"),
        sub=claims.get("sub"),
        act=actors(claims),
        resource=claims.get("aud"),
        scope=claims.get("scope"),
        jti=claims.get("jti"),
        subject_jti=response.subject_claims.get("jti") if response.subject_claims else None,
        actor_jti=response.actor_claims.get("jti") if response.actor_claims else None,
        notes=response.notes or None,
        correlation_id=call.correlation_id,
    )


def _record_refusal(call: Call, parameters: Mapping[str, str], credentials: Credentials | None, error: OAuthError) -> None:
    _log.warning(
        "token refused",
        environment=call.environment.id,
        grant=printable(parameters.get("grant_type", "")),
        client=printable(credentials.client_id) if credentials else None,
        error=error.code,
        detail=printable(error.detail, 1024),
        correlation_id=call.correlation_id,
    )


def actors(claims: JsonObject) -> list[JsonValue]:
    """The `sub` of every actor in the token, the one acting now first (RFC 8693 section 4.1)."""
    chain: list[JsonValue] = []
    act = claims.get("act")
    while isinstance(act, Mapping):
        chain.append(act.get("sub"))
        act = act.get("act")
    return chain


ENDPOINT = Endpoint(("/{environment}/as/token",), ("POST",), token)
