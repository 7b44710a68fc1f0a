"""Who asks: what a program looks at first to know what it may do."""

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from deputize.authority.management.answers import JsonAnswer
from deputize.authority.management.describing import ANY_ROLE, Described, describe
from deputize.authority.management.routing import Call, make_router


class MeDocument(BaseModel):
    """Who asks."""

    kind: str
    """`user`, or `agent` for an agent with a token of its own."""
    id: str
    """The id of the user or agent."""
    name: str
    """Of a user the username."""
    roles: list[str]
    """What of the roles of a user the token opens."""
    actor: str | None = None
    """The client id of the agent that acts for the user."""


async def show_me(call: Call) -> Response:
    """Answer who asks."""
    me = call.operator
    return JsonAnswer(
        {"kind": me.kind, "id": me.id, "name": me.name, "roles": sorted(me.roles), "actor": me.actor}
    )


def me_router() -> APIRouter:
    """Make the route."""
    router = make_router("/v1", "me")
    described = Described("getMe", "Who asks, and with which roles.", "MeDocument", ANY_ROLE)
    describe(router, "GET", "/me", show_me, described)
    return router
