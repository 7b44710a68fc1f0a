"""The shape of every client message per version: the published ones of `mcp-types`, and our own for tasks.

Tasks are an experimental core feature of 2025-11-25 and an extension of 2026-07-28; `mcp-types` leaves both
out.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final, Literal, cast

from mcp_types.methods import CLIENT_NOTIFICATIONS, CLIENT_REQUESTS
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

from deputize.kernel import pointers
from deputize.kernel.values import JsonObject, JsonValue
from deputize.mcp.frames import Frame, FrameKind

_MAX_COMPLAINTS = 8
_TASKS_CORE, _TASKS_EXTENSION = "2025-11-25", "2026-07-28"


class _TaskParams(BaseModel):
    task_id: str = Field(alias="taskId", min_length=1, max_length=1024)


class _ListParams(BaseModel):
    cursor: str | None = None


class _DescribedMeta(BaseModel):
    model_config = ConfigDict(strict=True)

    version: str = Field(alias="io.modelcontextprotocol/protocolVersion")
    capabilities: dict[str, object] = Field(alias="io.modelcontextprotocol/clientCapabilities")


class _DescribedTaskParams(_TaskParams):
    meta: _DescribedMeta = Field(alias="_meta")


class _UpdateParams(_DescribedTaskParams):
    input_responses: dict[str, object] = Field(alias="inputResponses")


class _TaskCall(BaseModel):
    method: Literal["tasks/get", "tasks/result", "tasks/cancel"]
    params: _TaskParams


class _TaskListing(BaseModel):
    method: Literal["tasks/list"]
    params: _ListParams | None = None


class _DescribedTaskCall(BaseModel):
    method: Literal["tasks/get", "tasks/cancel"]
    params: _DescribedTaskParams


class _TaskUpdate(BaseModel):
    method: Literal["tasks/update"]
    params: _UpdateParams


class _TaskStatusNotification(BaseModel):
    method: Literal["notifications/tasks/status"]
    params: _TaskParams


_REQUESTS: Final[Mapping[tuple[str, str], type[BaseModel]]] = MappingProxyType(
    {
        **CLIENT_REQUESTS,
        ("tasks/get", _TASKS_CORE): _TaskCall,
        ("tasks/result", _TASKS_CORE): _TaskCall,
        ("tasks/cancel", _TASKS_CORE): _TaskCall,
        ("tasks/list", _TASKS_CORE): _TaskListing,
        ("tasks/get", _TASKS_EXTENSION): _DescribedTaskCall,
        ("tasks/cancel", _TASKS_EXTENSION): _DescribedTaskCall,
        ("tasks/update", _TASKS_EXTENSION): _TaskUpdate,
    }
)
_NOTIFICATIONS: Final[Mapping[tuple[str, str], type[BaseModel]]] = MappingProxyType(
    {
        **CLIENT_NOTIFICATIONS,
        ("notifications/tasks/status", _TASKS_CORE): _TaskStatusNotification,
    }
)


def shape_of(frame: Frame, version: str) -> SchemaValidator | None:
    """What checks the shape of a request or notification, or `None` if `version` has no such method."""
    known = _REQUESTS if frame.kind is FrameKind.REQUEST else _NOTIFICATIONS
    model = known.get((frame.method, version))
    return None if model is None else _validator(model)


def complaints(shape: SchemaValidator, document: JsonObject) -> list[JsonValue]:
    """Where `document` does not fit, as JSON pointers with a reason each.

    Values of the message are never repeated.
    """
    try:
        shape.validate_python(document, by_name=False)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        return [
            {"pointer": pointers.join("", *each["loc"]), "reason": each["msg"]}
            for each in details[:_MAX_COMPLAINTS]
        ]
    return []


@cache
def _validator(model: type[BaseModel]) -> SchemaValidator:
    """The model's own validator, called without the model's detour."""
    return cast("SchemaValidator", TypeAdapter(model).validator)
