"""Who else may administer: invitations to become an administrator."""

from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from deputize.authority.directory.objects import Role
from deputize.authority.management.answers import answer_changed, answer_page
from deputize.authority.management.bodies import JSON, read_model
from deputize.authority.management.describing import (
    ADMINISTRATOR,
    READERS,
    Described,
    Operation,
    describe_all,
)
from deputize.authority.management.routing import Call, ObjectId, make_router
from deputize.oauth.usernames import MAX_LENGTH


class AdministratorInvitationEntry(BaseModel):
    """Whom an invitation is for, and what they may do."""

    model_config = ConfigDict(extra="forbid")

    username: Annotated[str, StringConstraints(min_length=1, max_length=MAX_LENGTH)]
    """The name of the user whom they make; nobody can take it for another one."""
    roles: Annotated[list[Role], Field(min_length=1, max_length=3)]
    """The roles of that user, in every environment."""


async def list_invitations(call: Call) -> Response:
    """Answer with those that nobody has taken."""
    return answer_page(await call.administration.administrators.list(call.operator))


async def create_invitation(call: Call) -> Response:
    """Invite somebody."""
    body = await read_model(call.request, AdministratorInvitationEntry)
    changed = await call.administration.administrators.create(call.operator, body.username, body.roles)
    return answer_changed(changed, call.place("administrators", "invitations"))


async def withdraw_invitation(call: Call, object_id: ObjectId) -> Response:
    """Let an invitation admit nobody any more."""
    return answer_changed(await call.administration.administrators.withdraw(call.operator, object_id))


_OPERATIONS: Final[tuple[Operation, ...]] = (
    (
        "GET",
        "",
        list_invitations,
        Described(
            "listAdministratorInvitations",
            "Invitations to administer this server that nobody has taken, the newest first.",
            "AdministratorInvitationPage",
            READERS,
        ),
    ),
    (
        "POST",
        "",
        create_invitation,
        Described(
            "createAdministratorInvitation",
            "Invite somebody to administer this server: the secret is a link, told once, that works once "
            "and for that name.",
            "AdministratorInvitationChanged",
            ADMINISTRATOR,
            {JSON: "AdministratorInvitationEntry"},
            status=201,
        ),
    ),
    (
        "DELETE",
        "/{object_id}",
        withdraw_invitation,
        Described(
            "withdrawAdministratorInvitation",
            "Let a link admit nobody any more. Who took it stays an administrator.",
            "AdministratorInvitationChanged",
            ADMINISTRATOR,
            is_change=True,
        ),
    ),
)


def administrator_router() -> APIRouter:
    """Make the routes."""
    return describe_all(make_router("/v1/administrators/invitations", "administrators"), _OPERATIONS)
