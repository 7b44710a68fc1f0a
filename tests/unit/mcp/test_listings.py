import json

import pytest

from deputize.kernel.strict_json import JsonError
from deputize.mcp.listings import MAX_TTL, filter_message, filter_result
from deputize.mcp.operations import OperationRule, OperationRules

RULES = OperationRules(
    [
        OperationRule("secret", ("secret",), {"tools": ("transfer",), "resources": ("account://7",)}),
        OperationRule(
            "read",
            ("read",),
            {"tools": ("read_*",), "prompts": ("greet",), "resources": ("account://{id}", "file:///a")},
        ),
    ]
)
READER = RULES.permissions({"read"})
TOOLS = [{"name": "read_balance", "x": 1.5}, {"name": "transfer"}, {"name": "other"}]


def message(result):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode()


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        ({"tools": TOOLS}, {"tools": TOOLS[:1]}),
        ({"tools": TOOLS, "_meta": {"a": 1}}, {"tools": TOOLS[:1], "_meta": {"a": 1}}),
        ({"tools": TOOLS[1:], "nextCursor": "c"}, {"tools": [], "nextCursor": "c"}),
        ({"prompts": [{"name": "greet"}, {"name": "x"}]}, {"prompts": [{"name": "greet"}]}),
        ({"resources": [{"uri": "file:///a"}, {"uri": "file:///b"}]}, {"resources": [{"uri": "file:///a"}]}),
        (
            {"resourceTemplates": [{"uriTemplate": "account://{id}"}, {"uriTemplate": "file:///{x}"}]},
            {"resourceTemplates": [{"uriTemplate": "account://{id}"}]},
        ),
        ({"tools": [{"name": 7}, "read_x", {}, None]}, {"tools": []}),
        ({"tools": {"name": "transfer"}}, {"tools": []}),
        ({"content": [{"type": "text", "text": "tools"}]}, {"content": [{"type": "text", "text": "tools"}]}),
    ],
)
def test_lists_show_what_is_permitted(result, shown):
    assert filter_result(result, READER) == shown


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"cacheScope": "public", "ttlMs": 10}, {"cacheScope": "private", "ttlMs": 10}),
        ({"cacheScope": "private", "ttlMs": MAX_TTL + 1}, {"cacheScope": "private", "ttlMs": MAX_TTL}),
        ({"cacheScope": "odd"}, {"cacheScope": "private"}),
        ({}, {}),
    ],
)
def test_a_list_is_the_callers_own(given, kept):
    assert filter_result({"tools": TOOLS[:1], **given}, READER) == {"tools": TOOLS[:1], **kept}


def test_what_is_no_list_keeps_its_cache_scope():
    result = {"contents": [], "cacheScope": "public", "ttlMs": 10**9}
    assert filter_result(result, READER) is result


def test_a_message_of_which_all_is_shown_keeps_its_bytes():
    text = message({"tools": TOOLS[:1]})
    assert filter_message(text, READER) is text


@pytest.mark.parametrize(
    "document",
    [
        {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"tools": [{"name": "transfer"}]}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "x"}},
        "text",
        [],
    ],
)
def test_other_messages_keep_their_bytes(document):
    text = json.dumps(document).encode()
    assert filter_message(text, READER) is text


def test_each_message_of_a_batch_is_looked_at():
    text = b"[" + message({"tools": TOOLS}) + b"," + message({"x": 1}) + b"]"
    found = json.loads(filter_message(text, READER))
    assert [each["result"] for each in found] == [{"tools": TOOLS[:1]}, {"x": 1}]


@pytest.mark.parametrize(
    "text",
    [
        b'{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[{"name":"transfer"}]}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"tools":[]},"result":{"tools":[{"name":"transfer"}]}}',
        b"\xef\xbb\xbf{}",
        b"nothing",
    ],
)
def test_what_can_be_read_in_two_ways_is_not_passed_on(text):
    with pytest.raises(JsonError):
        filter_message(text, READER)


def test_completions_name_what_may_be_read():
    params = {
        "ref": {"type": "ref/resource", "uri": "account://{id}"},
        "argument": {"name": "id", "value": ""},
    }
    result = {"completion": {"values": ["6", "7", "8"], "total": 3, "hasMore": False}}
    assert filter_result(result, READER, params) == {"completion": {"values": ["6", "8"], "hasMore": False}}
    everything = RULES.permissions({"read", "secret"})
    assert filter_result(result, everything, params) is result


def test_completions_of_a_prompt_are_left_alone():
    params = {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "id", "value": ""}}
    result = {"completion": {"values": ["transfer"], "total": 1}}
    assert filter_result(result, READER, params) is result
