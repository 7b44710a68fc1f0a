"""Who may introduce themselves as agents: invitations for programs.

The frame of registration is among an environment's settings. The waiting list is the agents that wait for
approval: `agents?waiting=true`, let in with `enable`, or removed.
"""

from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from deputize.authority.administration.registration import MAX_LIFETIME, MAX_USES
from deputize.authority.management.answers import answer_changed, answer_page
from deputize.authority.management.bodies import JSON, read_model
from deputize.authority.management.describing import (
    ADMINISTRATOR,
    READERS,
    Described,
    Operation,
    describe_all,
)
from deputize.authority.management.routing import ENVIRONMENT, Call, EnvironmentId, ObjectId, make_router
from deputize.oauth.records.settings import Seconds


class InvitationBody(BaseModel):
    """Whom an invitation admits."""

    model_config = ConfigDict(extra="forbid")

    uses: Annotated[int, Field(ge=1, le=MAX_USES)] = 1
    """How many programs may register with it."""
    lifetime: Annotated[Seconds, Field(ge=1, le=int(MAX_LIFETIME))] = 7 * 86400
    """For how long, as seconds or a duration such as `7 days`."""


async def list_invitations(call: Call, environment: EnvironmentId) -> Response:
    """Answer with those that still admit somebody."""
    return answer_page(await call.administration.invitations.list(call.operator, environment))


async def create_invitation(call: Call, environment: EnvironmentId) -> Response:
    """Draw an invitation."""
    body = await read_model(call.request, InvitationBody)
    changed = await call.administration.invitations.create(
        call.operator, environment, uses=body.uses, lifetime=float(body.lifetime)
    )
    return answer_changed(changed, call.place("environments", environment, "invitations"))


async def withdraw_invitation(call: Call, environment: EnvironmentId, object_id: ObjectId) -> Response:
    """Let an invitation admit nobody any more."""
    invitations = call.administration.invitations
    return answer_changed(await invitations.withdraw(call.operator, environment, object_id))


_OPERATIONS: Final[tuple[Operation, ...]] = (
    (
        "GET",
        "",
        list_invitations,
        Described(
            "listInvitations",
            "Initial access tokens (RFC 7591) that still admit programs.",
            "InvitationPage",
            READERS,
        ),
    ),
    (
        "POST",
        "",
        create_invitation,
        Described(
            "createInvitation",
            "Draw an initial access token, told once, with which programs may register.",
            "InvitationChanged",
            ADMINISTRATOR,
            {JSON: "InvitationBody"},
            status=201,
            optional=True,
        ),
    ),
    (
        "DELETE",
        "/{object_id}",
        withdraw_invitation,
        Described(
            "withdrawInvitation",
            "Let an initial access token admit nobody any more; agents that came by it stay.",
            "InvitationChanged",
            ADMINISTRATOR,
            is_change=True,
        ),
    ),
)


def invitation_router() -> APIRouter:
    """Make the routes."""
    return describe_all(make_router(f"{ENVIRONMENT}/invitations", "invitations"), _OPERATIONS)
