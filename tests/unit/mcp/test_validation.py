import base64
import gc
import json
import sys

import pytest

from deputize.mcp.errors import HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, Rejection
from deputize.mcp.frames import FrameKind
from deputize.mcp.validation import (
    ClientMessageType,
    Message,
    OrdinaryCalls,
    Rules,
    check_head,
    check_message,
    check_opening,
)
from deputize.mcp.versions import Era
from support.mcp_messages import (
    ACCEPT,
    JSON_CONTENT,
    LEGACY_VERSION,
    MODERN_META,
    RULES,
    check,
    fields,
    legacy_call,
    legacy_fields,
    modern_call,
    modern_fields,
    passed,
    whole_ladder,
)

UPDATE = {"taskId": "t", "inputResponses": {}, "_meta": MODERN_META}


def test_a_legacy_call_passes():
    message = check(legacy_fields(("Mcp-Session-Id", "s")), legacy_call())
    assert isinstance(message, Message)
    assert (message.type, message.era, message.version, message.session) == (
        ClientMessageType.MESSAGE,
        Era.LEGACY,
        "2025-11-25",
        "s",
    )
    assert message.frame.kind is FrameKind.REQUEST


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "danger\0x", "arguments": {}}),
        ("prompts/get", {"name": "\0danger"}),
        ("resources/read", {"uri": "file:///etc/passwd\0.txt"}),
        ("resources/subscribe", {"uri": "a:b\0"}),
        (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "danger\0"}, "argument": {"name": "a", "value": "b"}},
        ),
    ],
)
def test_a_name_with_nul_is_refused(method, params):
    """A rule compares the whole of it, and a server that ends texts there would act on another."""
    rejection = check(legacy_fields(), {"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
    assert (rejection.status, rejection.code, rejection.id) == (400, INVALID_PARAMS, 7)
    assert "NUL" in rejection.message


def test_an_argument_may_hold_nul():
    call = legacy_call()
    call["params"]["arguments"] = {"data": "a\0b"}
    assert isinstance(check(legacy_fields(), call), Message)


def test_a_modern_call_passes():
    message = check(modern_fields(), modern_call())
    assert isinstance(message, Message)
    assert (message.era, message.version) == (Era.MODERN, "2026-07-28")


@pytest.mark.parametrize(
    "document",
    [
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 4, "result": {"roots": []}},
        {"jsonrpc": "2.0", "id": 4, "error": {"code": -1, "message": "declined"}},
        {"jsonrpc": "2.0", "id": 4, "method": "ping"},
        {"jsonrpc": "2.0", "id": 4, "method": "tools/list", "params": {"cursor": "c"}},
        {"jsonrpc": "2.0", "id": 4, "method": "tasks/get", "params": {"taskId": "t"}},
        {"jsonrpc": "2.0", "id": 4, "method": "tasks/list"},
        {
            "jsonrpc": "2.0",
            "method": "notifications/tasks/status",
            "params": {"taskId": "t", "status": "working"},
        },
    ],
)
def test_other_legacy_messages_pass(document):
    assert passed(check(legacy_fields(), document))


@pytest.mark.parametrize(
    ("method", "name", "params"),
    [
        ("server/discover", None, {"_meta": MODERN_META}),
        ("tools/list", None, {"_meta": MODERN_META}),
        ("resources/read", "test://a", {"uri": "test://a", "_meta": MODERN_META}),
        ("tasks/get", "t", {"taskId": "t", "_meta": MODERN_META}),
        ("tasks/update", "t", UPDATE),
        ("subscriptions/listen", None, {"notifications": {"toolsListChanged": True}, "_meta": MODERN_META}),
    ],
)
def test_other_modern_messages_pass(method, name, params):
    assert passed(
        check(modern_fields(method, name), {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    )


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"arguments": {}}),
        ("tools/call", {"name": 7}),
        ("tools/call", {"name": "x", "arguments": []}),
        ("tasks/get", {}),
        ("tasks/cancel", {"taskId": 7}),
        ("resources/read", {}),
        ("initialize", {}),
    ],
)
def test_params_have_to_fit(method, params):
    rejection = check(legacy_fields(), {"jsonrpc": "2.0", "id": "i", "method": method, "params": params})
    assert isinstance(rejection, Rejection)
    assert (rejection.status, rejection.code, rejection.id) == (400, INVALID_PARAMS, "i")
    assert all(each["pointer"].startswith("/params") for each in rejection.data)


@pytest.mark.parametrize("missing", list(MODERN_META))
def test_every_required_meta_key_is_required(missing):
    meta = {key: value for key, value in MODERN_META.items() if key != missing}
    rejection = check(modern_fields(), modern_call(meta=meta))
    assert isinstance(rejection, Rejection)
    assert (rejection.status, rejection.code, rejection.id) == (400, INVALID_PARAMS, 1)


def test_complaints_never_repeat_values():
    rejection = check(
        legacy_fields(), legacy_call(params={"name": ["s3cret-name"], "arguments": "s3cret-argument"})
    )
    assert isinstance(rejection, Rejection)
    assert b"s3cret" not in rejection.body()


@pytest.mark.parametrize(
    ("some_fields", "document", "status"),
    [
        (legacy_fields(), {"jsonrpc": "2.0", "id": 1, "method": "tools/steal"}, 400),
        (legacy_fields(), {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {}}, 400),
        (legacy_fields(), {"jsonrpc": "2.0", "method": "notifications/steal"}, 400),
        (
            modern_fields("ping", None),
            {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"_meta": MODERN_META}},
            404,
        ),
        (
            modern_fields("initialize", None),
            {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"_meta": MODERN_META}},
            404,
        ),
        (
            modern_fields("tasks/list", None),
            {"jsonrpc": "2.0", "id": 1, "method": "tasks/list", "params": {"_meta": MODERN_META}},
            404,
        ),
    ],
)
def test_unknown_methods_are_refused(some_fields, document, status):
    rejection = check(some_fields, document)
    assert isinstance(rejection, Rejection)
    assert (rejection.status, rejection.code) == (status, METHOD_NOT_FOUND)


def test_an_accepted_method_passes():
    rules = Rules(accepted_methods=frozenset({"ui/open"}))
    assert passed(
        check(legacy_fields(), {"jsonrpc": "2.0", "id": 1, "method": "ui/open", "params": {"x": 1}}, rules)
    )
    assert not passed(check(legacy_fields(), {"jsonrpc": "2.0", "id": 1, "method": "ui/Open"}, rules))


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (None, "forecast_daily"),
        ("tools/list", "forecast_daily"),
        ("Tools/call", "forecast_daily"),
        ("tools/call", None),
        ("tools/call", "geocode"),
    ],
)
def test_modern_routing_headers_have_to_agree(method, name):
    pairs = [pair for pair in (("Mcp-Method", method), ("Mcp-Name", name)) if pair[1] is not None]
    rejection = check(
        fields(ACCEPT, JSON_CONTENT, ("MCP-Protocol-Version", "2026-07-28"), *pairs), modern_call()
    )
    assert isinstance(rejection, Rejection)
    assert (rejection.status, rejection.code, rejection.id) == (400, HEADER_MISMATCH, 1)


def test_a_name_header_without_a_name_in_the_body_is_a_contradiction():
    document = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": MODERN_META}}
    assert not passed(check(modern_fields("tools/list", "forecast_daily"), document))


def test_a_wrapped_name_is_compared_unwrapped():
    wrapped = "=?base64?" + base64.b64encode("Grüße".encode()).decode() + "?="
    assert passed(check(modern_fields("tools/call", wrapped), modern_call("Grüße")))
    assert not passed(check(modern_fields("tools/call", "=?base64?*?="), modern_call("Grüße")))


def test_legacy_messages_may_have_routing_headers_that_agree_only():
    assert passed(
        check(legacy_fields(("Mcp-Method", "tools/call"), ("Mcp-Name", "forecast_daily")), legacy_call())
    )
    assert not passed(check(legacy_fields(("Mcp-Name", "geocode")), legacy_call()))
    assert not passed(check(legacy_fields(("Mcp-Method", "tools/list")), legacy_call()))


@pytest.mark.parametrize(
    ("verb", "pairs", "status"),
    [
        ("POST", [JSON_CONTENT], 406),
        ("POST", [JSON_CONTENT, ("Accept", "application/json")], 406),
        ("POST", [ACCEPT], 415),
        ("POST", [ACCEPT, JSON_CONTENT, ("Content-Encoding", "br")], 415),
        ("POST", [ACCEPT, ("Content-Type", "text/plain")], 415),
        ("GET", [], 406),
        ("GET", [("Accept", "application/json")], 406),
        ("PUT", [ACCEPT, JSON_CONTENT], 405),
        ("OPTIONS", [ACCEPT, JSON_CONTENT], 405),
        ("post", [ACCEPT, JSON_CONTENT], 405),
    ],
)
def test_heads_that_are_refused(verb, pairs, status):
    rejection = check_head(verb, fields(*pairs))
    assert isinstance(rejection, Rejection)
    assert (rejection.status, rejection.code) == (status, INVALID_REQUEST)


def test_heads_that_pass():
    assert check_head("POST", fields(ACCEPT, JSON_CONTENT)) is None
    assert check_head("GET", fields(("Accept", "text/event-stream"))) is None
    assert check_head("DELETE", fields()) is None


@pytest.mark.parametrize(
    ("verb", "kind"),
    [("GET", ClientMessageType.SSE_OPENING), ("DELETE", ClientMessageType.SESSION_TERMINATION)],
)
def test_openings_pass_in_the_legacy_era(verb, kind):
    message = check_opening(verb, fields(LEGACY_VERSION, ("Mcp-Session-Id", "s")))
    assert isinstance(message, Message)
    assert (message.type, message.session, message.frame) == (kind, "s", None)


def test_a_body_beyond_the_limit_is_refused():
    rejection = check(legacy_fields(), legacy_call(), Rules(max_body_size=50))
    assert isinstance(rejection, Rejection)
    assert rejection.status == 413


def test_the_whole_ladder_refuses_repeated_headers_first():
    rejection = whole_ladder("POST", [ACCEPT, JSON_CONTENT, LEGACY_VERSION, LEGACY_VERSION], b"{}")
    assert isinstance(rejection, Rejection)
    assert rejection.code == HEADER_MISMATCH


def count_calls(document, ordinary=None):
    """How many functions of Python are called for a message that passes, once its shape is known."""
    body = json.dumps(document, separators=(",", ":")).encode()
    assert passed(check(legacy_fields(), body))
    legacy, calls = legacy_fields(), 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    gc.disable()  # it calls back whoever wants to know
    sys.setprofile(count)
    try:
        check_message(legacy, body, RULES, ordinary)
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls


@pytest.mark.parametrize(
    "document",
    [
        legacy_call(),
        {"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": "a", "method": "ping"},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
    ],
)
def test_an_ordinary_message_takes_few_calls(document):
    assert count_calls(document) <= 15


def test_a_call_that_names_a_tool_takes_hardly_any():
    assert count_calls(legacy_call(), OrdinaryCalls.of(legacy_fields())) <= 8


def test_more_members_take_no_more_calls():
    """Every call passes here: what is done for each member is done by compiled code."""
    few, many = (
        {"place": "Tokyo", "of": [{f"{n}": [n, "10:15"]} for n in range(size)]} for size in (40, 4000)
    )
    calls = {
        count_calls(
            legacy_call(params={"name": "a", "arguments": each, "_meta": {"progressToken": 1, "x/y": 2}})
        )
        for each in (few, many)
    }
    assert len(calls) == 1
    assert max(calls) <= 20
