"""What administrators do about people beyond their entries: sessions, consents, locks and second factors."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from deputize.authority.administration import ListQuery
from deputize.authority.management.answers import answer_changed, answer_page
from deputize.authority.management.describing import (
    ADMINISTRATOR,
    READERS,
    Described,
    Operation,
    describe_all,
)
from deputize.authority.management.routing import (
    ENVIRONMENT,
    AgentId,
    Call,
    EnvironmentId,
    ObjectId,
    PageOf,
    make_router,
)


class SessionFilters(PageOf):
    """Which sessions of a list."""

    user_id: Annotated[str, Field(max_length=36)] | None = None
    """Whose."""


class ConsentFilters(SessionFilters):
    """Which consents of a list."""

    agent_id: Annotated[str, Field(max_length=2048)] | None = None
    """For which agent."""


async def list_sessions(
    call: Call, environment: EnvironmentId, filters: Annotated[SessionFilters, Query()]
) -> Response:
    """Answer with sessions."""
    query = ListQuery(filters.limit, filters.cursor)
    sessions = call.administration.sessions
    return answer_page(await sessions.list(call.operator, environment, query, user_id=filters.user_id))


async def end_session(call: Call, environment: EnvironmentId, object_id: ObjectId) -> Response:
    """End a session."""
    return answer_changed(await call.administration.sessions.end(call.operator, environment, object_id))


async def end_sessions_of_user(call: Call, environment: EnvironmentId, object_id: ObjectId) -> Response:
    """End all sessions of a user."""
    return answer_changed(await call.administration.sessions.end_all(call.operator, environment, object_id))


async def list_consents(
    call: Call, environment: EnvironmentId, filters: Annotated[ConsentFilters, Query()]
) -> Response:
    """Answer with consents."""
    page = await call.administration.consents.list(
        call.operator,
        environment,
        ListQuery(filters.limit, filters.cursor),
        user_id=filters.user_id,
        agent_id=filters.agent_id,
    )
    return answer_page(page)


async def withdraw_consents(
    call: Call, environment: EnvironmentId, object_id: ObjectId, agent_id: AgentId
) -> Response:
    """Withdraw what a user agreed to for an agent."""
    consents = call.administration.consents
    return answer_changed(await consents.withdraw(call.operator, environment, object_id, agent_id))


async def unlock_user(call: Call, environment: EnvironmentId, object_id: ObjectId) -> Response:
    """Unlock a user."""
    return answer_changed(await call.administration.unlock(call.operator, environment, object_id))


async def reset_factors(call: Call, environment: EnvironmentId, object_id: ObjectId) -> Response:
    """Forget a user's second factors."""
    return answer_changed(await call.administration.reset_factors(call.operator, environment, object_id))


_OF_SESSIONS: Final[tuple[Operation, ...]] = (
    (
        "GET",
        "",
        list_sessions,
        Described(
            "listSessions", "The sessions that were not ended, the newest first.", "SessionPage", READERS
        ),
    ),
    (
        "DELETE",
        "/{object_id}",
        end_session,
        Described(
            "endSession",
            "End a session, and every token that rests on it.",
            "SessionChanged",
            ADMINISTRATOR,
            is_change=True,
        ),
    ),
)
_OF_CONSENTS: Final[tuple[Operation, ...]] = (
    (
        "GET",
        "",
        list_consents,
        Described(
            "listConsents",
            "The latest consents by user, agent and agreement; also those withdrawn or expired.",
            "ConsentPage",
            READERS,
        ),
    ),
)
_OF_USERS: Final[tuple[Operation, ...]] = (
    (
        "DELETE",
        "/{object_id}/sessions",
        end_sessions_of_user,
        Described(
            "endSessionsOfUser",
            "End all sessions of a user, and every token that rests on one.",
            "SessionChanged",
            ADMINISTRATOR,
            is_change=True,
        ),
    ),
    (
        "DELETE",
        "/{object_id}/consents/{agent_id}",
        withdraw_consents,
        Described(
            "withdrawConsents",
            "Withdraw in a user's place what they agreed to for an agent; its tokens about them end.",
            "ConsentChanged",
            ADMINISTRATOR,
            is_change=True,
        ),
    ),
    (
        "POST",
        "/{object_id}/unlock",
        unlock_user,
        Described(
            "unlockUser",
            "Forget the wrong passwords typed for a user, who waits no longer.",
            "UserChanged",
            ADMINISTRATOR,
            is_change=True,
        ),
    ),
    (
        "DELETE",
        "/{object_id}/factors",
        reset_factors,
        Described(
            "resetFactors",
            "Forget a user's passkeys, authenticator and recovery codes, for one who lost them.",
            "UserChanged",
            ADMINISTRATOR,
            is_change=True,
        ),
    ),
)


def people_routers() -> tuple[APIRouter, ...]:
    """Make the routes."""
    return (
        describe_all(make_router(f"{ENVIRONMENT}/users", "users"), _OF_USERS),
        describe_all(make_router(f"{ENVIRONMENT}/sessions", "sessions"), _OF_SESSIONS),
        describe_all(make_router(f"{ENVIRONMENT}/consents", "consents"), _OF_CONSENTS),
    )
