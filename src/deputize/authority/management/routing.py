"""Routes of the API: nobody reaches a handler without a role, and what changes something is done once."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Depends, Header, Path, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from deputize.authority.administration import Administration, NoSuchObject, Operator
from deputize.authority.administration.views import MAX_LIMIT
from deputize.authority.console.session import administrators
from deputize.authority.management.access import operator_of
from deputize.authority.management.idempotency import IdempotentAnswers
from deputize.authority.management.problems import RequestRefused
from deputize.authority.services import Services
from deputize.kernel.segments import read_segment
from deputize.kernel.uris import UriError

ENVIRONMENT: Final = "/v1/environments/{environment}"
_CHANGES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class ManagementRoute(APIRoute):
    """A route that finds out who asks before anything else is looked at."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            services: Services = request.state.services
            operator = request.state.operator = await operator_of(services, request)
            if request.method in _CHANGES and "idempotency-key" in request.headers:
                answers: IdempotentAnswers = request.state.idempotent_answers
                response = await answers.answer(request, operator, handle)
            else:
                response = await handle(request)
            await offer_nonce(services, request, response)
            return response

        return answer


async def offer_nonce(services: Services, request: Request, response: Response) -> None:
    """Give who proves a key the nonce of the next proof (RFC 9449 section 8.2)."""
    environment = administrators(services)
    if environment is not None and "dpop" in request.headers:
        nonces = await services.proof_nonces.of(environment.id)
        response.headers["DPoP-Nonce"] = nonces.current(services.clock.now())


@dataclass(frozen=True, slots=True)
class ManagementCall:
    """Who asks, and what answers."""

    request: Request
    services: Services
    operator: Operator

    @property
    def administration(self) -> Administration:
        """What does it."""
        return self.services.administration

    def place(self, *segments: str) -> str:
        """Return the address of a part of the API."""
        return "/".join((self.services.base_url, "v1", *segments))


def _call(request: Request) -> ManagementCall:
    return ManagementCall(request, request.state.services, request.state.operator)


async def _environment(
    request: Request, environment: Annotated[str, Path(max_length=36, description="The environment's id.")]
) -> str:
    services: Services = request.state.services
    directory = services.directory
    if environment not in directory.current.environments:
        await directory.refresh()  # another process may have made it
    if environment not in directory.current.environments:
        raise NoSuchObject("there is no such environment")
    return environment


_Segment = Annotated[
    str, Path(max_length=4096, description="The id; what is no plain word, as `~` and its base64url.")
]


def _object_id(object_id: _Segment) -> str:
    return _read_id(object_id)


def _agent_id(agent_id: _Segment) -> str:
    return _read_id(agent_id)


def _read_id(segment: str) -> str:
    try:
        return read_segment(segment)
    except UriError as error:
        raise NoSuchObject(str(error)) from error


class PageOf(BaseModel):
    """Which part of a list."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 50
    """How many at most."""
    cursor: Annotated[str, Field(max_length=8192)] | None = None
    """`next_cursor` of the page before; none for the first."""


Call = Annotated[ManagementCall, Depends(_call)]
EnvironmentId = Annotated[str, Depends(_environment)]
ObjectId = Annotated[str, Depends(_object_id)]
AgentId = Annotated[str, Depends(_agent_id)]
DryRun = Annotated[bool, Query(description="Whether to tell what would change, and change nothing.")]
IfMatch = Annotated[
    str | None,
    Header(max_length=1024, description="The ETag of what is to be changed; 412 when it is another by now."),
]
IfNoneMatch = Annotated[
    str | None, Header(max_length=1024, description="The ETag of what is known; 304 while it is that.")
]


def expected_etag(if_match: str | None) -> str | None:
    """Return the etag of `If-Match` (RFC 9110 section 13.1.1); "*" and none stand for any.

    Raises `RequestRefused` for what is not one strong etag: a change is made for one state.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    etag = if_match.strip()
    if len(etag) < 3 or not etag.startswith('"') or not etag.endswith('"') or '"' in etag[1:-1]:
        wrong = {"parameter": "If-Match", "detail": 'has to be one ETag, such as "0123", or *'}
        raise RequestRefused(400, "If-Match is none", [wrong])
    return etag[1:-1]


def make_router(prefix: str, tag: str) -> APIRouter:
    """Make a router for one kind of thing."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=cast("type[APIRoute]", ManagementRoute))
