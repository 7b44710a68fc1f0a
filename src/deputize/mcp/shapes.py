"""Check the `params` of client messages against the shapes that their version publishes.

`shapes.json` holds the published ones, which `tools/mcp_shapes.py` takes from `mcp-types`: importing that
library would cost every gateway 0.5 s of processor time and 30 MiB, building a validator from the file costs
0.3 to 1 ms, once for each method. Tasks are an experimental core feature of 2025-11-25 and an extension of
2026-07-28; `mcp-types` leaves both out, so their shapes stand here.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, SchemaValidator

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


_TASK_REQUESTS: Final[Mapping[tuple[str, str], type[BaseModel]]] = MappingProxyType(
    {
        ("tasks/get", _TASKS_CORE): _TaskCall,
        ("tasks/result", _TASKS_CORE): _TaskCall,
        ("tasks/cancel", _TASKS_CORE): _TaskCall,
        ("tasks/list", _TASKS_CORE): _TaskListing,
        ("tasks/get", _TASKS_EXTENSION): _DescribedTaskCall,
        ("tasks/cancel", _TASKS_EXTENSION): _DescribedTaskCall,
        ("tasks/update", _TASKS_EXTENSION): _TaskUpdate,
    }
)
_TASK_NOTIFICATIONS: Final[Mapping[tuple[str, str], type[BaseModel]]] = MappingProxyType(
    {("notifications/tasks/status", _TASKS_CORE): _TaskStatusNotification}
)


def shape_of(frame: Frame, version: str) -> SchemaValidator | None:
    """What checks the shape of a request or notification, or `None` if `version` has no such method."""
    is_request = frame.kind is FrameKind.REQUEST
    tasks = _TASK_REQUESTS if is_request else _TASK_NOTIFICATIONS
    if (frame.method, version) in tasks:
        return _build_task_shape(tasks[frame.method, version])
    methods = _read_published()["requests" if is_request else "notifications"]
    name = methods.get(frame.method, {}).get(version)
    return None if name is None else _build_published_shape(name)


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
def _build_task_shape(model: type[BaseModel]) -> SchemaValidator:
    """The model's own validator, called without the model's detour."""
    return cast("SchemaValidator", TypeAdapter(model).validator)


@cache
def _read_published() -> Mapping[str, Any]:
    """The names of shapes by method and version, apart for requests and notifications, and `definitions`."""
    return json.loads(Path(__file__).with_name("shapes.json").read_bytes())


@cache
def _build_published_shape(name: str) -> SchemaValidator:
    reached: dict[str, dict[str, Any]] = {}
    shape = {"type": "definition-ref", "schema_ref": name}
    _reach(shape, reached)
    schema = {"type": "definitions", "schema": shape, "definitions": list(reached.values())}
    return SchemaValidator(cast("CoreSchema", schema))


def _reach(part: object, reached: dict[str, dict[str, Any]]) -> None:
    """Add every definition that `part` of a schema refers to, directly or through others, to `reached`."""
    if isinstance(part, list):
        for each in cast("list[object]", part):
            _reach(each, reached)
    elif isinstance(part, dict):
        members = cast("dict[str, Any]", part)
        if members.get("type") != "definition-ref":
            for each in members.values():
                _reach(each, reached)
        elif (name := members["schema_ref"]) not in reached:
            definition = _read_published()["definitions"][name]
            reached[name] = {**definition, "ref": name}
            if definition["type"] == "model":
                # Validation fills an object of a class, which nobody looks at.
                reached[name]["cls"] = type(definition["schema"]["model_name"], (), {})
            _reach(definition, reached)
