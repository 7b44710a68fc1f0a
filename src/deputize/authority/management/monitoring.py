"""What happened, and why it was refused: activities, and decisions made again."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from deputize.authority.activities.search import Activity, ActivityQuery
from deputize.authority.administration import NoSuchObject
from deputize.authority.administration.views import moment
from deputize.authority.directory.objects.directory_object import Instant
from deputize.authority.management.answers import JsonAnswer
from deputize.authority.management.bodies import JSON, read_model
from deputize.authority.management.describing import ANY_ROLE, READERS, Described, Operation, describe_all
from deputize.authority.management.problems import RequestRefused
from deputize.authority.management.routing import (
    ENVIRONMENT,
    Call,
    EnvironmentId,
    ObjectId,
    PageOf,
    make_router,
)
from deputize.authority.why import WhyQuestion, ask_about, explain_decision
from deputize.kernel.values import JsonObject, JsonValue

_Word = Annotated[str, Field(max_length=2048)]


class AgentActivityFilters(PageOf):
    """Which activities of an agent."""

    since: Instant = None
    """From when on, such as `2027-03-31T22:00:00Z`."""
    before: Instant = None
    """Until when."""
    source: Literal["authority", "gateway"] | None = None
    """Which program recorded it."""
    event: _Word | None = None
    """Its name, such as `token issued`; `mcp message` where a gateway recorded it."""
    outcome: Literal["permitted", "refused", "unknown"] | None = None
    """How it was decided."""
    user_id: _Word | None = None
    """Whom it was for."""
    resource_id: _Word | None = None
    """The resource."""
    tool: _Word | None = None
    """The tool, prompt, resource or task that an MCP message names."""
    transaction_id: _Word | None = None
    """The correlation ID, under which authority or gateway logged it."""
    jti: _Word | None = None
    """Of the token that it is about."""
    text: _Word | None = None
    """How the name of the tool, the event's name or the correlation ID begins."""


class ActivityFilters(AgentActivityFilters):
    """Which activities of a list."""

    agent_id: _Word | None = None
    """An agent that had any part in it."""


class ActivityDocument(BaseModel):
    """Something that happened, and who had a part in it."""

    id: str
    """Its id."""
    happened_at: str
    """When, as in RFC 3339."""
    source: Literal["authority", "gateway"]
    """Which program recorded it."""
    event: str
    """In a few words, such as `token issued`."""
    outcome: Literal["permitted", "refused", "unknown"]
    """How it was decided; `unknown` where the client left before that."""
    user_id: str | None
    """Whom it was for."""
    agent_ids: list[str]
    """The agents that had a part in it: the one that acts first, the one that signed the user on last."""
    resource_id: str | None
    """The resource."""
    method: str | None
    """The MCP method, or the grant type."""
    tool: str | None
    """The tool, prompt, resource or task that an MCP message names."""
    session_id: str | None
    """The session that it rests on."""
    grant_id: str | None
    """The grant that it rests on."""
    jti: str | None
    """Of the token that it is about."""
    transaction_id: str
    """The correlation ID, under which authority or gateway logged it."""
    caller_transaction_id: str | None
    """The correlation ID at the gateway that asked the authority; the gateway's word."""
    record: dict[str, Any]
    """The record itself."""


class ActivityPageDocument(BaseModel):
    """A part of what was found, the newest first."""

    items: list[ActivityDocument]
    """The activities."""
    next_cursor: str | None
    """Begins the next part, which there may be although this one is not full; null at the end."""


class TransactionDocument(BaseModel):
    """What belongs together at authority and gateway, the oldest first."""

    items: list[ActivityDocument]
    """The activities."""


class WhyBody(BaseModel):
    """A decision to make again: that of an activity, or whether an agent may obtain scopes of a resource."""

    model_config = ConfigDict(extra="forbid")

    activity_id: _Word | None = None
    """The activity whose decision it was; nothing else is needed then."""
    agent: _Word = ""
    """The agent, by name or id."""
    resource: _Word = ""
    """The resource, by name, id or audience; by default the one that the scopes belong to."""
    user: _Word = ""
    """The user, by name or id; without one the agent asks for a token of its own."""
    scopes: Annotated[list[_Word], Field(max_length=100)] = Field(default_factory=list)
    """By default all that need not be asked for by name."""
    exchanges: bool = False
    """Whether the agent exchanges tokens itself; otherwise the user signs on for the resource."""


class WhyStepDocument(BaseModel):
    """One thing that the decision rests on."""

    step: str
    """What was looked at."""
    outcome: Literal["held", "failed", "note"]
    """Whether it held."""
    said: str
    """What was found, in words."""
    setting: dict[str, Any] | None = None
    """The member of an object that it looked at: `kind`, `id`, `name`, `member`."""
    cause: dict[str, str] | None = None
    """Why it failed: `id` in the catalogue of causes, and `text`."""
    fix: str | None = None
    """What to do about it."""
    mappings: list[dict[str, Any]] | None = None
    """The mappings that were evaluated, and which of their parts were false."""


class WhyDocument(BaseModel):
    """A decision, step by step; it ends with the first step that failed."""

    permitted: bool
    """Whether it would be permitted by the settings of now; false for a refusal on record."""
    steps: list[WhyStepDocument]
    """What it rests on."""
    claims: dict[str, Any]
    """What the token would say; nothing where none would be issued."""


MODELS: Final[tuple[type[BaseModel], ...]] = (
    ActivityDocument,
    ActivityPageDocument,
    TransactionDocument,
    WhyBody,
    WhyDocument,
)


async def list_activities(
    call: Call, environment: EnvironmentId, filters: Annotated[ActivityFilters, Query()]
) -> Response:
    """Answer with activities."""
    call.operator.require_reader()
    return await _answer_activities(call, environment, ActivityQuery(**filters.model_dump()))


async def list_activities_of_agent(
    call: Call,
    environment: EnvironmentId,
    object_id: ObjectId,
    filters: Annotated[AgentActivityFilters, Query()],
) -> Response:
    """Answer with what an agent had a part in that the operator may see."""
    if await call.administration.find(call.operator, environment, "agent", object_id) is None:
        raise NoSuchObject("there is no such agent")
    query = ActivityQuery(**filters.model_dump(), agent_id=object_id)
    return await _answer_activities(call, environment, query)


async def get_activity(call: Call, environment: EnvironmentId, object_id: ObjectId) -> Response:
    """Answer with one activity."""
    return JsonAnswer(_activity_document(await _find(call, environment, object_id)))


async def follow_activity(call: Call, environment: EnvironmentId, object_id: ObjectId) -> Response:
    """Answer with what belongs together."""
    found = await _find(call, environment, object_id)
    items = await call.services.activities.follow(environment, found)
    return JsonAnswer({"items": [_activity_document(each) for each in items]})


async def explain(call: Call, environment: EnvironmentId) -> Response:
    """Make a decision again."""
    call.operator.require_reader()
    body = await read_model(call.request, WhyBody)
    asked: WhyQuestion | None = WhyQuestion(
        body.agent, body.resource, body.user, tuple(body.scopes), body.exchanges
    )
    if body.activity_id is not None:
        asked = await ask_about(call.services.activities, await _find(call, environment, body.activity_id))
    if asked is None or not asked.is_complete:
        wrong: JsonObject = {
            "pointer": "" if body.activity_id is None else "/activity_id",
            "detail": "does not say which agent asked for what",
            "fix": "give agent, and resource or scopes",
        }
        raise RequestRefused(422, "there is no decision to make again", [wrong])
    services = call.services
    found = services.directory.current.environments[environment]
    return JsonAnswer((await explain_decision(found, services.store, asked, services.clock.now())).json())


async def _find(call: Call, environment: str, activity_id: str) -> Activity:
    call.operator.require_reader()
    found = await call.services.activities.find_one(environment, activity_id)
    if found is None:
        raise NoSuchObject("there is no such activity, or it is kept no longer")
    return found


async def _answer_activities(call: Call, environment: str, query: ActivityQuery) -> Response:
    page = await call.services.activities.find(environment, query)
    return JsonAnswer(
        {"items": [_activity_document(each) for each in page.items], "next_cursor": page.next_cursor}
    )


def _activity_document(activity: Activity) -> dict[str, JsonValue]:
    return {
        "id": activity.id,
        "happened_at": moment(activity.happened_at),
        "source": activity.source,
        "event": activity.event,
        "outcome": activity.outcome,
        "user_id": activity.user_id,
        "agent_ids": list(activity.agent_ids),
        "resource_id": activity.resource_id,
        "method": activity.method,
        "tool": activity.tool,
        "session_id": activity.session_id,
        "grant_id": activity.grant_id,
        "jti": activity.jti,
        "transaction_id": activity.transaction_id,
        "caller_transaction_id": activity.caller_transaction_id,
        "record": activity.read_record(),
    }


_OF_ACTIVITIES: Final[tuple[Operation, ...]] = (
    (
        "GET",
        "",
        list_activities,
        Described(
            "listActivities",
            "What happened, as authority and gateways recorded it, the newest first.",
            "ActivityPageDocument",
            READERS,
        ),
    ),
    (
        "GET",
        "/{object_id}",
        get_activity,
        Described("getActivity", "One activity, with its record.", "ActivityDocument", READERS),
    ),
    (
        "GET",
        "/{object_id}/transaction",
        follow_activity,
        Described(
            "followActivity",
            "What belongs together at authority and gateway, by correlation ID and tokens, the oldest first.",
            "TransactionDocument",
            READERS,
        ),
    ),
)
_OF_AGENTS: Final[tuple[Operation, ...]] = (
    (
        "GET",
        "/{object_id}/activities",
        list_activities_of_agent,
        Described(
            "listActivitiesOfAgent",
            "What an agent had any part in, the newest first; its owner may look, too.",
            "ActivityPageDocument",
            ANY_ROLE,
        ),
    ),
)
_WHY: Final[tuple[Operation, ...]] = (
    (
        "POST",
        "/why",
        explain,
        Described(
            "explainDecision",
            "Decide a refused request again, step by step, by the settings of now.",
            "WhyDocument",
            READERS,
            {JSON: "WhyBody"},
        ),
    ),
)


def monitoring_routers() -> tuple[APIRouter, ...]:
    """Make the routes."""
    return (
        describe_all(make_router(f"{ENVIRONMENT}/activities", "activities"), _OF_ACTIVITIES),
        describe_all(make_router(f"{ENVIRONMENT}/agents", "agents"), _OF_AGENTS),
        describe_all(make_router(ENVIRONMENT, "activities"), _WHY),
    )
