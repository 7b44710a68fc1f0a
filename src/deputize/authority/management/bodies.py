"""Reading what requests carry: JSON that no two parsers read differently, in a type that was asked for."""

from collections.abc import Mapping
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from deputize.authority.asgi import MAX_REQUEST_SIZE
from deputize.authority.management.problems import RequestRefused
from deputize.kernel import pointers
from deputize.kernel.strict_json import JsonError, loads
from deputize.kernel.values import JsonObject

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
YAML: Final = "application/yaml"
MAX_DEPTH: Final = 32
ModelT = TypeVar("ModelT", bound=BaseModel)


def check_media_type(request: Request, *accepted: str) -> str:
    """Return the body's media type. Raises `RequestRefused` (415) unless it is `accepted` and not encoded."""
    kinds = request.headers.getlist("content-type")
    kind = kinds[0].partition(";")[0].strip().lower() if len(kinds) == 1 else ""
    if kind not in accepted or "content-encoding" in request.headers:
        field = "Accept-Patch" if request.method == "PATCH" else "Accept-Post"
        listed = ", ".join(accepted)
        detail = f"the body has to be {' or '.join(accepted)}, and not encoded"
        raise RequestRefused(415, detail, headers={field: listed})
    return kind


async def read_object(request: Request, *accepted: str) -> JsonObject:
    """Read the body as a JSON object. Raises `RequestRefused`, and `BodyTooLarge` or `BodyBroken`."""
    check_media_type(request, *(accepted or (JSON,)))
    try:
        value = loads(await request.body(), max_size=MAX_REQUEST_SIZE, max_depth=MAX_DEPTH)
    except JsonError as error:
        raise RequestRefused(400, f"the body is no JSON: {error}") from error
    if not isinstance(value, Mapping):
        fix = {"pointer": "", "detail": "has to be an object", "fix": "put it into { }"}
        raise RequestRefused(422, "the body is no JSON object", [fix])
    return value


async def read_model(request: Request, model: type[ModelT]) -> ModelT:
    """Read the body as one of an action's own; none stands for `{}`. Raises as `read_object` does."""
    members: JsonObject = await read_object(request) if await request.body() else {}
    try:
        return model.model_validate(members)
    except ValidationError as invalid:
        errors = [
            {
                "pointer": pointers.join("", *each["loc"]),
                "detail": each["msg"].removeprefix("Value error, "),
            }
            for each in invalid.errors(include_url=False, include_input=False)
        ]
        raise RequestRefused(422, "the body is not what the action takes", errors) from invalid


def addressed(members: JsonObject, object_id: str) -> JsonObject:
    """Return an entry as meant for what is at the path. Raises `RequestRefused` for the id of another."""
    if members.get("id") not in (None, object_id):
        wrong = {"pointer": "/id", "detail": "is the id of another", "fix": "leave it out"}
        raise RequestRefused(422, "the entry is of another than the path", [wrong])
    return {name: value for name, value in members.items() if name != "id"}
