"""The pushed authorization request endpoint (RFC 9126)."""

from deputize.authority.endpoint import Endpoint, EndpointCall, json_response
from deputize.authority.proofs import verify_proof
from deputize.authority.signon.pushed_requests import push
from deputize.authority.signon.requests import read_request
from deputize.http.messages import Response
from deputize.oauth.authorization_request import AuthorizationRefusal
from deputize.oauth.client_auth import authenticate_agent
from deputize.oauth.client_auth.authentication import PUBLIC
from deputize.oauth.dpop import use_up
from deputize.oauth.errors import InvalidDPoPProof, InvalidRequest


async def push_request(call: EndpointCall) -> Response:
    """Authenticate the client, judge its request as the authorization endpoint would, and name it.

    So the client learns what is wrong before a browser is sent anywhere, and nobody at the browser can change
    what it asks for.
    """
    parameters = await call.form()
    authenticated = await authenticate_agent(
        call.environment, call.authorization, parameters, call.services.client_auth, call.now
    )
    client = authenticated.client
    if "request_uri" in parameters:
        raise InvalidRequest("A request_uri cannot be pushed")  # section 2.1
    pushed = {**parameters, "client_id": client.id}
    proof = await verify_proof(call, f"{call.environment.issuer}/par")
    # A proof binds the code as the parameter does (RFC 9449 section 10.1).
    if proof is not None and pushed.setdefault("dpop_jkt", proof.thumbprint) != proof.thumbprint:
        raise InvalidDPoPProof("dpop_jkt is the thumbprint of another key")
    request = await read_request(call, pushed, is_pushed=True)
    if isinstance(request, AuthorizationRefusal):
        raise request.error
    # Anybody can push in the name of a public client, and is to make the store remember nothing; a proof that
    # is pushed again names its own key again.
    if proof is not None and authenticated.method != PUBLIC:
        await use_up(proof, call.environment.id, call.services.store.one_time_ids)
    uri = await push(call, client.id, pushed)
    call.record(
        "authorization request pushed",
        client_id=client.id,
        resource=request.target.resource.audience,
        scopes=list(request.target.requested),
    )
    lifetime = call.services.lifetimes.request_uri_lifetime
    return json_response({"request_uri": uri, "expires_in": lifetime}, 201)


ENDPOINT = Endpoint(("/{environment}/as/par",), ("POST",), push_request, cross_origin=True, for_programs=True)
