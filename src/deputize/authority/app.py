"""The authority as an ASGI application: endpoints of environments, and what every answer has in common."""

from collections.abc import Awaitable, Callable
from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from deputize.authority.endpoint import Endpoint, EndpointCall
from deputize.authority.endpoints import ENDPOINTS
from deputize.authority.endpoints.health import live, ready
from deputize.authority.guard import CORRELATION_ID, Guard
from deputize.authority.services import Services
from deputize.authority.signon.pages import ASSETS, ASSETS_PATH, asset
from deputize.authority.strangers import turn_away
from deputize.oauth.errors import OAuthError

_ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}
_PREFLIGHT = {
    **_ANY_ORIGIN,
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "86400",
}


def create_app(services: Services) -> ASGIApp:
    """Everything the authority serves, put together from `services`."""
    routes = [
        Route(path, _answers(endpoint, services), methods=_methods(endpoint))
        for endpoint in ENDPOINTS
        for path in endpoint.paths
    ]
    routes += [
        Route("/health/live", live),
        Route("/health/ready", partial(ready, services)),
        Route(ASSETS_PATH + "/{name}", _asset),
    ]
    return Guard(
        _dispatcher(routes), services.new_id, secure=services.secure, trusted_proxies=services.trusted_proxies
    )


def _dispatcher(routes: list[Route]) -> ASGIApp:
    """The first of `routes` that matches answers.

    Starlette's application does this too, in layers that each wrap receiving and sending: `Guard` does what
    we need of them.
    """

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await _endpoint(routes, scope)(request)
        except HTTPException as error:
            response = turn_away(
                request, error.status_code, error.detail, scope[CORRELATION_ID], error.headers
            )
        await response(scope, receive, send)

    return dispatch


def _endpoint(routes: list[Route], scope: Scope) -> Callable[[Request], Awaitable[Response]]:
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


def _methods(endpoint: Endpoint) -> list[str]:
    return [*endpoint.methods, "OPTIONS"] if endpoint.cross_origin else [*endpoint.methods]


def _answers(endpoint: Endpoint, services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_PREFLIGHT)
        response = await _answer(endpoint, services, request)
        if endpoint.cross_origin:
            response.headers.update(_ANY_ORIGIN)
        return response

    return answer


async def _answer(endpoint: Endpoint, services: Services, request: Request) -> Response:
    environment = services.directory.current.environments.get(request.path_params["environment"])
    if environment is None:
        raise HTTPException(404, "There is no such environment")
    call = EndpointCall(request, services, environment, services.clock.now(), request.scope[CORRELATION_ID])
    try:
        return await endpoint.answer(call)
    except OAuthError as error:
        return endpoint.refuse(call, error)


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in ASSETS:
        raise HTTPException(404, "There is no such file")
    found = asset(name)
    return Response(
        found.content,
        media_type=found.media_type,
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )
