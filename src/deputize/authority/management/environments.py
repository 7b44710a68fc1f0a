"""Environments: made, set up by their settings or as a whole, written out, removed."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from deputize.authority.administration import Changed, NoSuchObject, ObjectView
from deputize.authority.environment_file import Application
from deputize.authority.environment_file.reading import MAX_SIZE
from deputize.authority.management.answers import (
    answer_applied,
    answer_changed,
    answer_page,
    answer_text,
    answer_view,
)
from deputize.authority.management.bodies import (
    JSON,
    MERGE_PATCH,
    YAML,
    addressed,
    check_media_type,
    read_model,
    read_object,
)
from deputize.authority.management.describing import ADMINISTRATOR, ANY_ROLE, READERS, Described, describe_all
from deputize.authority.management.merging import merge
from deputize.authority.management.routing import (
    Call,
    DryRun,
    EnvironmentId,
    IfMatch,
    IfNoneMatch,
    expected_etag,
    make_router,
)
from deputize.kernel.values import JsonObject


class ApplyBody(BaseModel):
    """An environment file, and how to apply it."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(max_length=MAX_SIZE)]
    """The file as it is written, in YAML."""
    file: Annotated[str, Field(min_length=1, max_length=1024)] = "the file"
    """What messages call it."""
    settings: Annotated[dict[str, Annotated[str, Field(max_length=65536)]], Field(max_length=1000)] = Field(
        default_factory=dict
    )
    """What its tokens `&{name}` stand for; nothing of the server's own is read for them."""
    prune: bool = False
    """Whether objects of the kinds the file lists are removed when the file does not name them."""


async def list_environments(call: Call) -> Response:
    """Answer which environments there are."""
    return answer_page(await call.administration.environments.list(call.operator))


async def create_environment(call: Call, dry_run: DryRun = False) -> Response:  # noqa: FBT002 - a parameter of the query
    """Make an environment."""
    members = await read_object(call.request)
    changed = await call.administration.environments.create(call.operator, members, dry_run=dry_run)
    return answer_changed(changed, call.place("environments"))


async def get_environment(
    call: Call, environment: EnvironmentId, if_none_match: IfNoneMatch = None
) -> Response:
    """Answer with an environment's settings."""
    return answer_view(await _find(call, environment), if_none_match)


async def replace_environment(
    call: Call,
    environment: EnvironmentId,
    if_match: IfMatch = None,
    dry_run: DryRun = False,  # noqa: FBT002
) -> Response:
    """Replace an environment's settings."""
    members = addressed(await read_object(call.request), environment)
    changed = await call.administration.environments.change(
        call.operator,
        environment,
        members,
        replaces=True,
        expected=expected_etag(if_match),
        dry_run=dry_run,
    )
    return answer_changed(changed)


async def change_environment(
    call: Call,
    environment: EnvironmentId,
    if_match: IfMatch = None,
    dry_run: DryRun = False,  # noqa: FBT002
) -> Response:
    """Change some of an environment's settings."""
    patch = addressed(await read_object(call.request, MERGE_PATCH, JSON), environment)

    async def find() -> ObjectView:
        return await _find(call, environment)

    async def change(members: JsonObject, expected: str | None) -> Changed:
        return await call.administration.environments.change(
            call.operator, environment, members, expected=expected, dry_run=dry_run
        )

    return answer_changed(await merge(patch, expected_etag(if_match), find, change))


async def remove_environment(
    call: Call,
    environment: EnvironmentId,
    if_match: IfMatch = None,
    dry_run: DryRun = False,  # noqa: FBT002
) -> Response:
    """Remove an environment."""
    changed = await call.administration.environments.remove(
        call.operator, environment, expected=expected_etag(if_match), dry_run=dry_run
    )
    return answer_changed(changed)


async def export_environment(
    call: Call,
    environment: EnvironmentId,
    ids: Annotated[bool, Query(description="Whether with the ids of everything.")] = False,  # noqa: FBT002
    password_hashes: Annotated[  # noqa: FBT002
        bool, Query(description="Whether with the digests of passwords, which takes an administrator.")
    ] = False,
) -> Response:
    """Answer with the file that makes an environment."""
    text = await call.administration.environments.export(
        call.operator, environment, ids=ids, password_hashes=password_hashes
    )
    return answer_text(text, YAML)


async def apply_file(call: Call, dry_run: DryRun = False) -> Response:  # noqa: FBT002
    """Apply an environment file."""
    if check_media_type(call.request, JSON, YAML) == YAML:
        application = Application(await call.request.body(), "the file", lambda _: None, dry_run=dry_run)
    else:
        body = await read_model(call.request, ApplyBody)
        application = Application(
            body.text.encode(), body.file, body.settings.get, body.prune, dry_run=dry_run
        )
    return answer_applied(
        await call.administration.environments.apply(call.operator, application), dry_run=dry_run
    )


async def _find(call: Call, environment: str) -> ObjectView:
    found = await call.administration.environments.find(call.operator, environment)
    if found is None:
        raise NoSuchObject("there is no such environment")
    return found


_OPERATIONS: Final = (
    (
        "GET",
        "",
        list_environments,
        Described("listEnvironments", "The environments of this server.", "EnvironmentPage", ANY_ROLE),
    ),
    (
        "POST",
        "",
        create_environment,
        Described(
            "createEnvironment",
            "Make an environment, which may have objects from its beginning.",
            "EnvironmentChanged",
            ADMINISTRATOR,
            {JSON: "EnvironmentFile"},
            status=201,
        ),
    ),
    (
        "GET",
        "/{environment}",
        get_environment,
        Described(
            "getEnvironment", "An environment's own settings.", "EnvironmentView", ANY_ROLE, has_etag=True
        ),
    ),
    (
        "PUT",
        "/{environment}",
        replace_environment,
        Described(
            "replaceEnvironment",
            "Replace an environment's settings: those that are left out get their default.",
            "EnvironmentChanged",
            ADMINISTRATOR,
            {JSON: "EnvironmentObject"},
        ),
    ),
    (
        "PATCH",
        "/{environment}",
        change_environment,
        Described(
            "changeEnvironment",
            "Change an environment's settings: what is left out stays, null brings back the default.",
            "EnvironmentChanged",
            ADMINISTRATOR,
            {MERGE_PATCH: "EnvironmentObjectPatch", JSON: "EnvironmentObjectPatch"},
        ),
    ),
    (
        "DELETE",
        "/{environment}",
        remove_environment,
        Described(
            "removeEnvironment",
            "Remove an environment with everything in it. Every token of it ends.",
            "EnvironmentChanged",
            ADMINISTRATOR,
            is_change=True,
        ),
    ),
    (
        "GET",
        "/{environment}/export",
        export_environment,
        Described(
            "exportEnvironment",
            "An environment as the file that makes it. Secrets are not in it.",
            "EnvironmentFile",
            READERS,
            media_type=YAML,
        ),
    ),
)


def environment_routers() -> tuple[APIRouter, APIRouter]:
    """Make the routes."""
    summary = "Make an environment what a file says: all of it, or nothing if anything in it is wrong."
    bodies = {JSON: "ApplyBody", YAML: "EnvironmentFile"}
    described = Described("applyFile", summary, "AppliedDocument", ADMINISTRATOR, bodies)
    return (
        describe_all(make_router("/v1/environments", "environments"), _OPERATIONS),
        describe_all(make_router("/v1", "environments"), (("POST", "/apply", apply_file, described),)),
    )
