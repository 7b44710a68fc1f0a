"""JSON Schema as Cedar types: what of a tool's arguments policies see, and how a value becomes Cedar's.

Cedar has no null, no floating point and no open records. What it cannot say is not shown to policies, and a
call that carries it is denied (https://docs.cedarpolicy.com/policies/syntax-datatypes.html).
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal
from typing import Final, Protocol

from deputize.gateway.policies.arguments import AmbiguousArguments, ExactValue, exact_value
from deputize.kernel.errors import DeputizeError
from deputize.kernel.pointers import Absent, join, resolve
from deputize.kernel.values import JsonObject, JsonValue

_LONG: Final = 2**63
_DIGITS: Final = 4
"""Digits after the point that a `decimal` has."""
_EXACT: Final = Context(prec=512)
"""More digits than any number in a message has."""
_MAX_DEPTH: Final = 16
_UNSUPPORTED: Final = ("allOf", "not", "if", "patternProperties", "prefixItems", "dependentSchemas")
"""Keywords by which a schema says more than one type does."""


class Unmappable(DeputizeError):
    """A schema, or a value, that Cedar cannot say. Says which, without the value."""


class CedarType(Protocol):
    """A type of Cedar that a schema was mapped to."""

    def schema(self) -> dict[str, JsonValue]:
        """Return the type in Cedar's JSON format of schemas."""
        ...

    def convert(self, value: ExactValue, pointer: str) -> JsonValue:
        """Return `value`, which stands at `pointer`, in Cedar's JSON format. Raises `Unmappable`."""
        ...


@dataclass(frozen=True, slots=True)
class CedarString:
    """Texts; `allowed` are those of an enumeration."""

    allowed: frozenset[str] | None = None

    def schema(self) -> dict[str, JsonValue]:
        """`String`."""
        return {"type": "String"}

    def convert(self, value: ExactValue, pointer: str) -> JsonValue:
        """A text as it is."""
        if not isinstance(value, str):
            raise Unmappable(f"{pointer} is no text")
        if self.allowed is not None and value not in self.allowed:
            raise Unmappable(f"{pointer} is none of the values of its enumeration")
        return value


@dataclass(frozen=True, slots=True)
class CedarBool:
    """True and false."""

    def schema(self) -> dict[str, JsonValue]:
        """`Bool`."""
        return {"type": "Boolean"}

    def convert(self, value: ExactValue, pointer: str) -> JsonValue:
        """The value itself."""
        if not isinstance(value, bool):
            raise Unmappable(f"{pointer} is neither true nor false")
        return value


@dataclass(frozen=True, slots=True)
class CedarLong:
    """Integers of 64 bits; 1e2 and 100.0 are the integer 100 (JSON Schema, section 6.1.1)."""

    def schema(self) -> dict[str, JsonValue]:
        """`Long`."""
        return {"type": "Long"}

    def convert(self, value: ExactValue, pointer: str) -> JsonValue:
        """The integer."""
        if not isinstance(value, Decimal) or value != value.to_integral_value():
            raise Unmappable(f"{pointer} is no integer")
        if not -_LONG <= value < _LONG:
            raise Unmappable(f"{pointer} is beyond 64 bits")
        return int(value)


@dataclass(frozen=True, slots=True)
class CedarDecimal:
    """Numbers with at most four digits after the point."""

    def schema(self) -> dict[str, JsonValue]:
        """The extension type `decimal`."""
        return {"type": "Extension", "name": "decimal"}

    def convert(self, value: ExactValue, pointer: str) -> JsonValue:
        """A call of Cedar's `decimal`."""
        if not isinstance(value, Decimal):
            raise Unmappable(f"{pointer} is no number")
        return cedar_decimal(value, pointer)


@dataclass(frozen=True, slots=True)
class CedarSet:
    """Arrays: policies see what is in them, not in which order or how often."""

    items: CedarType

    def schema(self) -> dict[str, JsonValue]:
        """`Set` of the items' type."""
        return {"type": "Set", "element": self.items.schema()}

    def convert(self, value: ExactValue, pointer: str) -> JsonValue:
        """The items."""
        if isinstance(value, str) or not isinstance(value, list | tuple):
            raise Unmappable(f"{pointer} is no array")
        return [self.items.convert(item, join(pointer, at)) for at, item in enumerate(value)]


@dataclass(frozen=True, slots=True)
class CedarMember:
    """A member of a record."""

    type: CedarType
    is_required: bool
    default: JsonValue = None
    """What the server takes where the member is missing, in Cedar's format; `None` where it does not say."""


@dataclass(frozen=True, slots=True)
class CedarRecord:
    """Objects with the members that the schema names, and no others."""

    members: Mapping[str, CedarMember]
    unmapped: Mapping[str, str] = field(default_factory=dict[str, str])
    """Members of which rules do not see all values, by pointer: why. A call with such a value is denied."""

    def schema(self) -> dict[str, JsonValue]:
        """`Record`; a member that is missing and has a default is there all the same."""
        attributes: dict[str, JsonValue] = {
            name: {**member.type.schema(), "required": member.is_required or member.default is not None}
            for name, member in self.members.items()
        }
        return {"type": "Record", "attributes": attributes}

    def convert(self, value: ExactValue, pointer: str) -> JsonValue:
        """The members, with the defaults of those that are missing."""
        if not isinstance(value, Mapping):
            raise Unmappable(f"{pointer or 'the value'} is no object")
        for name in value:
            if name not in self.members:
                raise Unmappable(f"policies do not see a member of {pointer or 'the arguments'}")
        found: dict[str, JsonValue] = {}
        for name, member in self.members.items():
            if name in value:
                found[name] = member.type.convert(value[name], join(pointer, name))
            elif member.default is not None:
                found[name] = member.default
            elif member.is_required:
                raise Unmappable(f"{join(pointer, name)} is missing")
        return found


def cedar_decimal(value: Decimal, pointer: str) -> JsonValue:
    """Return `value` in Cedar's JSON format. Raises `Unmappable` where a `decimal` does not hold it."""
    scaled = value.scaleb(_DIGITS, _EXACT)
    if scaled != scaled.to_integral_value():
        raise Unmappable(f"{pointer} has more than {_DIGITS} digits after the point")
    if not -_LONG <= scaled < _LONG:
        raise Unmappable(f"{pointer} is beyond what a decimal holds")
    return {"__extn": {"fn": "decimal", "arg": f"{abs(value) if value == 0 else value:.{_DIGITS}f}"}}


def map_arguments(schema: JsonObject) -> CedarRecord:
    """Return the record of a tool's `inputSchema`. Raises `Unmappable` where policies cannot see it."""
    mapper = _Mapper(schema)
    found = mapper.map(schema, "", frozenset(), 0)
    if not isinstance(found, CedarRecord):
        raise Unmappable("the schema is not that of an object")
    return replace(found, unmapped={**found.unmapped, **mapper.notes})


class _Mapper:
    """Maps one document, to which its references point."""

    def __init__(self, document: JsonObject) -> None:
        self._document = document
        self.notes: dict[str, str] = {}
        """Of which members rules see a part of the values alone, and which."""

    def map(self, schema: JsonValue, place: str, seen: frozenset[str], depth: int) -> CedarType:
        """Return the type of the schema at the arguments' `place`; `seen` are the references on the way."""
        if depth > _MAX_DEPTH:
            raise Unmappable(f"the schema is deeper than {_MAX_DEPTH}")
        if not isinstance(schema, Mapping):
            raise Unmappable("any value is allowed")
        if "$ref" in schema:
            reference, target = self._follow(schema["$ref"], seen)
            return self.map(target, place, seen | {reference}, depth + 1)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self._choose(schema[keyword], place, seen, depth)
        if unsupported := next((each for each in _UNSUPPORTED if each in schema), None):
            raise Unmappable(f"it uses {unsupported}")
        kind = _type_of(schema)
        if kind == "array":
            return CedarSet(self.map(schema.get("items"), f"{place}/*", seen, depth + 1))
        return self._record(schema, place, seen, depth) if kind == "object" else _scalar(kind, schema)

    def _choose(self, alternatives: JsonValue, place: str, seen: frozenset[str], depth: int) -> CedarType:
        """Return the first type beside null that can be mapped: values of others are denied."""
        others = [
            each
            for each in (alternatives if isinstance(alternatives, list) else [])
            if not (isinstance(each, Mapping) and each.get("type") == "null")
        ]
        for each in others:
            with suppress(Unmappable):
                kind = self.map(each, place, seen, depth + 1)
                if len(others) > 1:
                    self.notes[place] = f"of several types, rules see {kind.schema()['type']!r} alone"
                return kind
        raise Unmappable("none of its types can be mapped")

    def _follow(self, reference: JsonValue, seen: frozenset[str]) -> tuple[str, JsonValue]:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise Unmappable("a reference leads out of the schema")
        if reference in seen:
            raise Unmappable("the schema refers to itself")
        target = resolve(self._document, reference[1:])
        if isinstance(target, Absent):
            raise Unmappable("a reference leads nowhere")
        return reference, target

    def _record(self, schema: JsonObject, place: str, seen: frozenset[str], depth: int) -> CedarRecord:
        properties, required = schema.get("properties", {}), schema.get("required", ())
        if not isinstance(properties, Mapping) or not isinstance(required, list | tuple):
            raise Unmappable("'properties' or 'required' is malformed")
        if not properties and schema.get("additionalProperties", True) is not False and depth > 0:
            raise Unmappable("its members are not named")
        members: dict[str, CedarMember] = {}
        unmapped: dict[str, str] = {}
        for name, each in properties.items():
            pointer = join(place, name)
            try:
                kind = self.map(each, pointer, seen, depth + 1)
                members[name] = _with_default(CedarMember(kind, name in required), each, pointer)
            except Unmappable as error:
                if name in required:
                    raise Unmappable(f"{pointer}: {error}") from error
                unmapped[pointer] = str(error)
            else:
                while isinstance(kind, CedarSet):
                    kind = kind.items
                unmapped |= kind.unmapped if isinstance(kind, CedarRecord) else {}
        return CedarRecord(members, unmapped)


def _with_default(member: CedarMember, schema: JsonValue, pointer: str) -> CedarMember:
    default = schema.get("default") if isinstance(schema, Mapping) else None
    if default is None or member.is_required:
        return member
    try:
        return replace(member, default=member.type.convert(exact_value(default), pointer))
    except AmbiguousArguments as error:
        raise Unmappable(f"its default: {error}") from error


def _scalar(kind: JsonValue, schema: JsonObject) -> CedarType:
    if kind == "string":
        return CedarString(_texts_of(schema))
    if kind == "boolean":
        return CedarBool()
    if kind == "integer":
        return CedarLong()
    if kind == "number":
        return CedarDecimal()
    raise Unmappable(
        "no one type is named" if kind is None or isinstance(kind, list) else f"{kind!r} is no type"
    )


def _type_of(schema: JsonObject) -> JsonValue:
    kind = schema.get("type")
    if isinstance(kind, list):  # ["string", "null"]: null itself is denied
        others = [each for each in kind if each != "null"]
        return others[0] if len(others) == 1 else kind
    if kind is None and _texts_of(schema) is not None:
        return "string"
    return "object" if kind is None and "properties" in schema else kind


def _texts_of(schema: JsonObject) -> frozenset[str] | None:
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if not isinstance(values, list):
        return None
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) != len([value for value in values if value is not None]):
        return None
    return frozenset(texts)
