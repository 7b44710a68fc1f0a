"""Check the `params` of client messages against the shapes that their version publishes.

`shapes.json` holds the shapes; `tools/mcp_shapes.py` takes them from `mcp-types`, and says those of tasks
itself. Importing that library would cost every gateway 0.5 s of processor time and 30 MiB; building a
validator from the file costs 0.3 to 1 ms, once for each method.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from pydantic_core import CoreSchema, SchemaValidator, ValidationError

from deputize.kernel import pointers
from deputize.kernel.values import JsonObject, JsonValue
from deputize.mcp.frames import Frame, FrameKind

_MAX_COMPLAINTS = 8


def shape_of(frame: Frame, version: str) -> SchemaValidator | None:
    """What checks the shape of a request or notification, or `None` if `version` has no such method."""
    kind = "requests" if frame.kind is FrameKind.REQUEST else "notifications"
    name = _read_shapes()[kind].get(frame.method, {}).get(version)
    return None if name is None else _build_shape(name)


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
def _read_shapes() -> Mapping[str, Any]:
    """The names of shapes by method and version, apart for requests and notifications, and `definitions`."""
    return json.loads(Path(__file__).with_name("shapes.json").read_bytes())


@cache
def _build_shape(name: str) -> SchemaValidator:
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
            definition = _read_shapes()["definitions"][name]
            reached[name] = {**definition, "ref": name}
            if definition["type"] == "model":
                # Validation fills an object of a class, which nobody looks at.
                reached[name]["cls"] = type(definition["schema"]["model_name"], (), {})
            _reach(definition, reached)
