"""Takes the records of gateways: what was called with tokens for the resource that delivers."""

from typing import Final

from deputize.authority.activities.delivery import Delivery
from deputize.authority.endpoint import MAX_BODY_SIZE, Endpoint, EndpointCall, json_response
from deputize.http.messages import Response
from deputize.oauth.client_auth import authenticate_caller
from deputize.oauth.errors import InvalidRequest, UnauthorizedClient
from deputize.oauth.records.directory import Resource

KIND: Final = "application/x-ndjson"


async def deliver(call: EndpointCall) -> Response:
    """Store records, a JSON object a line, and answer how many were new and how many were refused.

    The resource authenticates itself as for introspection. A record that was stored before is neither new nor
    refused, so that a gateway may deliver again what it had no answer to.
    """
    kinds = call.head.headers.get_all("content-type")
    if len(kinds) != 1 or kinds[0].strip().lower() != KIND or "content-encoding" in call.head.headers:
        raise InvalidRequest(f"The request body must be {KIND}")
    authenticated = await authenticate_caller(
        call.environment, call.authorization, {}, call.services.client_auth, call.now
    )
    resource = authenticated.client
    if not isinstance(resource, Resource):
        raise UnauthorizedClient("an agent delivers records, which resources do")
    lines = [line for line in (await call.body.read(MAX_BODY_SIZE)).split(b"\n") if line]
    delivery = Delivery(call.services, call.environment, resource, call.now)
    stored = await delivery.store(lines)
    if delivery.refused:
        reasons = ", ".join(f"{reason}: {number}" for reason, number in sorted(delivery.refused.items()))
        call.record("activities refused", reasons, resource=resource.audience, stored=stored)
    return json_response({"stored": stored, "refused": delivery.refused.total()})


ENDPOINT = Endpoint(("/{environment}/as/activities",), ("POST",), deliver)
