import json

import pytest
from bench.calls import MAX_BYTES, MAX_CALLS, MODERN_VERSION, TOOLS, tool_calls
from bench.load import MARK, Load, prepare
from bench.pace import read_calls
from bench.programs import Program

from deputize.mcp.headers import read_fields
from deputize.mcp.validation import Message, Rules, check_head, check_message

TOKENS = [f"token-{number}" for number in range(20)]


def test_calls_differ_in_token_tool_arguments_and_id():
    calls = tool_calls(TOKENS, count=400)
    messages = [json.loads(call.body) for call in calls]
    assert {call.headers["Authorization"] for call in calls} == {f"Bearer {token}" for token in TOKENS}
    assert len({message["id"] for message in messages}) == 400
    assert {message["params"]["name"] for message in messages} == set(TOOLS)
    assert len({json.dumps(message["params"]) for message in messages}) > 300


@pytest.mark.parametrize(("size", "count"), [(1_000, 50), (10_000, 50), (1_000_000, MAX_CALLS)])
def test_calls_are_about_as_long_as_wanted_and_bounded_in_all(size, count):
    calls = tool_calls(TOKENS, size=size, count=count)
    assert all(0.9 * size <= len(call.body) <= 1.2 * size for call in calls)
    assert len({call.body for call in calls}) == len(calls) >= min(count, 30)
    assert sum(len(call.body) for call in calls) < 1.2 * MAX_BYTES


def test_calls_of_both_eras_are_valid_messages():
    for version in ("2025-11-25", MODERN_VERSION):
        for call in tool_calls(TOKENS, version=version, count=50):
            raw = [(name.encode(), value.encode()) for name, value in call.headers.items()]
            fields = read_fields(raw)
            assert check_head("POST", fields) is None
            assert isinstance(
                check_message(fields, call.body, Rules(frozenset(), "2025-11-25", 2**22)), Message
            )


def test_a_prepared_file_holds_each_call_as_it_is_sent(tmp_path):
    calls = tool_calls(TOKENS, count=30)
    prepared = prepare(Load(Program("http://127.0.0.1:81/mcp", 0), calls), tmp_path, "x")
    written = read_calls(prepared.calls)
    assert len(written) == 30
    for call, sent in zip(calls, written, strict=True):
        head, _, body = sent.partition(b"\r\n\r\n")
        assert body == call.body
        assert head.startswith(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:81\r\n")
        assert f"Content-Length: {len(body)}".encode() in head


def test_a_traced_load_has_one_place_for_its_trace_in_each_call():
    load = Load(Program("http://127.0.0.1:81/mcp", 0), tool_calls(TOKENS, count=5)).traced()
    written = [call.write(load.program.url) for call in load.calls]
    assert [text.count(MARK.encode()) for text in written] == [1] * 5
    assert all(f"traceparent: {MARK}\r\n".encode() in text for text in written)
