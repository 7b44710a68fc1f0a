import base64
import dataclasses

import pytest

from deputize.mcp.errors import HEADER_MISMATCH, INVALID_REQUEST, Rejection
from deputize.mcp.headers import RoutingFields, accepts, decode_name, is_json, read_fields
from support.mcp_messages import fields, raw


def test_names_compare_without_case_and_values_lose_surrounding_blanks():
    found = fields(
        ("mcp-PROTOCOL-version", " 2025-11-25\t"),
        ("ACCEPT", "a/b"),
        ("accept", "c/d"),
        ("X-Other", "1"),
        ("X-Other", "2"),
    )
    assert (found.version, found.accept, found.session) == ("2025-11-25", "a/b, c/d", None)


@pytest.mark.parametrize(
    "name", ["Content-Type", "MCP-Protocol-Version", "Mcp-Session-Id", "Mcp-Method", "Mcp-Name"]
)
def test_a_repeated_routing_header_is_refused_even_with_the_same_value(name):
    rejection = read_fields(raw((name, "x"), (name.lower(), "x")))
    assert isinstance(rejection, Rejection)
    assert (rejection.status, rejection.code) == (400, HEADER_MISMATCH)


def test_two_origins_are_refused_as_a_foreign_one():
    rejection = read_fields(raw(("Origin", "https://a.example"), ("origin", "https://a.example")))
    assert isinstance(rejection, Rejection)
    assert (rejection.status, rejection.code) == (403, INVALID_REQUEST)


@pytest.mark.parametrize("session", ["", "a b", "ä", "x" * 1025])
def test_a_session_id_is_visible_ascii(session):
    assert isinstance(read_fields(raw(("Mcp-Session-Id", session))), Rejection)


@pytest.mark.parametrize(
    ("accept", "both"),
    [
        ("application/json, text/event-stream", True),
        ("TEXT/event-stream;q=0.5,application/JSON", True),
        ("*/*", True),
        ("application/*, text/*", True),
        ("application/json", False),
        ("text/event-stream", False),
        ("application/json, text/event-stream;q=0", False),
        ("application/json, text/event-stream; q=0.000", False),
        ("application/jsonp, text/event-streams", False),
        ("", False),
    ],
)
def test_accept(accept, both):
    assert (accepts(accept, "application/json") and accepts(accept, "text/event-stream")) is both


@pytest.mark.parametrize(
    ("content_type", "json"),
    [
        ("application/json", True),
        ("Application/JSON; charset=UTF-8", True),
        ('application/json; charset="utf-8"; x=y', True),
        ("application/json; charset=utf-16", False),
        ("application/json-rpc", False),
        ("text/plain", False),
        ("", False),
    ],
)
def test_content_type(content_type, json):
    assert is_json(content_type) is json


def test_names_are_unwrapped():
    wrapped = "=?base64?" + base64.b64encode("Grüße".encode()).decode() + "?="
    assert decode_name(wrapped) == "Grüße"
    assert decode_name("plain name") == "plain name"
    assert decode_name("=?BASE64?eA==?=") == "=?BASE64?eA==?="


@pytest.mark.parametrize("value", ["=?base64?!?=", "=?base64?/w==?=", "=?base64?eA?=", "caf\xe9", "a\x01b"])
def test_malformed_names(value):
    assert decode_name(value) is None


def test_a_call_that_differs_in_its_name_keeps_every_other_field():
    stated = RoutingFields(**{each.name: each.name for each in dataclasses.fields(RoutingFields)})
    assert stated.with_name("x") == dataclasses.replace(stated, name="x")
