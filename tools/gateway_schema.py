"""JSON Schemas of `admin.json`, `config.json` and route files, made from the settings that read them."""

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

from deputize.authority.management.schemas import attribute_docstrings
from deputize.expressions.gateway import Condition, Template
from deputize.gateway import catalogue
from deputize.gateway.config.compatibility import ABSENT
from deputize.gateway.config.file_settings import AdminSettings, GatewaySettings, RouteSettings
from deputize.gateway.config.settings import Settings
from deputize.gateway.decorators.capture import POINTS

Schema = dict[str, Any]
FILES: Final[Mapping[str, type[Settings]]] = {
    "admin": AdminSettings,
    "config": GatewaySettings,
    "route": RouteSettings,
}
"""The name of each schema, and what reads such a file."""
_DIALECT: Final = "http://json-schema.org/draft-07/schema#"
_EXPRESSION: Final[Schema] = {
    "description": "A token or a configuration expression.",
    "type": "string",
    "pattern": r"[&$#]\{",
}
_TRANSFORMATION: Final[Schema] = {
    "description": "A conversion of a text, such as one that a token stands for.",
    "type": "object",
    "propertyNames": {"pattern": r"^\$(int|number|bool|string|array|list|object|base64:(encode|decode))$"},
    "minProperties": 1,
    "maxProperties": 1,
}
_POINT: Final[Schema] = {
    "enum": [form for each in ("all", "none", *POINTS) for form in (each, each.upper())],
}
_DECORATIONS: Final[Mapping[str, Schema]] = {
    "baseURI": {"description": "Scheme, host and port that requests are sent to.", "type": "string"},
    "capture": {
        "description": "Which messages are written to the log.",
        "anyOf": [_POINT, {"type": "array", "items": _POINT}],
    },
    "timer": {"description": "Whether times are written to the log.", "type": "boolean"},
    "tracing": {"description": "Has no effect.", "type": "boolean"},
}
_IGNORED: Final = {"^_": True}
_SCALARS: Final[Mapping[type, Schema]] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}
_BOUNDS: Final = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}


def schema_text(name: str) -> str:
    """Return the schema of that name in `FILES`, as JSON."""
    return json.dumps(_Writer().file(FILES[name], name), indent=1, ensure_ascii=False) + "\n"


class _Writer:
    """Writes one schema; what it refers to becomes its definitions."""

    def __init__(self) -> None:
        self._definitions: dict[str, Schema] = {"expression": _EXPRESSION, "transformation": _TRANSFORMATION}

    def file(self, kind: type[Settings], name: str) -> Schema:
        schema = self._members(kind, _DECORATIONS if name != "admin" else {})
        properties = {"$schema": {"type": "string"}, **schema.pop("properties")}
        properties["heap"] |= {"type": "array", "items": {"$ref": "#/definitions/named"}}
        self._define_objects()
        return {
            "$schema": _DIALECT,
            "title": f"The gateway's {name}.json" if name != "route" else "A route of the gateway",
            **schema,
            "properties": properties,
            "definitions": dict(sorted(self._definitions.items())),
        }

    def _define_objects(self) -> None:
        """Define what a heap object is: its type says what its configuration is."""
        kinds = catalogue.HEAP_TYPES.own
        names = [name for kind in kinds for name in catalogue.type_names(kind)]
        unsupported = "|".join(sorted(ABSENT))
        written = {
            "anyOf": [
                {"enum": names},
                {"type": "string", "not": {"pattern": f"^({unsupported})$"}, "minLength": 1},
            ]
        }
        cases = [self._case(kind) for kind in kinds]
        self._definitions["object"] = {
            "type": "object",
            "required": ["type"],
            "properties": {
                "name": {"description": "What others refer to it by.", "type": "string"},
                "type": {"description": "The kind of object.", **written},
                "config": {"type": "object"},
                "comment": True,
                **_DECORATIONS,
            },
            "allOf": cases,
        }
        self._definitions["named"] = {
            "allOf": [{"$ref": "#/definitions/object"}],
            "required": ["name", "type"],
        }
        self._definitions["reference"] = {
            "anyOf": [
                {"description": "The name of a heap object.", "type": "string"},
                {"$ref": "#/definitions/object"},
            ]
        }

    def _case(self, kind: Any) -> Schema:  # noqa: ANN401
        model: type[Settings] = kind.Config
        needed = any(field.is_required() for field in model.model_fields.values())
        self._definitions[kind.__name__] = {
            **self._members(model, {}),
            "description": _first_paragraph(kind),
        }
        then: Schema = {"properties": {"config": {"$ref": f"#/definitions/{kind.__name__}"}}}
        if needed:
            then["required"] = ["config"]
        return {
            "if": {"properties": {"type": {"enum": list(catalogue.type_names(kind))}}, "required": ["type"]},
            "then": then,
        }

    def _members(self, model: type[Settings], more: Mapping[str, Schema]) -> Schema:
        about = attribute_docstrings(model)
        properties: dict[str, Any] = {"comment": True}
        for name, field in model.model_fields.items():
            described = {"description": " ".join(about.get(name, "").split()), **self._field(field)}
            for key in _keys(name, field):
                properties[key] = described
        required = [
            _keys(name, field)[0] for name, field in model.model_fields.items() if field.is_required()
        ]
        return {
            "type": "object",
            "properties": {**properties, **more},
            "patternProperties": _IGNORED,
            "additionalProperties": False,
            **({"required": required} if required else {}),
        }

    def _field(self, field: FieldInfo) -> Schema:
        return self._of(Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation)

    def _of(self, annotation: Any) -> Schema:  # noqa: ANN401, PLR0911 - one for each kind of type
        origin, inner = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self._annotated(inner[0], inner[1:])
        if origin is Literal:
            cases = dict.fromkeys(form for each in inner for form in (each, str(each).lower()))
            return _or_expression({"enum": list(cases)})
        if origin in {tuple, list}:
            return {"type": "array", "items": self._of(inner[0])}
        if origin in {dict, Mapping}:
            return {"type": "object", "additionalProperties": self._of(inner[1])}
        if inner:
            return {"anyOf": [self._of(each) for each in inner if each is not type(None)]}
        if isinstance(annotation, type) and issubclass(annotation, Settings):
            name = annotation.__name__
            if name not in self._definitions:
                self._definitions[name] = {}
                self._definitions[name] = self._members(annotation, {})
            return {"$ref": f"#/definitions/{name}"}
        if annotation in {Template, Condition}:
            return {"type": ["string", "number", "boolean"]}
        if annotation in _SCALARS:
            return _or_expression(_SCALARS[annotation])
        return {} if annotation is Any else {"type": "string"}

    def _annotated(self, kind: Any, metadata: tuple[Any, ...]) -> Schema:  # noqa: ANN401
        """Return the schema of a type with what reads and bounds its values."""
        readers = {getattr(getattr(each, "func", None), "__name__", "") for each in metadata}
        if "_to_reference" in readers:
            return {"$ref": "#/definitions/reference"}
        if readers & {"_parse_duration", "_parse_addresses", "_parse_network"}:
            return {"type": "string"}
        if "_parse_ports" in readers:
            return {"type": ["integer", "string"]}
        if "_compile" in readers and kind is Any:
            return {}
        found = self._of(kind)
        if "_to_list" in readers:
            return {"anyOf": [found["items"], found]}
        bounds = {
            word: getattr(each, name)
            for each in metadata
            for name, word in _BOUNDS.items()
            if getattr(each, name, None) is not None
        }
        if bounds and "anyOf" in found:
            found = {"anyOf": [found["anyOf"][0] | bounds, *found["anyOf"][1:]]}
        return found


def _or_expression(schema: Schema) -> Schema:
    """Return the schema of a value that a token, an expression or a transformation may stand for as well."""
    return {"anyOf": [schema, {"$ref": "#/definitions/expression"}, {"$ref": "#/definitions/transformation"}]}


def _keys(name: str, field: FieldInfo) -> list[str]:
    """Return the keys by which files may name a field, the preferred one first."""
    choices = field.validation_alias
    if isinstance(choices, AliasChoices):
        return [str(each) for each in choices.choices]
    return [field.alias or name]


def _first_paragraph(kind: type[BaseModel]) -> str:
    return " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())


def schemas() -> Iterator[tuple[str, str]]:
    """Yield the name of each file in docs/reference, and its text."""
    for name in FILES:
        yield f"{name}.schema.json", schema_text(name)
