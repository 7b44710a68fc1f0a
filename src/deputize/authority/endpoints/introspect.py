"""Token introspection (RFC 7662) for resources, and for agents about their own tokens."""

from deputize.authority.endpoint import Endpoint, EndpointCall, json_response
from deputize.authority.endpoints.token import read_once_signed, user_of
from deputize.http.messages import Response
from deputize.oauth.client_auth import read_credentials
from deputize.oauth.client_auth.authentication import authenticate_caller
from deputize.oauth.introspection import find_live_token, introspection_response
from deputize.oauth.parameters import required


async def introspect(call: EndpointCall) -> Response:
    """Answer what the caller may know of the token; everything it may not know is `active: false`."""
    parameters = await call.form()
    credentials = read_credentials(call.request.headers.get("authorization"), parameters)
    caller = authenticate_caller(call.environment, credentials)
    services = call.services
    found = await find_live_token(
        call.environment,
        required(parameters, "token"),
        services.store.token_states,
        services.verifier,
        call.now,
    )
    response, refusal = introspection_response(call.environment, caller, found)
    if refusal is not None:
        claims = read_once_signed(call, parameters["token"])
        call.record(
            "token inactive",
            refusal,
            asked_by=caller.id,
            client_id=claims.get("client_id"),
            user_id=user_of(claims),
            sub=claims.get("sub"),
            resource=claims.get("aud"),
            jti=claims.get("jti"),
        )
    return json_response(response)


ENDPOINT = Endpoint(("/{environment}/as/introspect",), ("POST",), introspect)
