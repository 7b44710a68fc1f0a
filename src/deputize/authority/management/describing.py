"""What the API's description (OpenAPI 3.1) says of each operation: who may, what it takes and answers."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, get_args

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

from deputize.authority.directory.objects import Role
from deputize.authority.management.access import CSRF_HEADER
from deputize.authority.management.schemas import REF

_PROBLEMS: Final[Mapping[int, str]] = {
    400: "The request is malformed.",
    401: "Nobody is signed on with it: `WWW-Authenticate` says what opens the API.",
    403: "No role of who asks allows this.",
    404: "There is no such thing, or none that who asks may see.",
    409: "Others refer to it, or it conflicts with what is there.",
    412: "It is another by now than `If-Match` says.",
    413: "The body is too large.",
    415: "The body is of another type than is accepted.",
    422: "The body cannot be applied: `errors` say what is wrong where.",
    500: "Something failed that should not have: the log says more.",
    503: "The server cannot answer now.",
}
_READING: Final = (400, 401, 403, 404, 500, 503)
ANY_ROLE: Final[tuple[Role, ...]] = get_args(Role)
READERS: Final[tuple[Role, ...]] = ("administrator", "auditor")
OWNERS: Final[tuple[Role, ...]] = ("administrator", "agent_owner")
"""An agent owner only where the agent is theirs, and only for what takes something away."""
ADMINISTRATOR: Final[tuple[Role, ...]] = ("administrator",)
_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "Drawn by the sender for this request: when it is repeated, it gets the same answer.",
}


Operation: TypeAlias = "tuple[str, str, Callable[..., Awaitable[Response]], Described]"
"""Method, path below the router's, what answers, and what the description says."""


@dataclass(frozen=True, slots=True)
class Described:
    """What the description says of an operation."""

    operation_id: str
    summary: str
    answer: str
    """The name of what it answers with, among the schemas."""
    roles: tuple[Role, ...]
    """Who may; the administration judges it, and a test holds this to that."""
    bodies: Mapping[str, str] = field(default_factory=dict[str, str])
    """Media type to the name of what it takes."""
    status: int = 200
    optional: bool = False
    """Whether the body may be left out."""
    is_change: bool = False
    """Whether it changes something, without a body."""
    has_etag: bool = False
    media_type: str = "application/json"


def describe(
    router: APIRouter,
    method: str,
    path: str,
    handler: Callable[..., Awaitable[Response]],
    described: Described,
) -> None:
    """Add an operation."""
    content = {described.media_type: {"schema": {"$ref": REF + described.answer}}}
    responses: dict[int | str, dict[str, Any]] = {
        described.status: {"description": "Done.", "content": content}
    }
    if described.status == 201:
        responses[200] = {"description": "What a dry run would do.", "content": content}
    if described.has_etag:
        responses[304] = {"description": "It is what `If-None-Match` says."}
    changes = bool(described.bodies) or described.is_change
    for status in tuple(_PROBLEMS) if changes else _READING:
        problem = {"application/problem+json": {"schema": {"$ref": f"{REF}ProblemDocument"}}}
        responses[status] = {"description": _PROBLEMS[status], "content": problem}
    extra: dict[str, Any] = {
        "security": [
            *({"token": [role]} for role in described.roles),
            *({"proof": [role]} for role in described.roles),
            *({"session": [role], "csrf": []} for role in described.roles),
        ]
    }
    if described.bodies:
        bodies = {kind: {"schema": {"$ref": REF + name}} for kind, name in described.bodies.items()}
        extra["requestBody"] = {"required": not described.optional, "content": bodies}
    if changes:
        extra["parameters"] = [_KEY]
    router.add_api_route(
        path,
        handler,
        methods=[method],
        operation_id=described.operation_id,
        summary=described.summary,
        status_code=described.status,
        responses=responses,
        response_model=None,
        openapi_extra=extra,
        description="",
    )


def describe_all(router: APIRouter, operations: Iterable[Operation]) -> APIRouter:
    """Add operations, and return the router."""
    for operation in operations:
        describe(router, *operation)
    return router


def make_document(application: FastAPI, schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of an application's operations, with these schemas."""
    document = get_openapi(
        title=application.title,
        version=application.version,
        summary="Everything an administrator can set up and do, for programs.",
        routes=application.routes,
    )
    for operation in (each for path in document["paths"].values() for each in path.values()):
        answers: dict[str, Any] = operation["responses"]
        if "application/json" in answers.get("422", {}).get("content", ()):
            del answers["422"]  # the framework's own: wrong parameters are 400 here
    document.setdefault("components", {})["schemas"] = dict(sorted(schemas.items()))
    document["components"]["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token of the administrators' environment for the resource Management. "
            "Its scopes are roles; one that an operation names is enough.",
        },
        "proof": {
            "type": "http",
            "scheme": "dpop",
            "description": "The same, bound to a key (RFC 9449).",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "__Host-deputize-console",
            "description": "The session of an administrator who is signed on to the console, over https.",
        },
        "csrf": {
            "type": "apiKey",
            "in": "header",
            "name": CSRF_HEADER,
            "description": "The token that forms of the console carry, which no other site knows.",
        },
    }
    return document
