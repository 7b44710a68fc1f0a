"""Check the `params` of client messages against the shapes that their version publishes.

`shapes.json` holds the shapes; `tools/mcp_shapes.py` takes them from `mcp-types`, and says those of tasks
itself. Importing that library would cost every gateway 0.5 s of processor time and 30 MiB; building a
validator from the file costs 0.3 to 1 ms, once for each method.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, cast

from pydantic_core import CoreSchema, SchemaValidator, ValidationError

from deputize.kernel import pointers
from deputize.kernel.values import JsonObject, JsonValue
from deputize.mcp.frames import Frame, FrameKind

_MAX_COMPLAINTS = 8
_REQUEST = FrameKind.REQUEST
_Schema: TypeAlias = dict[str, Any]
"""A part of pydantic's core schemas."""


class Shape:
    """What the messages of one method look like in one version."""

    __slots__ = ("_exact", "_name", "_plain", "_quick")

    def __init__(self, name: str) -> None:
        """`name` is that of a definition in `shapes.json`."""
        self._name = name
        self._plain: tuple[Mapping[str, type], frozenset[str]] | None = None
        self._quick: SchemaValidator | None = None
        self._exact: SchemaValidator | None = None

    def plain_members(self) -> tuple[Mapping[str, type], frozenset[str]]:
        """The members of `params` of which only the type matters, with it, and those that must be there."""
        if self._plain is None:
            self._plain = _find_plain_members(_read_file()["definitions"][self._name])
        return self._plain

    def complaints(self, document: JsonObject) -> list[JsonValue]:
        """Where the request or notification `document` does not fit, as JSON pointers with a reason each.

        Values of the message are never repeated. `parse_frame` has checked all but `params`, so only these
        are looked at unless there is something to complain about, in the words of mcp-types' own models.
        """
        plain, required = self._plain or self.plain_members()
        params = document.get("params")
        # Most calls have a name and arguments. These are looked at here: the validator's code and tables are
        # in no cache between two calls, so that it takes three times as long as when it runs in a loop.
        if isinstance(params, dict) and required <= params.keys():
            for name, value in params.items():
                if type(value) is not plain.get(name):
                    break
            else:
                return []
        if self._quick is None:
            self._quick = _build(_with_params_only(_read_file()["definitions"][self._name]), _as_dictionary)
        try:
            self._quick.validate_python(document)
        except ValidationError:
            if self._exact is None:
                self._exact = _build(_read_file()["definitions"][self._name], _as_object)
            return complaints(self._exact, document)
        return []


def shape_of(frame: Frame, version: str) -> Shape | None:
    """The shape of a request or notification, or `None` if `version` has no such method."""
    requests, notifications = _find_shapes()
    versions = (requests if frame.kind is _REQUEST else notifications).get(frame.method)
    return None if versions is None else versions.get(version)


def request_shapes(version: str) -> Mapping[str, Shape]:
    """The shapes of the requests that `version` has, by method."""
    return {
        method: versions[version] for method, versions in _find_shapes()[0].items() if version in versions
    }


def complaints(validator: SchemaValidator, document: JsonObject) -> list[JsonValue]:
    """What `validator` finds wrong with `document`, as JSON pointers with a reason each."""
    try:
        validator.validate_python(document, by_name=False)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        return [
            {"pointer": pointers.join("", *each["loc"]), "reason": each["msg"]}
            for each in details[:_MAX_COMPLAINTS]
        ]
    return []


@cache
def _read_file() -> Mapping[str, Any]:
    """The names of shapes by method and version, apart for requests and notifications, and `definitions`."""
    return json.loads(Path(__file__).with_name("shapes.json").read_bytes())


@cache
def _find_shapes() -> tuple[dict[str, dict[str, Shape]], dict[str, dict[str, Shape]]]:
    """Requests and notifications by method and version."""
    file, shape = _read_file(), cache(Shape)
    requests, notifications = (
        {
            method: {version: shape(name) for version, name in names.items()}
            for method, names in file[kind].items()
        }
        for kind in ("requests", "notifications")
    )
    return requests, notifications


def _build(shape: _Schema, render: Callable[[_Schema], _Schema]) -> SchemaValidator:
    """A validator of the definition `shape`, with it and all that it refers to as `render` says."""
    reached: dict[str, _Schema] = {}
    _reach(shape, reached)
    definitions = [{**render(each), "ref": name} for name, each in reached.items()]
    schema = {"type": "definitions", "schema": render(shape), "definitions": definitions}
    return SchemaValidator(cast("CoreSchema", schema))


def _find_plain_members(definition: _Schema) -> tuple[Mapping[str, type], frozenset[str]]:
    """The members of `params` of which only the type matters, with it, and those that must be there."""
    params = definition["schema"]["fields"]["params"]["schema"]
    if params["type"] != "definition-ref":
        return {}, frozenset({"params"})  # which is no member of theirs: left to the validator
    plain: dict[str, type] = {}
    required: set[str] = set()
    for field_name, field in _read_file()["definitions"][params["schema_ref"]]["schema"]["fields"].items():
        name, schema = field.get("validation_alias", field_name), field["schema"]
        if schema["type"] == "default":
            schema = schema["schema"]
        else:
            required.add(name)
        if schema["type"] == "nullable":
            schema = schema["schema"]
        if schema == {"type": "str"}:
            plain[name] = str
        elif schema == {"type": "dict", "keys_schema": {"type": "str"}, "values_schema": {"type": "any"}}:
            plain[name] = dict
    return plain, frozenset(required)


def _with_params_only(definition: _Schema) -> _Schema:
    model = definition["schema"]
    return {**definition, "schema": {**model, "fields": {"params": model["fields"]["params"]}}}


def _as_object(definition: _Schema) -> _Schema:
    """A model fills an object of a class, which nobody looks at."""
    if definition["type"] != "model":
        return definition
    return {**definition, "cls": type(definition["schema"]["model_name"], (), {})}


def _as_dictionary(definition: _Schema) -> _Schema:
    """A dictionary of a model's fields, by their names in messages, accepts the same in half the time."""
    if definition["type"] != "model":
        return definition
    fields: _Schema = {}
    for name, field in definition["schema"]["fields"].items():
        schema, is_optional = field["schema"], field["schema"]["type"] == "default"
        schema = schema["schema"] if is_optional else schema
        fields[name] = {**field, "type": "typed-dict-field", "schema": schema, "required": not is_optional}
    model = {name: each for name, each in definition["schema"].items() if name != "model_name"}
    config = {name: each for name, each in definition["config"].items() if name != "validate_by_name"}
    return {**model, "type": "typed-dict", "fields": fields, "config": config}


def _reach(part: object, reached: dict[str, _Schema]) -> None:
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
            reached[name] = _read_file()["definitions"][name]
            _reach(reached[name], reached)
