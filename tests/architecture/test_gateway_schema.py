"""The JSON Schemas of the gateway's files: what loads fits them, and what is misspelt does not."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from tools.gateway_schema import FILES, schema_text

from deputize.gateway.config import documents

ROOT = Path(__file__).parents[2]
VALIDATORS = {name: Draft7Validator(json.loads(schema_text(name))) for name in FILES}
INSTANCES = [
    *(path.parent for path in ROOT.glob("examples/*/gateway/config/admin.json")),
]
STATIC = {"type": "StaticResponseHandler", "config": {"status": 200}}


def members(path):
    return documents.parse(path.read_bytes(), str(path)).members


def faults(name, document):
    return [f"{error.json_path}: {error.message[:200]}" for error in VALIDATORS[name].iter_errors(document)]


@pytest.mark.parametrize("name", FILES)
def test_a_schema_is_one(name):
    Draft7Validator.check_schema(json.loads(schema_text(name)))


@pytest.mark.parametrize("folder", INSTANCES, ids=lambda folder: folder.parent.parent.name)
def test_files_that_load_fit(folder):
    assert INSTANCES
    assert faults("admin", members(folder / "admin.json")) == []
    if (folder / "config.json").exists():
        assert faults("config", members(folder / "config.json")) == []
    routes = [*folder.glob("routes/*.json")]
    assert [fault for route in routes for fault in faults("route", members(route))] == []


@pytest.mark.parametrize(
    "route",
    [
        {"handler": "ReverseProxyHandler", "$schema": "route.schema.json"},
        {"handler": STATIC, "capture": ["request", "RESPONSE"], "timer": True, "_name": 1, "comment": "x"},
        {"handler": {**STATIC, "config": {"status": "&{status}"}}},
        {"handler": {**STATIC, "config": {"status": {"$int": "&{status}"}}}},
        {"handler": {"type": "com.example.OwnHandler", "config": {"anything": 1}}},
        {
            "handler": STATIC,
            "heap": [{"name": "f", "type": "HeaderFilter", "config": {"messageType": "request"}}],
        },
        {
            "handler": STATIC,
            "condition": "${true}",
            "properties": {"a": {"b": 1}},
            "globalDecorators": {"timer": True},
        },
    ],
)
def test_what_loads_fits(route):
    assert faults("route", route) == []


@pytest.mark.parametrize(
    ("route", "place"),
    [
        ({}, "$"),
        ({"handler": STATIC, "handlers": 1}, "$"),
        ({"handler": {**STATIC, "config": {"status": 200, "entitty": "x"}}}, "$.handler"),
        ({"handler": {**STATIC, "config": {"status": 20}}}, "$.handler"),
        ({"handler": {"type": "StaticResponseHandler"}}, "$.handler"),
        ({"handler": {"type": "JwtSession"}}, "$.handler"),
        ({"handler": STATIC, "capture": True}, "$.capture"),
        ({"handler": STATIC, "heap": [{"type": "HeaderFilter"}]}, "$.heap[0]"),
        ({"handler": STATIC, "heap": {}}, "$.heap"),
    ],
)
def test_what_is_wrong_does_not_fit(route, place):
    found = faults("route", route)
    assert found
    assert all(fault.startswith(place) for fault in found)
