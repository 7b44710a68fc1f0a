"""The authority's metadata, where clients look for it (OpenID Connect Discovery section 4, RFC 8414 section
3.1).
"""

from starlette.responses import Response

from deputize.authority.endpoint import Endpoint, EndpointCall
from deputize.authority.responses import json_response
from deputize.oauth.metadata import metadata

_CACHE = {"Cache-Control": "public, max-age=300"}
# Each document is found by inserting its name before the issuer's path and by appending it; clients try both.
_PATHS = tuple(
    path
    for name in ("openid-configuration", "oauth-authorization-server")
    for path in (f"/{{environment}}/as/.well-known/{name}", f"/.well-known/{name}/{{environment}}/as")
)


async def describe(call: EndpointCall) -> Response:
    """The document; its URLs come from configuration, never from the request."""
    return json_response(metadata(call.environment), headers=_CACHE)


ENDPOINT = Endpoint(_PATHS, ("GET",), describe, cross_origin=True)
