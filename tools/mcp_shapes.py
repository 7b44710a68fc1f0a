"""Writes the shapes of MCP's client messages, as `mcp-types` publishes them, for the gateway to check with.

Tasks are an experimental core feature of 2025-11-25 and an extension of 2026-07-28; `mcp-types` leaves both
out, so their shapes are declared here.

The library itself takes 0.5 s of processor time and 30 MiB to import, since it also builds the messages of
servers and the types for programs that speak MCP. The gateway needs 28 of its models, and only to validate.
With `--check`, says whether the file is out of date.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from mcp_types.methods import CLIENT_NOTIFICATIONS, CLIENT_REQUESTS
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

FILE = Path(__file__).resolve().parent.parent / "src" / "deputize" / "mcp" / "shapes.json"
KEPT: Mapping[str, tuple[str, ...]] = {
    "any": (),
    "bool": (),
    "default": ("schema", "default"),
    "definition-ref": ("schema_ref",),
    "dict": ("keys_schema", "values_schema"),
    "float": ("ge", "gt", "le", "lt"),
    "int": ("ge", "gt", "le", "lt", "strict"),
    "list": ("items_schema", "min_length", "max_length"),
    "literal": ("expected",),
    "model": ("schema", "config"),
    "model-field": ("schema", "validation_alias"),
    "model-fields": ("fields", "extras_schema", "model_name"),
    "nullable": ("schema",),
    "str": ("pattern", "min_length", "max_length", "strict"),
    "union": ("choices", "mode"),
}
"""The members of each kind of pydantic's core schemas that decide about a message."""
DROPPED = frozenset(
    {
        *("type", "ref", "cls", "metadata", "serialization", "serialization_alias"),
        *("computed_fields", "custom_init", "root_model", "title"),
    }
)
"""The members that serve serialisation, documentation and Python objects."""


class TaskParams(BaseModel):
    """Which task a message is about."""

    task_id: str = Field(alias="taskId", min_length=1, max_length=1024)


class ListParams(BaseModel):
    """Where a listing goes on."""

    cursor: str | None = None


class DescribedMeta(BaseModel):
    """What a self-describing request says of itself."""

    model_config = ConfigDict(strict=True)

    version: str = Field(alias="io.modelcontextprotocol/protocolVersion")
    capabilities: dict[str, object] = Field(alias="io.modelcontextprotocol/clientCapabilities")


class DescribedTaskParams(TaskParams):
    """Which task a self-describing request is about."""

    meta: DescribedMeta = Field(alias="_meta")


class UpdateParams(DescribedTaskParams):
    """What a task waits for."""

    input_responses: dict[str, object] = Field(alias="inputResponses")


class TaskCall(BaseModel):
    """A request about one task, 2025-11-25."""

    method: Literal["tasks/get", "tasks/result", "tasks/cancel"]
    params: TaskParams


class TaskListing(BaseModel):
    """The request for a list of tasks, 2025-11-25."""

    method: Literal["tasks/list"]
    params: ListParams | None = None


class DescribedTaskCall(BaseModel):
    """A request about one task, 2026-07-28."""

    method: Literal["tasks/get", "tasks/cancel"]
    params: DescribedTaskParams


class TaskUpdate(BaseModel):
    """The answer to what a task asked for, 2026-07-28."""

    method: Literal["tasks/update"]
    params: UpdateParams


class TaskStatusNotification(BaseModel):
    """What became of a task, 2025-11-25."""

    method: Literal["notifications/tasks/status"]
    params: TaskParams


REQUESTS: Mapping[tuple[str, str], type[BaseModel]] = {
    **CLIENT_REQUESTS,
    ("tasks/get", "2025-11-25"): TaskCall,
    ("tasks/result", "2025-11-25"): TaskCall,
    ("tasks/cancel", "2025-11-25"): TaskCall,
    ("tasks/list", "2025-11-25"): TaskListing,
    ("tasks/get", "2026-07-28"): DescribedTaskCall,
    ("tasks/cancel", "2026-07-28"): DescribedTaskCall,
    ("tasks/update", "2026-07-28"): TaskUpdate,
}
NOTIFICATIONS: Mapping[tuple[str, str], type[BaseModel]] = {
    **CLIENT_NOTIFICATIONS,
    ("notifications/tasks/status", "2025-11-25"): TaskStatusNotification,
}


def main() -> int:
    """Write the file, or check it; return 0 if it is up to date."""
    text = published_shapes()
    if "--check" not in sys.argv[1:]:
        FILE.write_text(text, "utf-8")
    is_current = FILE.exists() and FILE.read_text("utf-8") == text
    print("shapes of MCP: " + ("up to date" if is_current else "out of date; run `make docs`"))
    return 0 if is_current else 1


def published_shapes() -> str:
    """Return the text of the file: a shape for each method and version, and each shape's schema on a line."""
    definitions: dict[str, Any] = {}
    lines: list[str] = []
    for title, models in (("requests", REQUESTS), ("notifications", NOTIFICATIONS)):
        methods: dict[str, dict[str, str]] = {}
        for (method, version), model in models.items():
            methods.setdefault(method, {})[version] = _define(model, definitions)
        lines.append(f'"{title}": {{\n' + ",\n".join(_members(methods)) + "\n}")
    lines.append('"definitions": {\n' + ",\n".join(_members(definitions)) + "\n}")
    return "{" + ",\n".join(lines) + "}\n"


def _members(mapping: Mapping[str, Any]) -> Iterator[str]:
    return (f'"{name}": {json.dumps(mapping[name], separators=(",", ":"))}' for name in sorted(mapping))


def _define(model: type[BaseModel], definitions: dict[str, Any]) -> str:
    schema: Any = TypeAdapter(model).core_schema
    if schema["type"] == "definitions":
        for each in schema["definitions"]:
            _reduce(each, definitions)
        schema = schema["schema"]
    return _reduce(schema, definitions)["schema_ref"]


def _reduce(schema: Any, definitions: dict[str, Any]) -> Any:  # noqa: ANN401 - any part of a core schema
    """Return `schema` without what does not validate; models and recursive parts move to `definitions`."""
    if isinstance(schema, list | tuple):
        return [_reduce(each, definitions) for each in cast("Sequence[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    members = cast("dict[str, Any]", schema)
    kind = members.get("type")
    if not isinstance(kind, str):  # the fields of a model
        return {name: _reduce(each, definitions) for name, each in members.items()}
    if unknown := members.keys() - {*KEPT[kind], *DROPPED}:
        raise SystemExit(
            f"mcp-types now has {kind} schemas with {', '.join(unknown)}: does that decide anything?"
        )
    kept = {name: _reduce(members[name], definitions) for name in KEPT[kind] if name in members}
    reduced = {"type": kind, **kept}
    if kind == "model":
        reduced["config"] = {name: each for name, each in kept["config"].items() if name != "title"}
        name = _name(f"{members['cls'].__module__}.{members['cls'].__name__}")
    elif kind == "definition-ref":
        return {"type": kind, "schema_ref": _name(members["schema_ref"])}
    elif "ref" in members:
        name = _name(members["ref"])
    else:
        return reduced
    definitions[name] = reduced
    return {"type": "definition-ref", "schema_ref": name}


def _name(reference: str) -> str:
    """Return `v2025_11_25.CallToolRequest` for `mcp_types._v2025_11_25.CallToolRequest:94759757457408`."""
    module, _, name = reference.partition(":")[0].rpartition(".")
    return f"{module.removeprefix('mcp_types._')}.{name}" if module.startswith("mcp_types.") else name


if __name__ == "__main__":
    sys.exit(main())
