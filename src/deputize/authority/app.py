"""The authority as an ASGI application: endpoints of its environments, health, the files that pages load."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from deputize.authority.endpoint import Endpoint, EndpointCall, json_response
from deputize.authority.endpoints import ENDPOINTS
from deputize.authority.guard import CORRELATION_ID, Guard, Network, turn_away
from deputize.authority.services import Services
from deputize.authority.signon.pages import ASSETS, ASSETS_PATH, asset
from deputize.kernel.digests import digest
from deputize.oauth.errors import OAuthError

_ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}
_PREFLIGHT = {
    **_ANY_ORIGIN,
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "86400",
}
_log = structlog.get_logger("deputize.authority")


def create_app(services: Services, trusted_proxies: Sequence[Network] = ()) -> ASGIApp:
    """Make the application; what `trusted_proxies` say about a client's address is believed."""
    routes = [
        Route(
            path,
            partial(answer_endpoint, endpoint, services),
            methods=[*endpoint.methods, "OPTIONS"] if endpoint.cross_origin else [*endpoint.methods],
        )
        for endpoint in ENDPOINTS
        for path in endpoint.paths
    ]
    routes += [
        Route("/health/live", answer_live),
        Route("/health/ready", partial(answer_ready, services)),
        Route(ASSETS_PATH + "/{name}", answer_asset),
    ]

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        # Starlette's application does this too, in layers that each wrap receiving and sending: `Guard` does
        # what we need of them.
        request = Request(scope, receive)
        try:
            response = await find_route(routes, scope)(request)
        except HTTPException as error:
            response = turn_away(
                request, error.status_code, error.detail, scope[CORRELATION_ID], error.headers
            )
        if services.audit_file is not None:
            await services.audit_file.written()
        await response(scope, receive, send)

    return Guard(dispatch, services.new_id, secure=services.secure, trusted_proxies=trusted_proxies)


def find_route(routes: Sequence[Route], scope: Scope) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers at the path and method of `scope`. Raises `HTTPException` when nothing does."""
    allowed: set[str] = set()
    for route in routes:
        match, found = route.matches(scope)
        if match is Match.FULL:
            scope.update(found)
            return route.endpoint
        if match is Match.PARTIAL:
            allowed.update(route.methods or ())
    if allowed:
        raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))})
    raise HTTPException(404)


async def answer_endpoint(endpoint: Endpoint, services: Services, request: Request) -> Response:
    """Answer at an endpoint of an environment, or refuse as the endpoint does."""
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=_PREFLIGHT)
    environment = services.directory.current.environments.get(request.path_params["environment"])
    if environment is None:
        raise HTTPException(404, "There is no such environment")
    call = EndpointCall(request, services, environment, services.clock.now(), request.scope[CORRELATION_ID])
    try:
        response = await endpoint.answer(call)
    except OAuthError as error:
        response = endpoint.refuse(call, error)
    if endpoint.cross_origin:
        response.headers.update(_ANY_ORIGIN)
    return response


async def answer_live(_request: Request) -> Response:
    """Answer `GET /health/live`: the event loop turns."""
    return json_response({"status": "live"})


async def answer_ready(services: Services, _request: Request) -> Response:
    """Answer `GET /health/ready`: the store answers a read; 503 otherwise."""
    try:
        await services.store.sessions.find_session("", digest("health"))
    except Exception as error:  # noqa: BLE001 - whatever the store raises, it is not ready
        _log.error("store does not answer", error=type(error).__name__)
        return json_response({"status": "store does not answer"}, 503)
    return json_response({"status": "ready"})


async def answer_asset(request: Request) -> Response:
    """Answer with a file of the pages; its address changes with its content, so it is kept for ever."""
    name = request.path_params["name"]
    if name not in ASSETS:
        raise HTTPException(404, "There is no such file")
    found = asset(name)
    return Response(
        found.content,
        media_type=found.media_type,
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )
