import json

import pytest

from deputize.mcp import frames
from deputize.mcp.errors import INVALID_REQUEST, PARSE_ERROR, Rejection
from deputize.mcp.frames import Frame, FrameKind
from support.mcp_messages import parse_frame


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"jsonrpc": "2.0", "id": 1, "method": "ping"}, FrameKind.REQUEST),
        ({"jsonrpc": "2.0", "id": "a", "method": "ping", "params": {}}, FrameKind.REQUEST),
        ({"jsonrpc": "2.0", "method": "notifications/initialized"}, FrameKind.NOTIFICATION),
        ({"jsonrpc": "2.0", "id": 0, "result": {}}, FrameKind.RESULT),
        ({"jsonrpc": "2.0", "id": 0, "error": {"code": -1, "message": "no"}}, FrameKind.ERROR),
        ({"jsonrpc": "2.0", "error": {"code": -1, "message": "no", "data": [1]}}, FrameKind.ERROR),
    ],
)
def test_the_four_kinds(document, kind):
    frame = parse_frame(json.dumps(document).encode())
    assert isinstance(frame, Frame)
    assert (frame.kind, frame.id, frame.document) == (kind, document.get("id"), document)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", PARSE_ERROR),
        (b"{", PARSE_ERROR),
        (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', PARSE_ERROR),
        (b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}', PARSE_ERROR),
        (b'{"jsonrpc":"2.0","id":NaN,"method":"ping"}', PARSE_ERROR),
        (b'{"jsonrpc":"2.0","id":1' + b"0" * 128 + b',"method":"ping"}', PARSE_ERROR),
        (b'{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}', PARSE_ERROR),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}'.decode().encode("utf-16"), PARSE_ERROR),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', INVALID_REQUEST),
        (b"[]", INVALID_REQUEST),
        (b'"ping"', INVALID_REQUEST),
        (b"null", INVALID_REQUEST),
    ],
)
def test_what_is_no_frame_at_all(body, code):
    rejection = parse_frame(body)
    assert isinstance(rejection, Rejection)
    assert (rejection.status, rejection.code, rejection.id) == (400, code, None)


@pytest.mark.parametrize(
    "members",
    [
        b'"method":"ping","method":"tools/call"',
        b'"method":"ping","params":{"a":1,"a":2}',
        b'"method":"ping","params":{"a\\u0000":1}',
        b'"method":"ping","params":{"a":1e999}',
        b'"method":"ping","params":{"a":"\\ud800"}',
        b'"method":"ping","params":{"a":1' + b"0" * 128 + b"}",
        b'"method":"ping","params":{"a":' + b"[" * 70 + b"]" * 70 + b"}",
    ],
)
@pytest.mark.parametrize("identity", [0, -1, 1234567890123456789, 10**127, "a", "", "0"])
def test_a_refused_request_is_answered_by_its_id(members, identity):
    rejection = parse_frame(b'{"jsonrpc":"2.0",' + members + b',"id":' + json.dumps(identity).encode() + b"}")
    assert isinstance(rejection, Rejection)
    assert (rejection.code, rejection.id) == (PARSE_ERROR, identity)
    assert json.loads(rejection.body())["id"] == identity


@pytest.mark.parametrize("number", [2**53, -(2**53) - 1, 1234567890123456789, 2**64, 10**127])
def test_integers_of_any_size_are_read_exactly(number):
    document = {
        "jsonrpc": "2.0",
        "id": number,
        "method": "tools/call",
        "params": {"name": "x", "arguments": {"message_id": number}},
    }
    frame = parse_frame(json.dumps(document).encode())
    assert isinstance(frame, Frame)
    assert (frame.id, frame.document) == (number, document)


@pytest.mark.parametrize(
    "document",
    [
        {"id": 1, "method": "ping"},
        {"jsonrpc": "1.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "id": 1, "method": 7},
        {"jsonrpc": "2.0", "id": 1, "method": ""},
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []},
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": None},
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "extra": 1},
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "result": {}},
        {"jsonrpc": "2.0", "id": 1, "result": []},
        {"jsonrpc": "2.0", "id": 1, "result": {}, "error": {"code": 1, "message": ""}},
        {"jsonrpc": "2.0", "id": 1, "error": "no"},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": True, "message": ""}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 1.5, "message": ""}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 1}},
    ],
)
def test_a_faulty_frame_is_refused_with_its_id(document):
    rejection = parse_frame(json.dumps(document).encode())
    assert isinstance(rejection, Rejection)
    assert (rejection.code, rejection.id) == (INVALID_REQUEST, 1)


@pytest.mark.parametrize("identity", [None, 1.5, 1.0, True, [], {}])
def test_an_id_is_text_or_an_integer(identity):
    rejection = parse_frame(json.dumps({"jsonrpc": "2.0", "id": identity, "method": "ping"}).encode())
    assert isinstance(rejection, Rejection)
    assert rejection.id is None


def test_a_result_needs_an_id():
    assert isinstance(parse_frame(b'{"jsonrpc":"2.0","result":{}}'), Rejection)


def test_size_and_depth_are_limited():
    assert isinstance(parse_frame(b'{"jsonrpc":"2.0","id":1,"method":"ping"}', max_size=20), Rejection)
    deep = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":' + b"[" * 100 + b"]" * 100 + b"}}"
    assert isinstance(parse_frame(deep), Rejection)


@pytest.mark.parametrize(
    "params",
    [
        {"name": "read", "Name": "transfer"},
        {"Name": "transfer", "name": "read"},
        {"name": "read", "NAME": "transfer"},
        {"uri": "file:///a", "URI": "file:///b"},
        {"name": "read", "argument\u017f": {}},
        {"taskid": "1"},
        {"_Meta": {}},
        {"_meta": {"io.modelcontextprotocol/ProtocolVersion": "2026-07-28"}},
        {"ref": {"type": "ref/prompt", "name": "a", "Name": "b"}},
        {"notifications": {"ResourceSubscriptions": ["file:///b"]}},
    ],
)
def test_members_that_differ_in_case_only_are_refused(params):
    """Some servers take them for the member that was decided on.

    The tool called would not be the tool allowed.
    """
    rejection = parse_frame(
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    )
    assert isinstance(rejection, Rejection)
    assert (rejection.status, rejection.code, rejection.id) == (400, INVALID_REQUEST, 1)


def test_arguments_are_the_tools_own():
    params = {"name": "read", "arguments": {"Name": 1, "name": 2}}
    assert isinstance(
        parse_frame(
            json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
        ),
        Frame,
    )


def test_the_table_of_harmless_names_is_bounded(monkeypatch):
    monkeypatch.setattr(frames, "_harmless", set())
    for n in range(1000):
        names = {f"{n}-{m}": m for m in range(20)} | {f"{n}" * 100: 1}
        assert isinstance(
            parse_frame(json.dumps({"jsonrpc": "2.0", "method": "x", "params": names}).encode()), Frame
        )
    assert len(frames._harmless) <= frames._MAX_HARMLESS
    assert max(map(len, frames._harmless)) <= 64
