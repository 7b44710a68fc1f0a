"""The keys that sign an environment's tokens."""

from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

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
from deputize.jose import ALGORITHMS


class RotateBody(BaseModel):
    """Which keys are rotated."""

    model_config = ConfigDict(extra="forbid")

    algorithms: Annotated[
        list[Annotated[str, Field(json_schema_extra={"enum": list(ALGORITHMS)})]], Field(max_length=10)
    ] = Field(default_factory=list)
    """Only keys of these algorithms, which are made where there are none; none means all that there are."""


async def list_keys(call: Call, environment: EnvironmentId) -> Response:
    """Answer with all keys."""
    return answer_page(await call.administration.keys.list(call.operator, environment))


async def rotate_keys(call: Call, environment: EnvironmentId) -> Response:
    """Rotate keys."""
    body = await read_model(call.request, RotateBody)
    return answer_changed(await call.administration.keys.rotate(call.operator, environment, body.algorithms))


async def retire_key(call: Call, environment: EnvironmentId, object_id: ObjectId) -> Response:
    """Forget a retired key."""
    return answer_changed(await call.administration.keys.retire(call.operator, environment, object_id))


_OPERATIONS: Final[tuple[Operation, ...]] = (
    (
        "GET",
        "",
        list_keys,
        Described("listKeys", "All keys, never their private parts.", "KeyPage", READERS),
    ),
    (
        "POST",
        "/rotate",
        rotate_keys,
        Described(
            "rotateKeys",
            "Sign with the next keys from now on; fresh ones wait, former ones still verify.",
            "KeyChanged",
            ADMINISTRATOR,
            {JSON: "RotateBody"},
            optional=True,
        ),
    ),
    (
        "DELETE",
        "/{object_id}",
        retire_key,
        Described(
            "retireKey",
            "Forget a retired key before its time: every token that it signed ends. 409 for other keys.",
            "KeyChanged",
            ADMINISTRATOR,
            is_change=True,
        ),
    ),
)


def key_router() -> APIRouter:
    """Make the routes."""
    return describe_all(make_router(f"{ENVIRONMENT}/keys", "keys"), _OPERATIONS)
