from decimal import Decimal

import pytest

from deputize.gateway.policies.cedar_types import Unmappable, cedar_decimal, map_arguments
from support.policies import TRANSFER


def mapped(schema, **more):
    return map_arguments({"type": "object", "properties": {"x": schema}, "required": ["x"], **more})


def converted(schema, value):
    return mapped(schema).convert({"x": value}, "")["x"]


def decimal(text):
    return {"__extn": {"fn": "decimal", "arg": text}}


@pytest.mark.parametrize(
    ("schema", "value", "cedar"),
    [
        ({"type": "string"}, "a", "a"),
        ({"type": "boolean"}, True, True),
        ({"type": "integer"}, Decimal("1E+2"), 100),
        ({"type": "integer"}, Decimal("-0.0"), 0),
        ({"type": "integer"}, Decimal(-(2**63)), -(2**63)),
        ({"type": "number"}, Decimal("0.1"), decimal("0.1000")),
        ({"type": "number"}, Decimal("-0.0"), decimal("0.0000")),
        ({"type": "number"}, Decimal("1E+2"), decimal("100.0000")),
        ({"type": "array", "items": {"type": "string"}}, ["b", "a", "b"], ["b", "a", "b"]),
        ({"type": ["string", "null"]}, "a", "a"),
        ({"enum": ["a", "b", None]}, "a", "a"),
        ({"const": "a"}, "a", "a"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, Decimal(7), 7),
        ({"type": "object", "properties": {"y": {"type": "boolean"}}}, {"y": False}, {"y": False}),
    ],
)
def test_a_value_becomes_cedars(schema, value, cedar):
    found = converted(schema, value)
    assert found == cedar
    assert type(found) is type(cedar)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, None),
        ({"type": "string"}, Decimal(1)),
        ({"type": "boolean"}, Decimal(1)),
        ({"type": "integer"}, True),
        ({"type": "integer"}, Decimal("1.5")),
        ({"type": "integer"}, Decimal(2**63)),
        ({"type": "integer"}, "1"),
        ({"type": "number"}, True),
        ({"type": "number"}, Decimal("0.00001")),
        ({"type": "number"}, Decimal("922337203685477.5808")),
        ({"type": "number"}, Decimal(10) ** 200),
        ({"type": ["number", "null"]}, None),
        ({"enum": ["a", "b"]}, "A"),
        ({"type": "array", "items": {"type": "string"}}, "a"),
        ({"type": "array", "items": {"type": "string"}}, [None]),
        ({"type": "object", "properties": {"y": {"type": "boolean"}}}, {"z": True}),
        ({"type": "object", "properties": {"y": {"type": "boolean"}}}, []),
    ],
)
def test_what_cedar_cannot_say_is_refused(schema, value):
    with pytest.raises(Unmappable, match=r"/x|arguments"):
        converted(schema, value)


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (True, "any value"),
        ({}, "no one type"),
        ({"type": ["string", "integer"]}, "no one type"),
        ({"type": "null"}, "no type"),
        ({"enum": [1, "a"]}, "no one type"),
        ({"allOf": [{"type": "string"}]}, "allOf"),
        ({"oneOf": [{"type": "null"}, {"type": "array"}]}, "none of its types"),
        ({"anyOf": "x"}, "none of its types"),
        ({"type": "object"}, "not named"),
        ({"type": "array"}, "any value"),
        ({"type": "array", "items": {"type": "string"}, "prefixItems": []}, "prefixItems"),
        ({"$ref": "https://elsewhere.example/schema"}, "out of the schema"),
        ({"$ref": "#/nowhere"}, "nowhere"),
        ({"$ref": "#/properties/x"}, "refers to itself"),
        ({"type": "object", "properties": 3}, "malformed"),
    ],
)
def test_a_schema_that_cannot_be_mapped_keeps_the_tool_from_being_called(schema, why):
    with pytest.raises(Unmappable, match=why):
        mapped(schema)


def test_a_schema_deeper_than_policies_need_is_refused():
    schema = {"type": "string"}
    for _ in range(20):
        schema = {"type": "array", "items": schema}
    with pytest.raises(Unmappable, match="deeper"):
        mapped(schema)


def test_references_are_followed_within_the_schema():
    record = mapped({"$ref": "#/$defs/kind"}, **{"$defs": {"kind": {"type": "boolean"}}})
    assert record.convert({"x": True}, "") == {"x": True}


def test_a_member_that_may_be_missing_and_cannot_be_mapped_is_left_out_and_denies_when_it_comes():
    inner = {"type": "array", "items": {"type": "object", "properties": {"b": {}, "c": {"type": "string"}}}}
    record = map_arguments({"type": "object", "properties": {"a": {"allOf": []}, "i": inner}})
    assert record.unmapped == {"/a": "it uses allOf", "/i/*/b": "no one type is named"}
    assert record.convert({"i": [{"c": "x"}]}, "") == {"i": [{"c": "x"}]}
    for carried in ({"a": None}, {"i": [{"b": True}]}):
        with pytest.raises(Unmappable):
            record.convert(carried, "")


def test_of_several_types_rules_see_the_first_that_can_be_mapped():
    amount = {"anyOf": [{"type": "object"}, {"type": "number"}, {"type": "string", "pattern": "[0-9]+"}]}
    record = mapped(amount)
    assert record.convert({"x": Decimal(1)}, "") == {"x": decimal("1.0000")}
    assert list(record.unmapped) == ["/x"]
    with pytest.raises(Unmappable):
        record.convert({"x": "1"}, "")


def test_what_is_missing_has_the_servers_default():
    record = map_arguments(TRANSFER)
    assert record.convert({"amount": Decimal(1), "to": "a"}, "")["currency"] == "EUR"
    assert record.schema()["attributes"]["currency"] == {"type": "String", "required": True}
    assert record.schema()["attributes"]["note"] == {"type": "String", "required": False}


def test_a_required_member_that_is_missing_is_refused():
    with pytest.raises(Unmappable, match="/to is missing"):
        map_arguments(TRANSFER).convert({"amount": Decimal(1)}, "")


@pytest.mark.parametrize("default", [2**53 + 1, 0.00001])
def test_a_default_that_cannot_be_mapped_leaves_its_member_out(default):
    record = map_arguments({"type": "object", "properties": {"x": {"type": "number", "default": default}}})
    assert list(record.unmapped) == ["/x"]


def test_a_decimal_is_never_rounded():
    assert cedar_decimal(Decimal("922337203685477.5807"), "") == decimal("922337203685477.5807")
    with pytest.raises(Unmappable):
        cedar_decimal(Decimal("1.00000000000000000000000000000000000001"), "")
