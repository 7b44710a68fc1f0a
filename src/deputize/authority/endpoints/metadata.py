"""What an environment publishes about itself: its metadata and its keys."""

from deputize.authority.endpoint import Endpoint, EndpointCall, Fields, json_response
from deputize.authority.signon.pages import LOCALES
from deputize.http.messages import Response
from deputize.oauth.metadata import metadata

_CACHE: Fields = ((b"Cache-Control", b"public, max-age=300"),)
# Each document is found by inserting its name before the issuer's path and by appending it; clients try both
# (OpenID Connect Discovery section 4, RFC 8414 section 3.1).
_PATHS = tuple(
    path
    for name in ("openid-configuration", "oauth-authorization-server")
    for path in (f"/{{environment}}/as/.well-known/{name}", f"/.well-known/{name}/{{environment}}/as")
)


async def answer_metadata(call: EndpointCall) -> Response:
    """Answer with the metadata; its URLs come from configuration, never from the request."""
    return json_response({**metadata(call.environment), "ui_locales_supported": [*LOCALES]}, fields=_CACHE)


async def answer_jwks(call: EndpointCall) -> Response:
    """Answer with current, next and retired public keys; a next key is published long before it signs.

    RFC 7517 section 5.
    """
    return json_response(call.environment.keys.public_jwks(), fields=_CACHE)


METADATA = Endpoint(_PATHS, ("GET",), answer_metadata, cross_origin=True, for_programs=True)
JWKS = Endpoint(("/{environment}/as/jwks",), ("GET",), answer_jwks, cross_origin=True, for_programs=True)
