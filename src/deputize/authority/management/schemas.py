"""The models of entries, stored documents and bodies as JSON schemas, and what the API makes of them."""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema

from deputize.authority.directory.objects.directory_object import DocumentPart
from deputize.authority.directory.objects.policy import PolicyStep

REF: Final = "#/components/schemas/"
_TEXT: Final = {"type": "string"}


class EntrySchemas(GenerateJsonSchema):
    """Writes durations and instants as what may be written, and what is answered."""

    def function_before_schema(self, schema: Any) -> JsonSchemaValue:  # noqa: ANN401 - of Pydantic's core, which is confined
        """Add the texts that a validator reads."""
        inner = super().function_before_schema(schema)
        match getattr(schema["function"].get("function"), "__name__", ""):
            case "_seconds":
                return {"anyOf": [inner, {"type": "string", "examples": ["1 hour"]}]}
            case "_interval":
                return {"type": ["string", "null"], "examples": ["180 days", "never"]}
            case "_instant":
                return {"anyOf": [{"type": "string", "format": "date-time"}, inner]}
            case _:
                return inner


def schemas_of(models: Sequence[type[BaseModel]]) -> dict[str, dict[str, Any]]:
    """Return the schemas of models, and of what they are made of, with the texts under their members."""
    _, document = models_json_schema(
        [(model, "validation") for model in models],
        ref_template=f"{REF}{{model}}",
        schema_generator=EntrySchemas,
    )
    schemas: dict[str, dict[str, Any]] = document["$defs"]
    for model in _all_models(models):
        schema = schemas.get(model.__name__)
        if schema is None:
            continue
        schema["description"] = inspect.getdoc(model) or ""
        schema.pop("title", None)
        properties: dict[str, dict[str, Any]] = schema.setdefault("properties", {})
        for name, text in attribute_docstrings(model).items():
            if name in properties:
                properties[name]["description"] = text
        for name, member in properties.items():
            member.pop("title", None)
            if issubclass(model, DocumentPart) and name not in schema.get("required", ()):
                properties[name] = _or_null(member)
    if "PolicyStep" in schemas:
        steps = {name: {"type": "object"} for name in PolicyStep.entry_fields()}
        schemas["PolicyStep"] |= {"properties": steps, "minProperties": 1, "maxProperties": 1}
        schemas["PolicyStep"]["additionalProperties"] = {"type": "object"}
        del schemas["JsonValue"]  # what Pydantic says of the settings of a step
    return schemas


def patch_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a patch of such an entry: nothing is required, and everything may be null."""
    members: Mapping[str, dict[str, Any]] = schema["properties"]
    return {
        **{name: value for name, value in schema.items() if name != "required"},
        "description": f"{schema['description']} As a patch: what is left out stays, null is the default.",
        "properties": {name: _or_null(member) for name, member in members.items()},
    }


def view_schema(kind: str, entry: Mapping[str, Any], about: str) -> dict[str, Any]:
    """Return the schema of something as it is: its entry, and what is known beyond it."""
    return {
        "type": "object",
        "description": about,
        "properties": {
            "kind": {"const": kind},
            "id": _TEXT,
            "name": _TEXT,
            "entry": dict(entry),
            "etag": _TEXT,
            "facts": {"type": "object", "description": "What is known beyond the entry."},
        },
        "required": ["kind", "id", "name", "entry", "etag", "facts"],
    }


def page_schema(item: str) -> dict[str, Any]:
    """Return the schema of a part of a list of what the schema `item` describes."""
    return {
        "type": "object",
        "description": "A part of a list. `next_cursor` begins the next one; null on the last.",
        "properties": {
            "items": {"type": "array", "items": {"$ref": f"{REF}{item}"}},
            "next_cursor": {"type": ["string", "null"]},
        },
        "required": ["items", "next_cursor"],
    }


def changed_schema(view: str) -> dict[str, Any]:
    """Return the schema of what a change did to what the schema `view` describes."""
    return {
        "type": "object",
        "description": "What a change did, or in a dry run would. No differences: it was like that already.",
        "properties": {
            "object": {"anyOf": [{"$ref": f"{REF}{view}"}, {"type": "null"}]},
            "differences": {"type": "array", "items": {"$ref": f"{REF}DifferenceModel"}},
            "warnings": {"type": "array", "items": _TEXT},
            "secrets": {"type": "array", "items": {"$ref": f"{REF}IssuedSecretModel"}},
            "ends": {"type": "object", "additionalProperties": {"type": "integer"}},
            "dry_run": {"type": "boolean"},
        },
        "required": ["object", "differences", "warnings", "secrets", "ends", "dry_run"],
    }


def _or_null(member: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a member that may also be null, which stands for its default."""
    choices: list[dict[str, Any]] = member.get("anyOf", [])
    kinds = [member.get("type"), *(each.get("type") for each in choices)]
    if any(kind == "null" or (isinstance(kind, list) and "null" in kind) for kind in kinds):
        return member
    about = {name: member[name] for name in ("description", "default") if name in member}
    inner = {name: value for name, value in member.items() if name not in about}
    choices = [*choices, {"type": "null"}] if choices else [inner, {"type": "null"}]
    return {**about, "anyOf": choices}


def _all_models(models: Iterable[type[BaseModel]]) -> Iterable[type[BaseModel]]:
    seen: dict[type[BaseModel], None] = {}
    waiting = list(models)
    while waiting:
        model = waiting.pop()
        if model in seen:
            continue
        seen[model] = None
        for each in model.model_fields.values():
            waiting += _models_in(each.annotation)
    return seen


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    inner: tuple[object, ...] = getattr(annotation, "__args__", ())  # pyright: ignore[reportUnknownArgumentType]
    return [model for each in inner for model in _models_in(each)]


def attribute_docstrings(model: type[BaseModel]) -> Mapping[str, str]:
    """Return the texts under the fields of a model and of those it extends.

    Pydantic would read them whenever the program starts, which takes it a tenth of a second.
    """
    found: dict[str, str] = {}
    for part in reversed(model.__mro__[: model.__mro__.index(BaseModel)]):
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(part))).body
        body: list[ast.stmt] = getattr(definition, "body", [])
        for member, below in pairwise(body):
            match member, below:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                    found[name] = inspect.cleandoc(text)
                case _:
                    pass
    return found
