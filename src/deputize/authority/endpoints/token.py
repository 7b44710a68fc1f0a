"""The token endpoint (RFC 6749 section 3.2): authenticates the client, lets the grant answer, records it."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from deputize.authority.endpoint import Endpoint, EndpointCall, error_response, json_response
from deputize.authority.proofs import verify_proof
from deputize.authority.seals import extend_lineage
from deputize.http.messages import Response
from deputize.jose import ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, TokenInvalid
from deputize.kernel.digests import digest
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth import grants
from deputize.oauth.client_auth import authenticate_agent
from deputize.oauth.delegation import actors_of
from deputize.oauth.dpop import bound_key, token_type_of
from deputize.oauth.errors import InvalidClient, OAuthError
from deputize.oauth.grants.grant_type import GrantPorts, TokenRequest, TokenResponse
from deputize.oauth.lineage import MACHINE_CLAIM, USER_CLAIM
from deputize.oauth.records.directory import Agent
from deputize.oauth.records.store import Grant


async def issue_token(call: EndpointCall) -> Response:
    """Answer with tokens, or with the reason why not as far as the client may know it."""
    parameters: Mapping[str, str] = {}
    client: Agent | None = None
    try:
        parameters = await call.form()
        authenticated = await authenticate_agent(
            call.environment, call.authorization, parameters, call.services.client_auth, call.now
        )
        client = authenticated.client
        ports = await grant_ports(call)
        proof = await verify_proof(call, f"{call.environment.issuer}/token")
        request = TokenRequest(call.environment, client, parameters, call.now, authenticated.method, proof)
        if parameters.get("grant_type") in grants.OWN_TYPES:
            response = await grants.answer(request, ports)
        else:  # which may need a task, and a request may have none yet
            response = await asyncio.ensure_future(grants.answer(request, ports))
    except OAuthError as error:
        call.record(
            "token refused",
            error.detail,
            error=error.code,
            grant_type=parameters.get("grant_type") or None,
            client_id=client.id if client else None,
            claimed_client_id=error.claimed if isinstance(error, InvalidClient) else None,
            requested_scope=parameters.get("scope"),
            requested_resource=parameters.get("resource", parameters.get("audience")),
            **({} if client is None else await describe_presented(call, parameters)),
        )
        return error_response(error, call.correlation_id)
    claims, subject, actor = response.claims, response.subject_claims or {}, response.actor_claims or {}
    call.record(
        "token issued",
        grant_type=parameters.get("grant_type"),
        client_id=client.id,
        client_auth=authenticated.method,
        user_id=user_of(claims),
        sub=claims.get("sub"),
        act=[each.get("sub") for each in actors_of(claims.get("act"))],
        resource=claims.get("aud"),
        scopes=[*response.scope.split()],
        jti=claims.get("jti"),
        subject_jti=subject.get("jti"),
        actor_jti=actor.get("jti"),
        bound_to=bound_key(claims),
        notes=list(response.notes) or None,
    )
    return json_response(response_members(response))


async def grant_ports(call: EndpointCall) -> GrantPorts:
    """Return what grants of the call's environment read and write."""
    services, store = call.services, call.services.store
    return GrantPorts(
        codes=store.codes,
        grants=store.grants,
        refresh_tokens=store.refresh_tokens,
        token_states=store.token_states,
        extend=partial(extend_lineage, await services.lineage_seals.of(call.environment.id)),
        derive=await services.refresh_token_values.of(call.environment.id),
        one_time_ids=store.one_time_ids,
        users=store.users,
        consents=store.consents,
        documents=services.client_documents,
        verifier=services.verifier,
    )


def response_members(response: TokenResponse) -> JsonObject:
    """Return what RFC 6749 section 5.1 and RFC 8693 section 2.2.1 send; absent ones are left out."""
    optional = {
        "refresh_token": response.refresh_token,
        "id_token": response.id_token,
        "issued_token_type": response.issued_token_type,
    }
    return {
        "access_token": response.access_token,
        "token_type": response.token_type or token_type_of(response.claims),
        "expires_in": response.expires_in,
        "scope": response.scope,
        **{name: value for name, value in optional.items() if value is not None},
    }


async def describe_presented(call: EndpointCall, parameters: Mapping[str, str]) -> dict[str, JsonValue]:
    """Say for the record whose token, code or refresh token a client presented.

    Only what this environment once issued tells that.
    """
    subject = read_once_signed(call, parameters.get("subject_token"))
    actor = read_once_signed(call, parameters.get("actor_token"))
    grant_id = None
    if "code" in parameters:
        code = await call.services.store.codes.find_code(digest(parameters["code"]))
        grant_id = code.grant_id if code else None
    elif "refresh_token" in parameters:
        grant_id = await find_grant_id(call, parameters["refresh_token"])
    grant = await find_grant(call, grant_id) if grant_id else None
    return {
        "user_id": grant.authentication.user_id if grant else user_of(subject),
        "sub": subject.get("sub"),
        "subject_client_id": subject.get("client_id"),
        "subject_jti": subject.get("jti"),
        "actor_jti": actor.get("jti"),
        "grant_id": grant_id,
    }


async def find_grant_id(call: EndpointCall, refresh_token: str) -> str | None:
    """Find the grant that a refresh token came from, spent or not."""
    refresh_tokens, presented = call.services.store.refresh_tokens, digest(refresh_token)
    current = await refresh_tokens.find_refresh_token(presented)
    return current.grant_id if current else await refresh_tokens.find_spent_grant(presented)


async def find_grant(call: EndpointCall, grant_id: str) -> Grant | None:
    """Find the grant with this id, whatever became of it."""
    state = await call.services.store.token_states.read_token_state(call.environment.id, grant_id, ())
    return state.grant


def read_once_signed(call: EndpointCall, token: str | None) -> JsonObject:
    """Read the claims of a token of this environment, expired or not; of anything else none."""
    environment = call.environment
    for kind in (ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE) if token else ():
        with suppress(TokenInvalid):
            return call.services.verifier.verify(token or "", environment.keys, environment.issuer, 0.0, kind)
    return {}


def user_of(claims: JsonObject) -> JsonValue:
    """Return the id of the user whom a token is about; `None` when it is about nobody."""
    return None if MACHINE_CLAIM in claims else claims.get(USER_CLAIM, claims.get("sub"))


ENDPOINT = Endpoint(
    ("/{environment}/as/token",), ("POST",), issue_token, cross_origin=True, for_programs=True
)
