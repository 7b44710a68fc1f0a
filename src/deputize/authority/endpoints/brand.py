"""The files of an environment's own that its pages load: logo and colours."""

from typing import Final

from deputize.authority.branding import file_of, version_of
from deputize.authority.dead_ends import turn_away
from deputize.authority.endpoint import Endpoint, EndpointCall
from deputize.http.messages import Body, Headers, Response

_FOR_EVER: Final = b"public, max-age=31536000, immutable"


async def answer(call: EndpointCall) -> Response:
    """Answer with a file; its address changes with its content, so at that it is kept for ever."""
    found = file_of(call.environment, call.tail)
    if found is None:
        return turn_away(call.head.headers, 404, "There is nothing here", call.correlation_id)
    is_current = call.query().get("v") == version_of(found)
    headers = Headers(
        [
            (b"Content-Type", found.media_type.encode("ascii")),
            (b"Cache-Control", _FOR_EVER if is_current else b"no-store"),
            (b"Content-Security-Policy", b"default-src 'none'; sandbox"),
        ]
    )
    return Response(200, headers, Body(found.content))


ENDPOINT = Endpoint(("/{environment}/as/brand/",), ("GET",), answer)
