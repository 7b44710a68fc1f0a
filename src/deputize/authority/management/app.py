"""The application of the management API: its routes, its description, and the page made of that."""

from functools import cache
from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from deputize.authority.asgi import Application, Message, Receive, Send
from deputize.authority.directory.objects import EnvironmentFile, EnvironmentObject
from deputize.authority.management import monitoring
from deputize.authority.management.administrators import (
    AdministratorInvitationEntry,
    administrator_router,
)
from deputize.authority.management.answers import (
    AppliedDocument,
    DifferenceModel,
    IssuedSecretModel,
    JsonAnswer,
    ProblemDocument,
)
from deputize.authority.management.describing import make_document
from deputize.authority.management.docs_page import STYLE, render_docs
from deputize.authority.management.environments import ApplyBody, environment_routers
from deputize.authority.management.idempotency import IdempotentAnswers
from deputize.authority.management.keys import RotateBody, key_router
from deputize.authority.management.me import MeDocument, me_router
from deputize.authority.management.objects import KINDS, NewSecretBody, object_router
from deputize.authority.management.people import people_routers
from deputize.authority.management.refusals import REFUSALS
from deputize.authority.management.registration import InvitationBody, invitation_router
from deputize.authority.management.schemas import (
    REF,
    changed_schema,
    page_schema,
    patch_schema,
    schemas_of,
    view_schema,
)
from deputize.authority.services import Services

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_OTHERS: Final = {
    "session": "A session in which a user signed on. What is known of it is among the facts.",
    "consent": "What a user agreed to for an agent. What is known of it is among the facts.",
    "key": "A key that signs, will sign or signed tokens. What is known of it is among the facts.",
    "invitation": "An initial access token (RFC 7591). What is known of it is among the facts.",
}
"""What is not set up by entries, by kind."""
_INVITED: Final = "An invitation to administer this server, which works once."


def make_application(services: Services) -> Application:
    """Make the application over the authority's services, which handlers find in the state of a request."""
    routes = all_routes()
    state = {
        "services": services,
        "idempotent_answers": IdempotentAnswers(services),
        "paths": document()["paths"],
    }

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        scope["state"].update(state)
        await routes(scope, receive, send)

    return answer


@cache
def all_routes() -> FastAPI:
    """Return the routes, without what answers: FastAPI finds out their parameters once a process."""
    application = FastAPI(
        title="Deputize management API",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=dict(REFUSALS),
    )
    application.add_route("/v1/openapi.json", show_document, include_in_schema=False)
    application.add_route("/v1/docs", show_docs, include_in_schema=False)
    application.add_route("/v1/docs/style.css", show_style, include_in_schema=False)
    routers = (
        me_router(),
        *environment_routers(),
        *map(object_router, KINDS),
        *people_routers(),
        key_router(),
        invitation_router(),
        administrator_router(),
        *monitoring.monitoring_routers(),
    )
    for router in routers:
        application.include_router(router)
    return application


@cache
def document() -> dict[str, Any]:
    """Return the API's description."""
    models: list[type[BaseModel]] = [
        ProblemDocument,
        DifferenceModel,
        IssuedSecretModel,
        AppliedDocument,
        MeDocument,
        NewSecretBody,
        ApplyBody,
        RotateBody,
        InvitationBody,
        AdministratorInvitationEntry,
        *monitoring.MODELS,
        EnvironmentObject,
        EnvironmentFile,
    ]
    schemas = schemas_of([*models, *(each.model for each in KINDS)])
    named = [(each.noun, each.kind, each.entry) for each in KINDS]
    for noun, kind, entry in (("Environment", "environment", "EnvironmentObject"), *named):
        schemas[f"{entry}Patch"] = patch_schema(schemas[entry])
        about = f"A {kind} as it is: the entry, and what is known beyond it."
        schemas[f"{noun}View"] = view_schema(kind, {"$ref": f"{REF}{entry}"}, about)
        schemas[f"{noun}Page"] = page_schema(f"{noun}View")
        schemas[f"{noun}Changed"] = changed_schema(f"{noun}View")
    nothing: dict[str, Any] = {"type": "object", "maxProperties": 0}
    invited: dict[str, Any] = {"$ref": f"{REF}AdministratorInvitationEntry"}
    others = [(each.capitalize(), each, nothing, about) for each, about in _OTHERS.items()]
    others.append(("AdministratorInvitation", "invitation", invited, _INVITED))
    for noun, kind, entry, about in others:
        schemas[f"{noun}View"] = view_schema(kind, entry, about)
        schemas[f"{noun}Page"] = page_schema(f"{noun}View")
        schemas[f"{noun}Changed"] = changed_schema(f"{noun}View")
    return make_document(all_routes(), schemas)


async def show_document(_: Request) -> Response:
    """Answer with the API's description."""
    return JsonAnswer(document())


async def show_docs(_: Request) -> Response:
    """Answer with the page that describes the API."""
    headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
    return Response(render_docs(document()), headers=headers, media_type="text/html")


async def show_style(_: Request) -> Response:
    """Answer with the style of that page."""
    return Response(STYLE, media_type="text/css")
