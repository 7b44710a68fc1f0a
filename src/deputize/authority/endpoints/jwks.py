"""The keys that tokens are verified with (RFC 7517 section 5)."""

from starlette.responses import Response

from deputize.authority.endpoint import Endpoint, EndpointCall
from deputize.authority.responses import json_response

_CACHE = {"Cache-Control": "public, max-age=300"}


async def jwks(call: EndpointCall) -> Response:
    """Current, next and retired public keys; a next key is published long before it signs."""
    return json_response(call.environment.keys.public_jwks(), headers=_CACHE)


ENDPOINT = Endpoint(("/{environment}/as/jwks",), ("GET",), jwks, cross_origin=True)
