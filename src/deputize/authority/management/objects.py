"""Objects of an environment: what each kind of them has in common."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from deputize.authority.administration import Changed, ListQuery, NoSuchObject, ObjectKind, ObjectView
from deputize.authority.directory.objects import (
    OBJECTS,
    DirectoryObject,
    Role,
    UserObject,
)
from deputize.authority.management.answers import answer_changed, answer_page, answer_view
from deputize.authority.management.bodies import JSON, MERGE_PATCH, addressed, read_model, read_object
from deputize.authority.management.describing import (
    ADMINISTRATOR,
    ANY_ROLE,
    OWNERS,
    READERS,
    Described,
    describe,
)
from deputize.authority.management.merging import merge
from deputize.authority.management.routing import (
    ENVIRONMENT,
    Call,
    DryRun,
    EnvironmentId,
    IfMatch,
    IfNoneMatch,
    ObjectId,
    PageOf,
    expected_etag,
    make_router,
)
from deputize.kernel.values import JsonObject
from deputize.oauth.records.settings import Seconds


@dataclass(frozen=True, slots=True)
class ObjectRoutes:
    """How a kind of objects is called here."""

    kind: ObjectKind
    noun: str
    """In names of operations and models."""
    plural: str
    """In paths."""
    model: type[DirectoryObject] | type[UserObject]
    has_secret: bool = False
    may_be_disabled: bool = False

    @property
    def entry(self) -> str:
        """The name of the schema of its entries."""
        return self.model.__name__

    @property
    def readers(self) -> tuple[Role, ...]:
        """Who may read them; agent owners read what their agents rest on."""
        return READERS if self.kind == "user" else ANY_ROLE

    @property
    def owners(self) -> tuple[Role, ...]:
        """Who may take something away from them, or describe them."""
        return OWNERS if self.kind == "agent" else ADMINISTRATOR


KINDS: Final = (
    ObjectRoutes("resource", "Resource", "resources", OBJECTS["resource"], has_secret=True),
    ObjectRoutes("agreement", "Agreement", "agreements", OBJECTS["agreement"], may_be_disabled=True),
    ObjectRoutes("policy", "Policy", "policies", OBJECTS["policy"]),
    ObjectRoutes("agent", "Agent", "agents", OBJECTS["agent"], has_secret=True, may_be_disabled=True),
    ObjectRoutes("user", "User", "users", UserObject, may_be_disabled=True),
)


class NewSecretBody(BaseModel):
    """How a new secret comes into being."""

    model_config = ConfigDict(extra="forbid")

    keep_previous: Annotated[Seconds, Field(ge=0)] = 0
    """How long the secrets so far work beside it, as seconds or a duration such as `1 hour`."""


class Filters(PageOf):
    """Which objects of a list."""

    search: Annotated[str, Field(max_length=256)] = ""
    """A part of the name, however it is capitalised; of users also of their other names and email address."""
    enabled: bool | None = None
    """Whether enabled ones, or disabled ones."""


class AgentFilters(Filters):
    """Which agents of a list."""

    owner: Annotated[str, Field(max_length=2000)] | None = None
    """Whose."""
    introduced: bool | None = None
    """Whether those that introduced themselves, or those that an administrator set up."""
    waiting: bool | None = None
    """Whether those that wait for approval."""


class UserFilters(Filters):
    """Which users of a list."""

    role: Role | None = None
    """Those with this role, in the environment of administrators."""


FILTERS: Final[Mapping[ObjectKind, type[Filters]]] = {"agent": AgentFilters, "user": UserFilters}


def object_router(routes: ObjectRoutes) -> APIRouter:
    """Make the routes of one kind."""
    router = make_router(f"{ENVIRONMENT}/{routes.plural}", routes.plural)
    _add_reading(router, routes)
    _add_creating(router, routes)
    _add_replacing(router, routes)
    _add_merging(router, routes)
    _add_removing(router, routes)
    if routes.has_secret:
        _add_secrets(router, routes)
    if routes.may_be_disabled:
        _add_switching(router, routes)
    return router


def _add_reading(router: APIRouter, routes: ObjectRoutes) -> None:
    kind, noun = routes.kind, routes.noun
    filters_model: Any = FILTERS.get(kind, Filters)

    async def list_objects(
        call: Call, environment: EnvironmentId, filters: Annotated[Filters, Query()]
    ) -> Response:
        query = ListQuery(**filters.model_dump())
        return answer_page(await call.administration.list(call.operator, environment, kind, query))

    list_objects.__annotations__["filters"] = Annotated[filters_model, Query()]
    title = f"The {routes.plural} of an environment, by name, a page at a time."
    described = Described(f"list{noun}s", title, f"{noun}Page", routes.readers)
    describe(router, "GET", "", list_objects, described)

    async def get_object(
        call: Call,
        environment: EnvironmentId,
        object_id: ObjectId,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        view = await call.administration.find(call.operator, environment, kind, object_id)
        if view is None:
            raise NoSuchObject(f"there is no such {kind}")
        return answer_view(view, if_none_match)

    described = Described(f"get{noun}", f"One {kind}.", f"{noun}View", routes.readers, has_etag=True)
    describe(router, "GET", "/{object_id}", get_object, described)


def _add_creating(router: APIRouter, routes: ObjectRoutes) -> None:
    kind, noun = routes.kind, routes.noun

    async def create_object(call: Call, environment: EnvironmentId, dry_run: DryRun = False) -> Response:  # noqa: FBT002 - a parameter of the query
        members = await read_object(call.request)
        changed = await call.administration.change(
            call.operator, environment, kind, members, creates=True, dry_run=dry_run
        )
        return answer_changed(changed, call.place("environments", environment, routes.plural))

    described = Described(
        f"create{noun}",
        f"Make a {kind}.",
        f"{noun}Changed",
        ADMINISTRATOR,
        {JSON: routes.entry},
        status=201,
    )
    describe(router, "POST", "", create_object, described)


def _add_replacing(router: APIRouter, routes: ObjectRoutes) -> None:
    kind, noun = routes.kind, routes.noun

    async def replace_object(
        call: Call,
        environment: EnvironmentId,
        object_id: ObjectId,
        if_match: IfMatch = None,
        dry_run: DryRun = False,  # noqa: FBT002
    ) -> Response:
        members, expected = await read_object(call.request), expected_etag(if_match)
        changed = await call.administration.change(
            call.operator,
            environment,
            kind,
            addressed(members, object_id),
            object_id=object_id,
            replaces=True,
            creates=False,
            expected=expected,
            dry_run=dry_run,
        )
        return answer_changed(changed)

    summary = f"Replace a {kind}: members that are left out get their default; id and secrets stay."
    described = Described(f"replace{noun}", summary, f"{noun}Changed", ADMINISTRATOR, {JSON: routes.entry})
    describe(router, "PUT", "/{object_id}", replace_object, described)


def _add_merging(router: APIRouter, routes: ObjectRoutes) -> None:
    kind, noun = routes.kind, routes.noun

    async def change_object(
        call: Call,
        environment: EnvironmentId,
        object_id: ObjectId,
        if_match: IfMatch = None,
        dry_run: DryRun = False,  # noqa: FBT002
    ) -> Response:
        patch = addressed(await read_object(call.request, MERGE_PATCH, JSON), object_id)

        async def find() -> ObjectView | None:
            return await call.administration.find(call.operator, environment, kind, object_id)

        async def change(members: JsonObject, expected: str | None) -> Changed:
            return await call.administration.change(
                call.operator,
                environment,
                kind,
                members,
                object_id=object_id,
                creates=False,
                expected=expected,
                dry_run=dry_run,
            )

        return answer_changed(await merge(patch, expected_etag(if_match), find, change))

    summary = f"Change members of a {kind}: what is left out stays, null brings back the default."
    bodies = {MERGE_PATCH: f"{routes.entry}Patch", JSON: f"{routes.entry}Patch"}
    described = Described(f"change{noun}", summary, f"{noun}Changed", routes.owners, bodies)
    describe(router, "PATCH", "/{object_id}", change_object, described)


def _add_removing(router: APIRouter, routes: ObjectRoutes) -> None:
    kind, noun = routes.kind, routes.noun

    async def remove_object(
        call: Call,
        environment: EnvironmentId,
        object_id: ObjectId,
        if_match: IfMatch = None,
        dry_run: DryRun = False,  # noqa: FBT002
    ) -> Response:
        changed = await call.administration.remove(
            call.operator, environment, kind, object_id, expected=expected_etag(if_match), dry_run=dry_run
        )
        return answer_changed(changed)

    summary = f"Remove a {kind} and all that rests on it. 409 while others refer to it."
    described = Described(f"remove{noun}", summary, f"{noun}Changed", ADMINISTRATOR, is_change=True)
    describe(router, "DELETE", "/{object_id}", remove_object, described)


def _add_secrets(router: APIRouter, routes: ObjectRoutes) -> None:
    kind, noun = routes.kind, routes.noun

    async def draw_secret(call: Call, environment: EnvironmentId, object_id: ObjectId) -> Response:
        body = await read_model(call.request, NewSecretBody)
        changed = await call.administration.new_secret(
            call.operator, environment, kind, object_id, keep_previous=body.keep_previous
        )
        return answer_changed(changed)

    summary = f"Draw a new secret for a {kind}. It is told once; those before may work on for a while."
    described = Described(
        f"draw{noun}Secret",
        summary,
        f"{noun}Changed",
        routes.owners,
        {JSON: "NewSecretBody"},
        optional=True,
    )
    describe(router, "POST", "/{object_id}/secrets", draw_secret, described)

    async def end_secrets(call: Call, environment: EnvironmentId, object_id: ObjectId) -> Response:
        return answer_changed(
            await call.administration.end_previous_secrets(call.operator, environment, kind, object_id)
        )

    summary = f"End all secrets of a {kind} but the newest, now."
    described = Described(f"end{noun}Secrets", summary, f"{noun}Changed", routes.owners, is_change=True)
    describe(router, "DELETE", "/{object_id}/secrets/previous", end_secrets, described)


def _add_switching(router: APIRouter, routes: ObjectRoutes) -> None:
    kind, noun = routes.kind, routes.noun
    words = (
        ("enable", "What ended when it was disabled stays ended."),
        ("disable", "What rests on it ends at once."),
    )
    for word, meaning in words:
        summary = f"{word.capitalize()} a {kind}. {meaning}"
        roles = routes.owners if word == "disable" else ADMINISTRATOR
        described = Described(f"{word}{noun}", summary, f"{noun}Changed", roles, is_change=True)
        describe(router, "POST", f"/{{object_id}}/{word}", _switch(kind, is_on=word == "enable"), described)


def _switch(kind: ObjectKind, *, is_on: bool) -> Callable[..., Awaitable[Response]]:
    async def switch(
        call: Call,
        environment: EnvironmentId,
        object_id: ObjectId,
        if_match: IfMatch = None,
        dry_run: DryRun = False,  # noqa: FBT002
    ) -> Response:
        changed = await call.administration.change(
            call.operator,
            environment,
            kind,
            {"enabled": is_on},
            object_id=object_id,
            creates=False,
            expected=expected_etag(if_match),
            dry_run=dry_run,
        )
        return answer_changed(changed)

    return switch
